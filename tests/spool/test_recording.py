# SPDX-License-Identifier: Apache-2.0
"""Outcomes and the messages that come of them are recorded together; content is shared, not copied, and freed by the last."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.message.envelope import Recipient
from genkan.smtp.address import Mailbox
from genkan.spool.hold import HELD
from genkan.spool.post import Post
from genkan.spool.recording import Consequence, Entry, Finished, KeptBack, PutBack, Recall, Record
from genkan.spool.spool import SpoolLimits
from tests.support.spools import ACCEPTED, ANN, BOB, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.storage.engine import StorageError
    from tests.support.spools import SpoolOnLoop

MINUTE: Final = timedelta(minutes=1)
HEADER: Final = b"Subject: x\r\n\r\n"
MEMBER: Final = Recipient(
    Mailbox("carol", "example.net"),
    Mailbox("carol", "example.net"),
    "NEVER",
    "",
    Mailbox("dev-bounces+1", "in.test"),
    b"List-Unsubscribe: <mailto:x@in.test>\r\n",
    "smtp:mx.example.net",
)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[SpoolOnLoop]:
    with open_spool_on_loop(tmp_path / "1", SpoolLimits(inline_size=100, segment_size=4096)) as opened:
        yield opened


def record(opened: SpoolOnLoop, entries: list[Entry], *consequences: Consequence) -> StorageError | None:
    answers: list[StorageError | None] = []
    opened.spool.submit(Record(opened.spool, entries, answers.append, consequences))
    opened.turn_until(lambda: bool(answers))
    return answers[0]


def rows(opened: SpoolOnLoop, query: str) -> list[tuple[object, ...]]:
    with closing(opened.database()) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("size", [50, 5000], ids=["in its row", "in segments"])
@pytest.mark.parametrize("skip", [0, 10])
def test_a_message_that_comes_of_an_outcome_shares_the_content_of_its_origin(
    opened: SpoolOnLoop, size: int, skip: int
) -> None:
    content = os.urandom(size)
    opened.accept(envelope(1), content)
    opened.lease()
    post = Post(envelope(2, BOB), HEADER, 1, skip)
    assert record(opened, [Finished(1, 0)], Consequence(post, ((1, 0),))) is None
    assert opened.content(1) == b""
    assert opened.content(2) == HEADER + content[skip:]
    (leased,), _ = opened.lease()
    assert (leased.envelope.message_id, leased.size, leased.recipient, leased.attempt) == (
        "B0000000002",
        len(HEADER) + size - skip,
        BOB,
        1,
    )


def test_shared_content_is_there_until_the_last_message_that_needs_it_is_gone(opened: SpoolOnLoop) -> None:
    content = os.urandom(3000)
    opened.accept(envelope(1), content)
    record(opened, [Finished(1, 0)], *(Consequence(Post(envelope(n, BOB), b"", 1), ((1, 0),)) for n in (2, 3)))
    opened.accept(envelope(4), os.urandom(3000))
    record(opened, [Finished(2, 0)])
    for number in range(5, 9):  # would lie where the shared content lies, were that free
        opened.accept(envelope(number), os.urandom(3000))
    assert opened.content(3) == content
    record(opened, [Finished(number, 0) for number in range(3, 9)])
    assert rows(opened, "SELECT count(*) FROM message") == [(0,)]
    assert not opened.spool._segments._live


def test_what_members_have_of_their_own_is_kept_with_them(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"x")
    record(opened, [Finished(1, 0)], Consequence(Post(envelope(2, MEMBER, BOB), HEADER), ((1, 0),)))
    leased, _ = opened.lease()
    assert [one.recipient for one in leased] == [MEMBER, BOB]
    assert [one.content for one in leased] == [HEADER, HEADER]


def test_nothing_comes_of_a_recipient_that_was_deleted_meanwhile(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1, ANN, BOB), b"x")
    opened.lease()
    with closing(opened.database()) as connection:
        connection.execute("DELETE FROM recipient WHERE number = 0")
    record(
        opened,
        [Finished(1, 0), Finished(1, 1)],
        Consequence(Post(envelope(2), HEADER), ((1, 0),)),
        Consequence(Post(envelope(3), HEADER), ((1, 0), (1, 1))),
    )
    assert rows(opened, "SELECT id FROM message") == [(3,)]


def test_a_message_and_its_outcome_are_recorded_both_or_neither(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"x")
    with closing(opened.database()) as connection:
        connection.execute("CREATE TRIGGER full BEFORE DELETE ON recipient BEGIN SELECT RAISE(ABORT, 'no room'); END")
    assert record(opened, [Finished(1, 0)], Consequence(Post(envelope(2), HEADER), ((1, 0),))) is not None
    assert rows(opened, "SELECT id FROM message") == [(1,)]


def test_a_lease_without_an_attempt_does_not_count(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"x")
    for attempted, attempt in ((False, 1), (True, 1), (True, 2)):
        (leased,), _ = opened.lease()
        assert leased.attempt == attempt
        record(opened, [PutBack(1, 0, ACCEPTED, "busy", attempted=attempted)])


def test_that_the_sender_was_warned_is_remembered(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"x")
    for warned_now, was in ((True, False), (False, True), (False, True)):
        (leased,), _ = opened.lease()
        assert leased.warned is was
        record(opened, [PutBack(1, 0, ACCEPTED, "late", warned_now)])


def test_what_is_kept_back_is_not_leased_again(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"x")
    opened.lease()
    record(opened, [KeptBack(1, 0, "undeliverable", "550 no")])
    assert opened.lease(ACCEPTED + 10_000 * MINUTE) == ([], None)
    assert rows(opened, "SELECT held, due_at, outcome, leased_until FROM recipient") == [
        ("undeliverable", HELD, "550 no", None)
    ]


def test_what_the_operator_holds_while_it_is_attempted_stays_held_afterwards(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"x")
    opened.lease()
    with closing(opened.database()) as connection:
        connection.execute("UPDATE recipient SET held = 'operator'")
    record(opened, [PutBack(1, 0, ACCEPTED, "later")])
    assert opened.lease(ACCEPTED + MINUTE) == ([], None)


def test_a_recall_tells_which_are_still_wanted(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1, ANN, BOB), b"x")
    opened.accept(envelope(2), b"x")
    opened.accept(envelope(3), b"x")
    leased, _ = opened.lease()
    with closing(opened.database()) as connection:
        connection.execute("UPDATE recipient SET held = 'operator' WHERE message = 1 AND number = 1")
        connection.execute("DELETE FROM recipient WHERE message = 2")
        connection.execute("UPDATE recipient SET route = 'smtp:new.test' WHERE message = 3")
    answers: list[set[tuple[int, int]]] = []
    opened.spool.submit(Recall(opened.spool, leased, answers.append))
    opened.turn_until(lambda: bool(answers))
    assert answers == [{(1, 0)}]
