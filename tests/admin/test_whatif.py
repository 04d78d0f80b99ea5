# SPDX-License-Identifier: Apache-2.0
"""What a real server recorded is said again by a replay, and other documents change just what they are about."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.admin import whatif
from genkan.admin.whatif import Comparison, Counts, Said, Tally, Words, shadowed
from genkan.admin.whatif_documents import ChangedDocuments
from genkan.directory import Directory
from genkan.policy.replay import Outcome, Replay, recorded
from genkan.policy.rulebook import Rulebook
from genkan.record.entry import (
    ConnectionEntry,
    ContentEntry,
    Decision,
    RcptEntry,
    Rule,
    Shadow,
    TransactionEntry,
)
from genkan.record.files import FOLDER
from genkan.record.reader import RecordReader, Wanted
from genkan.smtp.reply import Profile, Wordbook
from tests.record.entries import AT, connection, transaction
from tests.support.caller import Caller, proxy_v1
from tests.support.dns_server import dns_server
from tests.support.server import START, serving
from tests.support.standing import PASSWORD, make_standing, place_rules, standing_configuration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from genkan.config import Config
    from genkan.record.entry import Entry

CLIENT: Final = "192.0.2.10"
PLAIN: Final = b"AUTH PLAIN " + b64encode(f"\0ann@in.test\0{PASSWORD}".encode())
WATCHES: Final = b"From: <carol@out.test>\r\nSubject: cheap watches\r\n\r\nhttp://www.evil.test/\r\n."
LUNCH: Final = b"From: <ann@in.test>\r\nSubject: =?utf-8?b?5pi86aOf?=\r\nX-Kind: a\r\n b\r\n\r\nnoon\r\n."
BLOCKS: Final = b"""\
Virus:tagged\r\nSubject:\xe6\x98\xbc\xe9\xa3\x9f\r\nLevel:300\r\nTag:[x]\r\nVirusEnd:\r
Virus:listed\r\nRBL:surbl.test\r\nLevel:100\r\nVirusEnd:\r
"""
RULES: Final = {
    ("effect.dat", ""): b"#<> default\n#blank default\n198.51.100.0/24 only\nspam.test false\n",
    ("effect.dat", "bob@in.test"): b"rude.test false\n",
    ("sender.dat", "ann@in.test"): b"*@out.test,-1\n*@*\n",
    ("mail.dat", ""): BLOCKS,
    ("mail.dat", "bob@in.test"): b"Virus:own\r\nUnique-Header:X-Kind: a b\r\nLevel:100\r\nVirusEnd:\r\n",
    ("ordb.dat", ""): b"bl.test\n",
    ("rejectsmtpip.dat", ""): b"192.0.2.66\n",
    ("approval-addresses.dat", ""): b"held@out.test hold ann@in.test\nblack@out.test refuse\n",
    ("approval-subjects.dat", ""): b"urgent\trefuse\n",
}
ZONE: Final = "11.2.0.192.bl.test 60 A 127.0.0.2\nevil.test.surbl.test 60 A 127.0.0.2\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("whatif") / "home"
    make_standing(home)
    return home


@pytest.fixture
def config(template: Path, tmp_path: Path) -> Config:
    return standing_configuration(template, tmp_path / "home", {})


@pytest.fixture
def directory(config: Config) -> Iterator[Directory]:
    with Directory.open(config.storage_folder) as opened:
        yield opened


def tally_of(config: Config, limit: int = 5) -> Tally:
    return Tally(limit, Words(Wordbook(config.replies), config.hostname, config.banner))


def compared(config: Config, directory: Directory, entries: Iterable[Entry], changes: Mapping[str, bytes]) -> Tally:
    """The tally over these entries, with these documents in the folder."""
    folder = config.home / "changed"
    for name, octets in changes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
    tally = tally_of(config)
    Comparison(config, directory, ChangedDocuments(directory, folder, START), tally).go_through(entries)
    return tally


# What was recorded is said again.


def talk(server: Any, *lines: bytes, client: str = CLIENT, role: str = "smtp") -> None:
    """Say lines, each when the one before has been answered, until the server has no more to say."""
    with Caller(server, role, first=proxy_v1(client), greeted=False) as caller:
        for line in (b"", b"EHLO client.test", *lines, b"QUIT"):
            if line:
                caller.send(line + b"\r\n")
            try:
                caller.reply()
            except (AssertionError, ConnectionResetError):  # it is cut off
                return


def everything(server: Any) -> None:
    """Dialogues that meet every kind of check."""
    to_bob, to_ann, data = b"RCPT TO:<bob@in.test>", b"RCPT TO:<ann@in.test>", b"DATA"
    carol = b"MAIL FROM:<carol@out.test>"
    talk(server, carol, b"RCPT TO:<Postmaster>", b"RCPT TO:<x@in.test>", to_ann, to_ann, data, LUNCH)
    talk(server, carol, to_bob, to_ann, data, LUNCH, carol, to_bob, data, LUNCH)
    talk(server, carol, b"RCPT TO:<news@in.test>", b"RCPT TO:<team@in.test>", data, LUNCH)
    talk(
        server, carol, to_ann, data, WATCHES, b"MAIL FROM:<> SIZE=5000", to_ann, b"RCPT TO:<full@in.test>", data, LUNCH
    )
    talk(server, b"MAIL FROM:", to_bob, b"RSET", b"MAIL FROM:<a@spam.test>", b"MAIL FROM:<a@rude.test>", to_bob)
    talk(
        server, "MAIL FROM:<gr\u00fc\u00dfe@out.test> SMTPUTF8".encode(), "RCPT TO:<J\u00f6rg@in.test>".encode(), to_ann
    )
    talk(server, b"MAIL FROM:<held@out.test>", to_ann, data, LUNCH, b"MAIL FROM:<black@out.test>", to_ann)
    talk(
        server, b"MAIL FROM:<ann@in.test>", PLAIN, b"MAIL FROM:<ann@in.test>", b"RCPT TO:<x@out.test>", to_bob, b"RSET"
    )
    talk(server, b"MAIL FROM:<eve@in.test>", carol, b"RCPT TO:<x@out.test>", b'RCPT TO:<"a b"@out.test>')
    talk(server, PLAIN, b"MAIL FROM:<bob@in.test>", to_ann, data, b"Subject: urgent\r\n\r\n.", role="submission")
    talk(server, carol, to_ann, role="submission")
    talk(server, carol, to_ann, data, b"X: " + b"x" * 2000 + b"\r\n\r\n.")
    talk(server, carol, to_ann, data, b"\r\n" + b"x" * 6000 + b"\r\n.", b"MAIL FROM:<carol@out.test> SIZE=99999")
    talk(server, carol, to_ann, data, b"Received: a\r\n" * 21 + b"\r\n.")
    talk(server, b"MAIL FROM:<a@out.test>", b"RCPT TO:<b@out.test>", to_ann, client="198.51.100.7")
    talk(server, client="192.0.2.11")
    talk(server, client="192.0.2.66")


@pytest.mark.parametrize("header_size", ["4KB", "60", "0"])
def test_what_was_recorded_is_said_again(template: Path, tmp_path: Path, header_size: str) -> None:
    settings = {
        "auth.plaintext": '"always"',
        "auth.sender_trust": "3",
        "limits.header_size": "1500",
        "limits.message_size": "5000",
        "record.header_size": f'"{header_size}"',
    }
    with dns_server(ZONE) as dns:
        home = tmp_path / "home"
        config = standing_configuration(template, home, settings | {"dns.servers": f'["{dns.address}"]'})
        place_rules(config, RULES)
        with serving(config) as server:
            everything(server)
    entries = list(RecordReader(config.storage_folder / FOLDER).oldest_first(Wanted()))
    assert len([entry for entry in entries if isinstance(entry, ConnectionEntry)]) == 17
    with Directory.open(config.storage_folder) as directory:
        replay = Replay(config, directory, Rulebook(directory.documents.current, directory.new_cache()))
        for entry in entries:
            if isinstance(entry, ConnectionEntry):
                assert replay.connection(entry) == Outcome("connect", "", entry.decision)
            else:
                assert said_of(replay.transaction(entry), header_size) == said_of(recorded(entry), header_size), entry
        tally = compared(config, directory, entries, {"gateway.dat": b"out.test 192.0.2.1\n"})
    assert tally.groups == []


def said_of(outcomes: list[Outcome], header_size: str) -> list[tuple[object, ...]]:
    """What was said, and by which check; of the content only where its header section was recorded."""
    whole = header_size == "4KB"
    return [
        (outcome.stage, outcome.forward_path, outcome.said, outcome.decision and outcome.decision.check)
        for outcome in outcomes
        if whole or outcome.stage != "content"
    ]


def test_the_dialogues_meet_many_checks(template: Path, tmp_path: Path) -> None:
    with dns_server(ZONE) as dns:
        settings = {"auth.plaintext": '"always"', "dns.servers": f'["{dns.address}"]'}
        config = standing_configuration(template, tmp_path / "home", settings)
        place_rules(config, RULES)
        with serving(config) as server:
            everything(server)
    checks = set()
    for entry in RecordReader(config.storage_folder / FOLDER).oldest_first(Wanted()):
        decisions = [entry.decision]
        if isinstance(entry, TransactionEntry):
            decisions += [rcpt.decision for rcpt in entry.rcpts]
            decisions += [entry.content.decision] if entry.content else []
        checks |= {decision.check for decision in decisions if decision is not None}
    assert checks == {
        *("lock-out", "block-list", "effect", "local-sender", "authentication", "destination", "approval-address"),
        *("relay", "known-recipient", "list-sender", "account-effect", "quota", "hops", "approval-subject", "filter"),
    }


# What changes.


def test_only_what_a_document_is_about_changes(config: Config, directory: Directory) -> None:
    entries: list[Entry] = [transaction(), transaction(client="198.51.100.7"), connection()]
    tally = compared(config, directory, entries, {"effect.dat": b"198.51.100.0/24 false\n"})
    (group,) = tally.groups
    assert (group.stage, group.before, group.after) == (
        "mail",
        Said("accepted", (), ""),
        Said("SENDER_FORBIDDEN", (), "effect.dat:1 198.51.100.0/24 false"),
    )
    (change,) = group.youngest
    assert (change.client, change.session, change.message_id, change.at) == (
        "198.51.100.7",
        "1-a-1",
        "B0000000001",
        datetime.fromtimestamp(AT, UTC),
    )


def test_two_rcpts_for_one_address_are_two_verdicts(config: Config, directory: Directory) -> None:
    entry = transaction(rcpts=[RcptEntry("bob@in.test", "bob@in.test")] * 2)
    tally = compared(config, directory, [entry], {"accounts/bob@in.test/effect.dat": b"example.net false\n"})
    assert [(group.stage, group.count) for group in tally.groups] == [("rcpt", 2)]


def test_clients_that_were_turned_away_for_their_number_are_left_out(config: Config, directory: Directory) -> None:
    entries = [
        connection(decision=Decision("TOO_MANY_SESSIONS", "sessions")),
        connection(decision=Decision("", "connection-rate")),
    ]
    tally = compared(config, directory, entries, {"rejectsmtpip.dat": b"192.0.2.0/24\n"})
    assert (tally.counts, tally.groups) == (Counts(), [])


def test_a_message_that_we_failed_to_take_is_not_judged(config: Config, directory: Directory) -> None:
    content = ContentEntry(decision=Decision("LOCAL_ERROR", "failure", fields={"id": "E1"}))
    entry = transaction(content=content, end="refused")
    tally = compared(config, directory, [entry], {"approval-subjects.dat": b"hello\trefuse\n"})
    assert (tally.counts.changes, tally.counts.stale) == (0, 0)


def test_rcpts_beyond_those_recorded_are_counted(config: Config, directory: Directory) -> None:
    tally = compared(config, directory, [transaction(more_rcpts=7)] * 2, {"effect.dat": b"198.51.100.1 false\n"})
    assert tally.counts.rcpts == 14


def test_the_mail_dat_of_an_account_is_asked_for_its_body_lines(config: Config, directory: Directory) -> None:
    block = b"Virus:x\r\nBody:\r\nx\r\nBodyEnd:\r\nLevel:100\r\nVirusEnd:\r\n"
    for mailbox, unseen in (("bob@in.test", 1), ("ann@in.test", 0), ("nobody", 0)):
        entry = transaction(rcpts=[RcptEntry("bob@in.test", mailbox)])
        tally = compared(config, directory, [entry], {"accounts/bob@in.test/mail.dat": block})
        assert tally.counts.unseen == unseen


def test_blocks_behind_one_that_decides_for_certain_are_not_missed(config: Config, directory: Directory) -> None:
    certain = b"Virus:a\r\nSubject:hello\r\nLevel:200\r\nVirusEnd:\r\n"
    body = b"Virus:b\r\nBody:\r\nx\r\nBodyEnd:\r\nLevel:100\r\nVirusEnd:\r\n"
    for text, unseen in ((certain + body, 0), (body + certain, 1)):
        assert compared(config, directory, [transaction()], {"mail.dat": text}).counts.unseen == unseen


def test_groups_are_bounded_and_the_rest_is_counted(config: Config) -> None:
    tally = tally_of(config, limit=1)
    for number in range(whatif.MOST_GROUPS + 3):
        after = Outcome("mail", "", Decision("SENDER_FORBIDDEN", "effect", rule=Rule("effect.dat", line=number)))
        for _ in range(2):
            tally.add(transaction(), Outcome("mail"), after)
    assert (len(tally.groups), tally.counts.ungrouped) == (whatif.MOST_GROUPS, 6)
    assert tally.counts.changes == 2 * (whatif.MOST_GROUPS + 3)
    assert {(group.count, len(group.youngest)) for group in tally.groups} == {(2, 1)}


@pytest.mark.parametrize("profile", Profile)
def test_the_words_of_both_sides_are_those_on_the_wire(profile: Profile) -> None:
    words = Words(Wordbook(profile), "mx.in.test", "Banner")
    refused = Outcome(
        "rcpt", "bob@in.test", Decision("USER_UNKNOWN", "known-recipient", fields={"forward_path": "bob@in.test"})
    )
    change = words.change(transaction(), Outcome("rcpt", "bob@in.test"), refused)
    assert (change.before[:4], change.after[:4]) == ("250 ", "550 ")
    cut_off = words.change(connection(), Outcome("connect"), Outcome("connect", "", Decision("", "lock-out")))
    assert (cut_off.before[:14], cut_off.before[-6:]) == ("220 mx.in.test", "Banner")
    assert (cut_off.after, cut_off.reverse_path) == ("", None)


# Shadows.


def test_shadows_are_set_against_what_was_decided(config: Config) -> None:
    rule = Rule("effect.dat", revision=-3, line=1, text="x false")
    forbidden = Decision("SENDER_FORBIDDEN", "effect", rule=rule)
    entries: list[Entry] = [
        transaction(shadow=[Shadow("rcpt", "Sales@in.test", forbidden), Shadow("rcpt", "nobody@in.test")]),
        transaction(shadow=[Shadow("rcpt", "gone@in.test", forbidden)]),
        transaction(shadow=[Shadow("content")]),
        connection(shadow=[Shadow("connect", "", Decision("", "lock-out"))]),
    ]
    tally = tally_of(config)
    shadowed(entries, tally)
    assert {(group.stage, group.before.reply, group.after.reply, group.after.rule) for group in tally.groups} == {
        ("rcpt", "accepted", "SENDER_FORBIDDEN", "effect.dat:1 x false"),
        ("rcpt", "USER_UNKNOWN", "accepted", ""),
        ("content", "accepted", "accepted", ""),
        ("connect", "accepted", "cut off", ""),
    }
    assert [group.after.actions for group in tally.groups if group.stage == "content"] == [
        ("something else is done with it",)
    ]
    assert (tally.counts.transactions, tally.counts.connections, tally.counts.changes) == (3, 1, 4)
