# SPDX-License-Identifier: Apache-2.0
"""Sessions are found by everything they are known by, however an address is written."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from genkan.admin.explain import NULL, Search, find_sessions
from genkan.record.entry import AuthEntry, ContentEntry, Decision, Entry, RcptEntry, Refusal, TransactionEntry
from genkan.record.reader import RecordReader
from genkan.smtp.address import parse_mailbox
from genkan.spool.reading import QueuedMessage
from tests.record.entries import AT, connection, transaction
from tests.record.test_reader import put
from tests.support.server import START

if TYPE_CHECKING:
    from genkan.admin.story import Session
    from genkan.config_values import Network
    from genkan.smtp.address import Mailbox

FAILURE = Decision("LOCAL_ERROR", "failure", fields={"id": "E0123456789ab"})
OTHER = transaction(
    at=AT + 10,
    session="1-a-2",
    client="2001:db8::1",
    reverse_path=None,
    rcpts=[RcptEntry("postmaster", "ann@in.test"), RcptEntry("名前@例え.テスト", "x@xn--r8jz45g.xn--zckzah")],
    content=ContentEntry(5, decision=FAILURE),
    message_id="",
    end="refused",
)
SYNTAX = Decision("FORWARD_PATH_SYNTAX", "session", fields={"reason": "the domain is missing"})
BARE = connection(
    at=AT + 20,
    session="1-a-3",
    client="198.51.100.7",
    transactions=0,
    messages=0,
    auths=[AuthEntry("PLAIN", "ann@in.test", Decision("AUTH_UNAVAILABLE", "authentication", fields={"id": "E9"}))],
)
GUESSING = connection(
    at=AT + 30, session="1-a-4", client="198.51.100.8", refusals=[Refusal("RCPT TO:<Bob@IN.test> X", SYNTAX)]
)
ENTRIES: list[Entry] = [transaction(), connection(), OTHER, connection(at=AT + 11, session="1-a-2"), BARE, GUESSING]


@pytest.fixture
def record(tmp_path: Path) -> RecordReader:
    """Four sessions of two workers."""
    put(tmp_path, 1, START, ENTRIES[:3], compressed=True)
    put(tmp_path, 1, START + timedelta(minutes=1), ENTRIES[3:4])
    put(tmp_path, 2, START, ENTRIES[4:])
    return RecordReader(tmp_path)


def found(record: RecordReader, search: Search, limit: int = 20) -> list[Session]:
    return find_sessions(record, search, limit, lambda _: None)


def sessions(record: RecordReader, search: Search, limit: int = 20) -> list[str]:
    return [session.session for session in found(record, search, limit)]


@pytest.mark.parametrize(
    ("word", "session"),
    [
        ("B0000000001", "1-a-1"),  # a message
        ("E0123456789ab", "1-a-2"),  # a failure while a message was taken
        ("E9", "1-a-3"),  # a failure of AUTH
        ("1-a-2", "1-a-2"),
        ("1-a-3", "1-a-3"),
    ],
)
def test_a_session_is_found_by_an_id(record: RecordReader, word: str, session: str) -> None:
    assert sessions(record, Search(word)) == [session]


@pytest.mark.parametrize("word", ["B000000000", "B00000000011", "smtp", "E"])
def test_a_part_of_an_id_finds_nothing(record: RecordReader, word: str) -> None:
    assert sessions(record, Search(word)) == []


def test_a_session_is_told_with_its_connection(record: RecordReader) -> None:
    (session,) = found(record, Search("B0000000001"))
    assert (session.connection, session.transactions) == (connection(), (transaction(),))
    (other,) = found(record, Search("E0123456789ab"))
    assert other.connection == connection(at=AT + 11, session="1-a-2")  # it lies in the next file


def test_a_connection_that_is_still_open_is_missing(tmp_path: Path) -> None:
    put(tmp_path, 1, START, [transaction()])
    (session,) = found(RecordReader(tmp_path), Search("B0000000001"))
    assert session.connection is None


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("192.0.2.10", ["1-a-1"]),
        ("192.0.2.1", []),
        ("192.0.2.0/24", ["1-a-1"]),
        ("198.51.100.0/24", ["1-a-4", "1-a-3"]),
        ("2001:db8:0::1", ["1-a-2"]),
        ("2001:db8::/32", ["1-a-2"]),
        ("0.0.0.0/0", ["1-a-4", "1-a-3", "1-a-1"]),
    ],
)
def test_a_session_is_found_by_its_client(record: RecordReader, client: str, expected: list[str]) -> None:
    network: Network = ip_network(client)
    assert sessions(record, Search(client=network)) == expected


def test_a_client_address_that_is_none_is_in_no_network(tmp_path: Path) -> None:
    put(tmp_path, 1, START, [transaction(client="unknown")])
    assert sessions(RecordReader(tmp_path), Search(client=ip_network("0.0.0.0/0"))) == []


@pytest.mark.parametrize("address", ["Carol@example.net", "carol@EXAMPLE.NET", '"carol"@example.net'])
def test_a_session_is_found_by_its_sender(record: RecordReader, address: str) -> None:
    assert sessions(record, Search(reverse_path=folded(address))) == ["1-a-1"]


def folded(address: str) -> Mailbox:
    return parse_mailbox(address).folded()


def test_bounces_are_found_by_the_null_reverse_path(record: RecordReader) -> None:
    assert sessions(record, Search(reverse_path=NULL)) == ["1-a-2"]


def test_an_empty_mail_command_is_no_null_reverse_path(tmp_path: Path) -> None:
    put(tmp_path, 1, START, [transaction(reverse_path=None, blank=True)])
    assert sessions(RecordReader(tmp_path), Search(reverse_path=NULL)) == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("NOBODY@in.test", ["1-a-1"]),
        ("bob@in.test", ["1-a-4", "1-a-1"]),  # refused by the protocol; the mailbox behind sales@
        ("ann@in.test", ["1-a-2"]),
        ("名前@例え.テスト", ["1-a-2"]),
        ("名前@xn--r8jz45g.xn--zckzah", ["1-a-2"]),
        ("x@例え.テスト", ["1-a-2"]),
        ("carol@example.net", []),
    ],
)
def test_a_session_is_found_by_a_recipient(record: RecordReader, address: str, expected: list[str]) -> None:
    assert sessions(record, Search(forward_path=folded(address))) == expected


@pytest.mark.parametrize("local_part", ['"a b"', r'"a\"b"', r'"a\\b"', "a/b", "a'b"])
def test_an_address_that_json_writes_differently_is_found(tmp_path: Path, local_part: str) -> None:
    mailbox = parse_mailbox(f"{local_part}@in.test")
    put(tmp_path, 1, START, [transaction(reverse_path=str(mailbox), rcpts=[RcptEntry(str(mailbox))])])
    search = Search(reverse_path=mailbox.folded(), forward_path=mailbox.folded())
    assert sessions(RecordReader(tmp_path), search) == ["1-a-1"]


def test_letters_that_fold_into_ascii_are_found(tmp_path: Path) -> None:
    put(tmp_path, 1, START, [transaction(reverse_path="\N{KELVIN SIGN}arl@in.test")])
    assert sessions(RecordReader(tmp_path), Search(reverse_path=folded("karl@in.test"))) == ["1-a-1"]


def test_all_criteria_must_be_met(record: RecordReader) -> None:
    client = ip_network("192.0.2.10")
    assert sessions(record, Search(client=client, reverse_path=folded("carol@example.net"))) == ["1-a-1"]
    assert sessions(record, Search(client=client, reverse_path=NULL)) == []
    assert sessions(record, Search("B0000000001", forward_path=folded("ann@in.test"))) == []


def test_what_is_older_is_not_found(record: RecordReader) -> None:
    assert sessions(record, Search(client=ip_network("0.0.0.0/0"), since=START + timedelta(seconds=25))) == ["1-a-4"]


def test_the_youngest_are_found_and_told_first(tmp_path: Path) -> None:
    put(tmp_path, 1, START, [transaction(at=AT + number, session=f"s{number % 3}") for number in range(9)])
    told = found(RecordReader(tmp_path), Search(client=ip_network("192.0.2.10")), 4)
    assert [(session.session, [entry.at - AT for entry in session.transactions]) for session in told] == [
        ("s2", [5, 8]),
        ("s1", [7]),
        ("s0", [6]),
    ]


def test_accepted_messages_are_looked_for_in_the_queue(record: RecordReader) -> None:
    message = QueuedMessage("B0000000001", START, 9, "", "192.0.2.10", "x", "", Path("spool"), (), None)
    asked: list[str] = []

    def queued(message_id: str) -> QueuedMessage | None:
        asked.append(message_id)
        return message

    everybody = [find_sessions(record, Search(word), 20, queued) for word in ("B0000000001", "E0123456789ab")]
    assert asked == ["B0000000001"]
    assert [session.queued for (session,) in everybody] == [{"B0000000001": message}, {}]


def test_what_is_found_has_the_right_kind(record: RecordReader) -> None:
    everything = found(record, Search(client=ip_network("::/0"))) + found(
        record, Search(client=ip_network("0.0.0.0/0"))
    )
    assert all(isinstance(entry, TransactionEntry) for session in everything for entry in session.transactions)
