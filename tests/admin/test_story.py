# SPDX-License-Identifier: Apache-2.0
"""The story of a session in both languages: every entry can be told, and what is told is true."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from genkan.admin.story import Session, Storyteller
from genkan.admin.story_words import CHECKS, FACTS, LANGUAGES, SENTENCES, Language
from genkan.policy import chain
from genkan.record.entry import (
    AuthEntry,
    ConnectionEntry,
    ContentEntry,
    Decision,
    RcptEntry,
    Refusal,
    Rule,
    Shadow,
    TransactionEntry,
)
from genkan.smtp.replies import CATALOGUE
from genkan.smtp.reply import Profile, Wordbook
from genkan.spool.hold import Held, Hold
from genkan.spool.reading import QueuedMessage, QueuedRecipient
from tests.record.entries import FORBIDDEN, RULE, UNKNOWN, anything, connection, transaction
from tests.support.server import START

if TYPE_CHECKING:
    from collections.abc import Mapping

FAILED = Decision("AUTH_FAILED", "authentication", "PLAIN for an unknown name")
FILTER_RULE = Rule("mail.dat", "ann@in.test", 4, 7, "Subject: x quarantine")


def told(session: Session, language: Language = "en", profile: Profile = Profile.EPSTRS_4A7) -> list[str]:
    return list(Storyteller(language, Wordbook(profile), "mx.in.test").tell(session))


def told_of(entry: TransactionEntry, language: Language = "en", profile: Profile = Profile.EPSTRS_4A7) -> list[str]:
    """The story of one transaction, without what it says of the connection and of the queue."""
    lines = told(Session("1-a-1", None, (entry,)), language, profile)
    assert all(line.startswith("    ") for line in lines[5:-1])
    return [line.removeprefix("    ") for line in lines[5:-1]]


def test_every_check_has_words() -> None:
    checks = (thing for thing in vars(chain).values() if isinstance(thing, type))
    names = {name for check in checks if isinstance(name := getattr(check, "name", None), str)}
    others = {"connection-rate", "session", "sessions", "stopping", "directory", "storage", "failure"}
    assert names | others == CHECKS.keys()


def test_every_sentence_is_there_in_both_languages_with_the_same_fields() -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for words in (*SENTENCES.values(), *CHECKS.values(), *FACTS.values()):
        assert words.en
        assert words.ja
        assert fields(words.en) == fields(words.ja)
    assert [words.en for words in CHECKS.values() if not words.en.isascii()] == []


def test_every_sentence_is_said_somewhere() -> None:
    source = (Path(__file__).parents[2] / "src/genkan/admin/story.py").read_text()
    verdicts = {"due", "waiting", "leased", "held", "reset", "lost"}  # said by what an entry holds
    assert {name for name in SENTENCES if name not in re.findall(r"[\"'](\w+)[\"']", source)} - verdicts == set()


def test_a_session_is_told_in_english() -> None:
    assert told(Session("1-a-1", connection(), (transaction(),))) == [
        "2026-11-23 11:59:59 UTC  session 1-a-1",
        "  Client [192.0.2.10] came to the smtp listener.",
        "  It greeted with EHLO mx.example.net.",
        "  The connection was not encrypted.",
        "  Mail transaction, ended 2026-11-23 12:00:00 UTC:",
        "    It had not authenticated.",
        "    MAIL FROM:<Carol@example.net> was accepted: 250 2.0.0 <Carol@example.net>... Sender ok.",
        f"    RCPT TO:<nobody@in.test> was refused: {_reply('USER_UNKNOWN', forward_path='nobody@in.test')}",
        "      check: known-recipient (does the address exist in its local domain?)",
        f"      cause: {CATALOGUE['USER_UNKNOWN'].meaning}",
        f"      what to do: {CATALOGUE['USER_UNKNOWN'].remedy}",
        "    RCPT TO:<Sales@in.test> was accepted: 250 2.0.0 <Sales@in.test>... Recipient ok.",
        "      The directory sends it to bob@in.test.",
        "    The content of 1234 octets was accepted: 250 2.0.0 Message received ok.",
        "      The message was given the id B0000000001.",
        "      It had come through 2 hosts before (Received fields).",
        "      Its From field: <carol@example.net>",
        "    The message is no longer in the queue: it was delivered or deleted; the mail log tells which, under B0000000001.",
        "  The connection ended after 1.5 s (client closed), with 1 of 1 mail transactions accepted.",
    ]


def test_a_session_is_told_in_japanese() -> None:
    assert told(Session("1-a-1", connection(), (transaction(),)), "ja") == [
        "2026-11-23 11:59:59 UTC  セッション 1-a-1",
        "  クライアント [192.0.2.10] が smtp リスナーに接続した。",
        "  EHLO mx.example.net と名乗った。",
        "  通信は暗号化されていなかった。",
        "  メールトランザクション(終了 2026-11-23 12:00:00 UTC):",
        "    認証は行っていなかった。",
        "    MAIL FROM:<Carol@example.net>: 受け付けた。応答: 250 2.0.0 <Carol@example.net>... Sender ok.",
        f"    RCPT TO:<nobody@in.test>: 拒否した。応答: {_reply('USER_UNKNOWN', forward_path='nobody@in.test')}",
        "      検査: known-recipient(宛先が内部ドメインに存在するか)",
        f"      原因: {CATALOGUE['USER_UNKNOWN'].meaning_ja}",
        f"      対処: {CATALOGUE['USER_UNKNOWN'].remedy_ja}",
        "    RCPT TO:<Sales@in.test>: 受け付けた。応答: 250 2.0.0 <Sales@in.test>... Recipient ok.",
        "      配送先のメールボックスは bob@in.test である。",
        "    本文(1234 オクテット): 受け付けた。応答: 250 2.0.0 Message received ok.",
        "      メールには B0000000001 という id が付けられた。",
        "      それまでに 2 個のホストを経由していた(Received フィールドの数)。",
        "      From フィールド: <carol@example.net>",
        "    メールはもうキューにない(配送済みまたは削除済み)。結果はメールログで B0000000001 を探すとわかる。",
        "  接続は 1.5 秒後に終了した(client closed)。メールトランザクション 1 件のうち 1 件を受領した。",
    ]


def _reply(name: str, profile: Profile = Profile.EPSTRS_4A7, **fields: str) -> str:
    return Wordbook(profile).reply(CATALOGUE[name], **fields).text


@pytest.mark.parametrize("profile", list(Profile))
def test_replies_are_those_of_the_profile_in_force(profile: Profile) -> None:
    lines = told_of(transaction(), profile=profile)
    reply = _reply("USER_UNKNOWN", profile, forward_path="nobody@in.test")
    assert f"RCPT TO:<nobody@in.test> was refused: {reply}" in lines


def test_a_refusal_is_told_down_to_rule_and_line() -> None:
    refused = transaction(decision=FORBIDDEN, rcpts=[], content=None, message_id="", end="refused")
    assert told_of(refused)[3:5] == [
        "  seen: client 192.0.2.10",
        "  rule: effect.dat, revision 3, line 12: 192.0.2.0/24 false",
    ]
    assert "  規則: effect.dat 第 3 版 12 行目: 192.0.2.0/24 false" in told_of(refused, "ja")


def test_a_rule_of_an_account_is_told_with_its_account() -> None:
    content = ContentEntry(10, rules=[FILTER_RULE], actions=["copied into the quarantine"])
    entry = transaction(content=content)
    assert "  rule met: mail.dat of ann@in.test, revision 4, line 7: Subject: x quarantine" in told_of(entry)
    assert "  適用された規則: ann@in.test の mail.dat 第 4 版 7 行目: Subject: x quarantine" in told_of(entry, "ja")
    assert "  A rule did this to it: copied into the quarantine" in told_of(entry)


def test_the_rule_that_decided_is_told_once() -> None:
    other = Rule("effect.dat", revision=3, line=1, text="*.*.*.* true")
    lines = told_of(transaction(decision=FORBIDDEN, rules=[other, RULE], content=None, end="refused"))
    assert [line for line in lines if "rule" in line and "effect.dat," in line] == [
        "  rule: effect.dat, revision 3, line 12: 192.0.2.0/24 false",
        "  rule met: effect.dat, revision 3, line 1: *.*.*.* true",
    ]


def test_facts_are_told() -> None:
    entry = transaction(facts={"spf": "pass", "mailbox octets": 12, "block list": "", "late": False})
    assert (
        "  facts: result of SPF = pass, octets in the mailbox = 12, block list that names the client = none, late = false"
        in (told_of(entry))
    )
    assert (
        "  判断材料: SPF の結果 = pass, メールボックスの使用量(オクテット) = 12, "
        "クライアントが掲載されていたブロックリスト = なし, late = false"
    ) in told_of(entry, "ja")


@pytest.mark.parametrize(
    ("decision", "english", "japanese"),
    [
        (Decision("SPF_DEFERRED", "spf"), "was deferred", "一時的に拒否した"),
        (UNKNOWN, "was refused", "拒否した"),
        (Decision("", "effect"), "was cut off without a word", "応答せずに切断した"),
        (Decision("NO_SUCH_REPLY", "later-check"), "was refused: NO_SUCH_REPLY", "拒否した。応答: NO_SUCH_REPLY"),
    ],
)
def test_refusing_deferring_and_cutting_off_are_told_apart(decision: Decision, english: str, japanese: str) -> None:
    entry = transaction(rcpts=[RcptEntry("x@in.test", decision=decision)])
    assert told_of(entry)[2].startswith(f"RCPT TO:<x@in.test> {english}")
    assert told_of(entry, "ja")[2].startswith(f"RCPT TO:<x@in.test>: {japanese}")


def test_the_connection_is_told_with_what_it_was_refused() -> None:
    syntax = Decision("COMMAND_UNRECOGNIZED", "session", fields={"command": "FOO"})
    entry = connection(
        client_domain="mail.example.net",
        hello="",
        tls="TLSv1.3 X",
        auths=[AuthEntry("PLAIN", "ann@in.test"), AuthEntry("LOGIN", "an unknown name", FAILED)],
        refusals=[Refusal("8 octets", syntax)],
        more=3,
        transactions=0,
        messages=0,
    )
    lines = told(Session("1-a-1", entry, ()))
    for line in (
        "  Client [192.0.2.10] (mail.example.net) came to the smtp listener.",
        "  It never greeted.",
        "  The connection was encrypted (TLSv1.3 X).",
        "  AUTH PLAIN for ann@in.test succeeded.",
        "  AUTH LOGIN for an unknown name was refused: 535 5.7.0 Authentication failed.",
        "    seen: PLAIN for an unknown name",
        f'  The command "8 octets" was refused: {_reply("COMMAND_UNRECOGNIZED", command="FOO")}',
        "  3 more refused commands or authentications are not listed.",
    ):
        assert line in lines


def test_a_client_that_was_turned_away_is_told() -> None:
    entry = connection(decision=Decision("", "lock-out", "locked until tomorrow"), transactions=0)
    lines = told(Session("1-a-1", entry, ()))
    assert "  The connection was cut off without a word." in lines
    assert "    seen: locked until tomorrow" in lines


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"account": "ann@in.test"}, "It had authenticated as ann@in.test."),
        ({"auth_failed": True}, "It had failed to authenticate."),
        ({"reverse_path": None}, "MAIL FROM:<> was accepted: 250 2.0.0 <>... Sender ok."),
        ({"declared": 99}, "MAIL FROM:<Carol@example.net>, announcing 99 octets, was accepted: "),
        ({"blank": True}, "MAIL FROM: without a path was accepted: "),
        ({"more_rcpts": 7}, "7 more RCPT are not listed."),
        ({"end": "reset"}, "The client ended the transaction without a message."),
        ({"end": "lost"}, "The connection broke off before the transaction was complete; "),
        ({"content": ContentEntry(fault="BARE_NEWLINE")}, "  The protocol found a fault in it: bare newline."),
        ({"end": "refused"}, "The content of 1234 octets could not be taken, for the server itself failed; "),
        ({"esmtp": False}, "MAIL FROM:<Carol@example.net> was accepted: "),
    ],
)
def test_what_is_particular_about_a_transaction_is_told(changes: Mapping[str, object], line: str) -> None:
    lines = told_of(transaction(**changes))
    assert any(told.startswith(line) for told in lines), lines


def test_encryption_is_told_also_when_nothing_more_is_known_of_it() -> None:
    assert "  The connection was encrypted." in told(Session("1-a-1", None, (transaction(tls="yes"),)))


def test_the_greeting_is_told_with_its_verb() -> None:
    assert "  It greeted with HELO mx.example.net." in told(Session("1-a-1", None, (transaction(esmtp=False),)))


def test_what_a_shadow_document_would_have_done_is_told_where_it_differs() -> None:
    caught = Decision("CAUGHT_BY_FILTER", "content-filter", rule=FILTER_RULE)
    entry = transaction(shadow=[Shadow("content", decision=caught), Shadow("rcpt", "nobody@in.test")])
    lines = told_of(entry)
    accepted = lines.index("  The shadow documents would have accepted this.")
    assert lines[accepted - 4].startswith("RCPT TO:<nobody@in.test>")
    refused = lines.index(f"  The shadow documents would have refused or deferred this: {_reply('CAUGHT_BY_FILTER')}")
    assert lines[refused + 2] == "    rule: mail.dat of ann@in.test, revision 4, line 7: Subject: x quarantine"


def test_recipients_still_in_the_queue_are_told_with_the_reason() -> None:
    now = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
    recipients = (
        QueuedRecipient("ann@in.test", "ann@in.test", "waiting", now, 3, "disk full"),
        QueuedRecipient("bob@in.test", "bob@in.test", "due", now, 0, ""),
        QueuedRecipient("eve@in.test", "eve@in.test", "leased", now, 2, ""),
    )
    message = QueuedMessage("B0000000001", START, 9, "", "192.0.2.10", "x", "", Path("spool"), recipients, None)
    lines = told(Session("1-a-1", connection(), (transaction(),), {"B0000000001": message}))
    assert lines[-6:-1] == [
        "    The message is still in the queue, for:",
        "      <ann@in.test>: waits until 2026-11-23 13:00:00 UTC, 3 attempts so far",
        "        last outcome: disk full",
        "      <bob@in.test>: due, 0 attempts so far",
        "      <eve@in.test>: being delivered, attempt 2",
    ]


def test_a_held_message_is_told_with_its_reason() -> None:
    deadline = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    hold = Hold("approval", "a word", "mail.dat:12", "", ("boss@in.test",), deadline, "reject")
    recipients = (QueuedRecipient("ann@in.test", "ann@in.test", "held", deadline, 0, ""),)
    held = Held(hold, START, None)
    message = QueuedMessage("B0000000001", START, 9, "", "192.0.2.10", "x", "", Path("spool"), recipients, held)
    lines = told(Session("1-a-1", connection(), (transaction(),), {"B0000000001": message}))
    assert lines[-3:-1] == [
        "      It is held (approval): a word; rule mail.dat:12. If nobody decides until 2026-11-24 13:00:00 UTC: reject.",
        "      <ann@in.test>: held for a decision until 2026-11-24 13:00:00 UTC",
    ]


def test_an_open_connection_is_told_as_such() -> None:
    assert told(Session("1-a-1", None, (transaction(),)))[-1] == (
        "  How the connection ended is not recorded: it is still open, or the entry is lost."
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_reply_can_be_told_even_without_its_fields(name: str, profile: Profile, language: Language) -> None:
    lines = told_of(transaction(decision=Decision(name, "session"), rcpts=[], content=None), language, profile)
    assert re.search(r"\b[2-5]\d\d\b", lines[1])
    assert "{" not in lines[1]


@pytest.mark.parametrize("language", LANGUAGES)
@given(entry=anything(TransactionEntry), end=anything(ConnectionEntry | None))
def test_any_entry_can_be_told(language: Language, entry: TransactionEntry, end: ConnectionEntry | None) -> None:
    assert len(told(Session("1-a-1", end, (entry,)), language)) > 5
