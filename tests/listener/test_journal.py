# SPDX-License-Identifier: Apache-2.0
"""What a session leaves in the record: all that is needed to explain it, and to ask the same checks again."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

from genkan.directory import Directory
from genkan.policy.replay import Replay, differences, recorded
from genkan.policy.rulebook import Rulebook
from genkan.record.entry import AuthEntry, ConnectionEntry, Decision, Rule, TransactionEntry
from tests.listener.ruled import CLIENT, MESSAGE, block, call, record, ruled, send
from tests.support.caller import PASSWORD, Caller, proxy_v1
from tests.support.clamd_server import MARKER, clamd_server
from tests.support.server import START

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.config import Config

ANN, BOB = "ann@in.test", "bob@in.test"
RIGHT: Final = b"AUTH PLAIN " + base64.b64encode(f"\0{ANN}\0{PASSWORD}".encode())
WRONG: Final = b"AUTH PLAIN " + base64.b64encode(f"\0{ANN}\0wrong".encode())
DOCUMENTS: Final = {
    "effect.dat": "#<> default\nbad.test false\n",
    "effect.dat of bob@in.test": "enemy.test false\n",
    "mail.dat": block("100", subject="pills"),
    "mail.dat of bob@in.test": block("300", "Tag:[bob]"),
    "sender.dat of ann@in.test": "*@x.test,-1\n*,0\n",
    "approval-addresses.dat": "*@black.test refuse\n",
}
E = TypeVar("E", ConnectionEntry, TransactionEntry)


def of_kind(config: Config, kind: type[E]) -> list[E]:
    return [entry for entry in record(config) if isinstance(entry, kind)]


Session = tuple[list[TransactionEntry], ConnectionEntry]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """What a whole session has left in the record: its transactions, and the connection."""
    with ruled(tmp_path, DOCUMENTS) as server, call(server) as caller:
        assert caller.ask(b"XYZ", WRONG, RIGHT) == [500, 535, 235]
        assert caller.ask(b"MAIL FROM:<y@bad.test>", b"MAIL FROM:<ann@in.test> SIZE=40", b"RCPT TO:<u@x.test>") == [
            550,
            250,
            550,
        ]
        caller.send(b"RCPT TO:<sales@in.test>\r\nRCPT TO:<bob@in.test>\r\nBDAT 29 LAST\r\n" + MESSAGE)
        assert caller.codes(3) == [250, 250, 250]
        assert caller.ask(b"MAIL FROM:<>", b"RCPT TO:<nobody@in.test>", b"RSET", b"QUIT") == [250, 550, 250, 221]
        assert caller.rest() == b""
    (connection,) = of_kind(server.config, ConnectionEntry)
    return list(of_kind(server.config, TransactionEntry)), connection


def test_the_entries_of_a_session_belong_together(session: Session) -> None:
    transactions, connection = session
    assert {entry.session for entry in transactions} == {connection.session}


def test_a_refused_transaction_names_the_rule(session: Session) -> None:
    (refused, _, _), connection = session
    now = START.timestamp()
    rule = Rule("effect.dat", "", 1, 2, "bad.test false")
    assert refused == TransactionEntry(
        now,
        connection.session,
        CLIENT,
        "smtp",
        hello="client.test",
        account=ANN,
        reverse_path="y@bad.test",
        decision=Decision("SENDER_FORBIDDEN", "effect", "bad.test false matches", rule),
        rules=[rule],
        end="refused",
    )


def test_an_accepted_transaction_has_its_recipients_and_its_content(session: Session) -> None:
    (_, accepted, _), _ = session
    assert (accepted.reverse_path, accepted.declared, accepted.end, accepted.message_id) == (
        ANN,
        40,
        "accepted",
        "B0000000001",
    )
    assert [(rcpt.forward_path, rcpt.mailbox, rcpt.decision and rcpt.decision.reply) for rcpt in accepted.rcpts] == [
        ("u@x.test", "u@x.test", "RECIPIENT_FORBIDDEN"),
        ("sales@in.test", ANN, None),
        (BOB, BOB, None),
    ]
    content = accepted.content
    assert content is not None
    assert (content.size, content.header, content.received, content.decision) == (29, "Subject: hello\r\n", 0, None)
    assert (content.actions, [(rule.account, rule.line) for rule in content.rules]) == (
        [f"subject tagged '[bob]' for {BOB}"],
        [(BOB, 1)],
    )


def test_a_reset_transaction_has_what_was_refused_in_it(session: Session) -> None:
    (_, _, reset), _ = session
    assert (reset.reverse_path, reset.end, reset.content) == (None, "reset", None)
    assert [rule.text for rule in reset.rules] == ["#<> default"]
    assert [rcpt.decision and rcpt.decision.check for rcpt in reset.rcpts] == ["known-recipient"]


def test_the_connection_has_its_auths_and_what_the_protocol_refused(session: Session) -> None:
    _, connection = session
    assert (connection.client, connection.hello, connection.esmtp, connection.account) == (
        CLIENT,
        "client.test",
        True,
        ANN,
    )
    assert (connection.transactions, connection.messages, connection.decision) == (3, 1, None)
    assert connection.auths[1:] == [AuthEntry("PLAIN", ANN)]
    assert connection.auths[0].decision is not None
    assert connection.auths[0].decision.reply == "AUTH_FAILED"
    assert [(refusal.line, refusal.decision.reply) for refusal in connection.refusals] == [
        ("3 octets", "COMMAND_UNRECOGNIZED")
    ]


def test_no_secret_is_in_the_record(tmp_path: Path) -> None:
    secret = base64.b64encode(PASSWORD.encode())
    with ruled(tmp_path, {}) as server, call(server) as caller:
        caller.ask(WRONG, RIGHT, RIGHT, b"AUTH LOGIN " + secret + b" x", b"VRFY x")
        caller.ask(b"QUIT")
        caller.rest()
    octets = b"".join(path.read_bytes() for path in tmp_path.rglob("record/*/*") if path.is_file())
    assert b"AUTH_FAILED" in octets
    for text in (PASSWORD.encode(), secret, RIGHT[11:], b"wrong"):
        assert text not in octets


def test_a_client_that_was_cut_off_leaves_why(tmp_path: Path) -> None:
    documents = {"rejectsmtpip.dat": "192.0.2.0/24\t\n"}
    with ruled(tmp_path, documents) as server, Caller(server, first=proxy_v1(CLIENT), greeted=False) as caller:
        assert caller.rest() == b""
    (connection,) = record(server.config)
    assert isinstance(connection, ConnectionEntry)
    assert connection.decision is not None
    assert (connection.decision.reply, connection.decision.check, connection.reason) == ("", "lock-out", "lock-out")
    assert [(rule.document, rule.line) for rule in connection.rules] == [("rejectsmtpip.dat", 1)]


def test_a_transaction_that_breaks_off_is_lost(tmp_path: Path) -> None:
    with ruled(tmp_path, {}) as server, call(server) as caller:
        caller.ask(b"MAIL FROM:<x@out.test>", b"RCPT TO:<ann@in.test>", b"DATA")
        caller.send(b"Subject: he")
    (entry,) = of_kind(server.config, TransactionEntry)
    assert (entry.end, entry.content, len(entry.rcpts)) == ("lost", None, 1)


def test_a_refused_content_keeps_its_verdict_and_its_id(tmp_path: Path) -> None:
    with ruled(tmp_path, {"mail.dat": block("110")}) as server, call(server) as caller:
        assert send(caller, MESSAGE, b"ann") == 552
    (entry,) = of_kind(server.config, TransactionEntry)
    assert entry.content is not None
    assert entry.content.decision is not None
    assert (entry.content.decision.reply, entry.content.decision.check) == ("CAUGHT_BY_FILTER", "filter")
    assert (entry.end, entry.message_id, entry.content.actions) == (
        "refused",
        "B0000000001",
        ["copy in the quarantine"],
    )


def test_what_the_scanner_said_is_a_fact(tmp_path: Path) -> None:
    with clamd_server() as scanner:
        settings = f'[filter]\nscanner = "{scanner.address}"\n'
        with ruled(tmp_path, {}, settings) as server, call(server) as caller:
            assert [send(caller, MESSAGE + end, b"ann") for end in (b"", MARKER)] == [250, 552]
    contents = [entry.content for entry in of_kind(server.config, TransactionEntry)]
    assert [content.facts["scan"] for content in contents if content is not None] == ["clean", "infected Test.Marker"]


def test_where_no_record_is_kept_there_is_none(tmp_path: Path) -> None:
    with ruled(tmp_path, {}, "[record]\nenabled = false\n") as server, call(server) as caller:
        assert send(caller, MESSAGE, b"ann") == 250
    assert record(server.config) == []


SUBJECTS: Final = (b"hello", b"cheap pills", b"other")
SENDERS: Final = (
    b"x@out.test",
    b"y@bad.test",
    b"z@enemy.test",
    b"b@black.test",
    b"ann@in.test",
    b"nobody@in.test",
    b"",
)
RECIPIENTS: Final = (b"ann@in.test", b"bob@in.test", b"sales@in.test", b"no@in.test", b"u@x.test", b"y@far.test")


def test_the_checks_say_the_same_of_what_the_journal_wrote(tmp_path: Path) -> None:
    with ruled(tmp_path, DOCUMENTS) as server:
        for login in (b"NOOP", RIGHT):
            with call(server) as caller:
                caller.ask(login)
                for number, sender in enumerate(SENDERS * 3):
                    caller.send(b"MAIL FROM:<%b>\r\n" % sender)
                    if caller.code() != 250:
                        continue
                    chosen = [RECIPIENTS[(number + step * (number + 1)) % 6] for step in range(3)]
                    caller.send(b"".join(b"RCPT TO:<%b>\r\n" % recipient for recipient in chosen))
                    if 250 in caller.codes(3):
                        content = b"From: ann@in.test\r\nSubject: %b\r\n\r\nOne line.\r\n" % SUBJECTS[number % 3]
                        caller.send(b"BDAT %d LAST\r\n" % len(content) + content)
                        caller.code()
                    else:
                        assert caller.ask(b"RSET") == [250]
    entries = of_kind(server.config, TransactionEntry)
    assert {entry.end for entry in entries} == {"accepted", "refused", "reset"}
    with Directory.open(server.config.storage_folder) as directory:
        rulebook = Rulebook(directory.documents.current, directory.new_cache())
        replay = Replay(server.config, directory, rulebook)
        assert [differences(recorded(entry), replay.transaction(entry)) for entry in entries] == [[]] * len(entries)
