# SPDX-License-Identifier: Apache-2.0
"""An entry is one line, whatever it holds, and is read as it was written."""

from __future__ import annotations

import msgspec
from hypothesis import given

from genkan.record.entry import (
    MOST_AUTHS,
    MOST_RCPTS,
    MOST_REFUSALS,
    MOST_TEXT,
    AuthEntry,
    ConnectionEntry,
    Decision,
    Entry,
    RcptEntry,
    Refusal,
    Rule,
    TransactionEntry,
    cut,
)
from genkan.rules.document import Document
from tests.record.entries import anything, connection, transaction


@given(anything(TransactionEntry | ConnectionEntry))
def test_any_entry_is_one_line_and_is_read_as_it_was_written(entry: Entry) -> None:
    line = msgspec.json.encode(entry)
    assert b"\n" not in line
    assert b"\r" not in line
    assert msgspec.json.decode(line, type=Entry) == entry


def test_the_kind_of_an_entry_stands_at_the_start_of_its_line() -> None:
    assert msgspec.json.encode(connection()).startswith(b'{"type":"connection"')
    assert msgspec.json.encode(transaction()).startswith(b'{"type":"transaction"')


def test_an_entry_of_a_later_version_is_read_without_what_it_has_more() -> None:
    line = msgspec.json.encode(transaction())[:-1] + b',"later":[1]}'
    assert msgspec.json.decode(line, type=Entry) == transaction()


def test_what_is_as_usual_takes_no_room() -> None:
    entry = TransactionEntry(1.0, "1-a-1", "192.0.2.1", "smtp")
    assert len(msgspec.json.encode(entry)) < 100


def test_entries_do_not_share_their_lists() -> None:
    one, other = (TransactionEntry(1.0, "1-a-1", "192.0.2.1", "smtp") for _ in range(2))
    one.add_rcpt(RcptEntry("ann@in.test"))
    assert other.rcpts == []


def test_recipients_beyond_the_bound_are_counted() -> None:
    entry = TransactionEntry(1.0, "1-a-1", "192.0.2.1", "smtp")
    for number in range(MOST_RCPTS + 3):
        entry.add_rcpt(RcptEntry(f"r{number}@in.test"))
    assert [rcpt.forward_path for rcpt in entry.rcpts] == [f"r{number}@in.test" for number in range(MOST_RCPTS)]
    assert entry.more_rcpts == 3


def test_authentications_and_refusals_beyond_the_bound_are_counted() -> None:
    entry = ConnectionEntry(1.0, "1-a-1", "192.0.2.1", "smtp")
    for _ in range(MOST_AUTHS + 2):
        entry.add_auth(AuthEntry("PLAIN"))
    for _ in range(MOST_REFUSALS + 3):
        entry.add_refusal(Refusal("FOO", Decision("COMMAND_UNRECOGNIZED", "session")))
    assert (len(entry.auths), len(entry.refusals), entry.more) == (MOST_AUTHS, MOST_REFUSALS, 5)


def test_a_text_is_cut_to_the_bound() -> None:
    assert cut("a" * MOST_TEXT) == "a" * MOST_TEXT
    assert cut("a" * (MOST_TEXT + 1)) == "a" * (MOST_TEXT - 3) + "..."


def test_a_rule_is_made_from_its_origin() -> None:
    document = Document("mail.dat", "ann@in.test", 4, "x false")
    assert Rule(*document.origin(1), "x false") == Rule("mail.dat", "ann@in.test", 4, 1, "x false")
