# SPDX-License-Identifier: Apache-2.0
"""The queue of recipients: what is due is leased once, outcomes are kept, a finished message is gone with its content."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.spool.recording import Finished, PutBack
from genkan.spool.spool import SpoolLimits
from tests.support.spools import ACCEPTED, ANN, BOB, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.spool.queue import Leased
    from tests.support.spools import SpoolOnLoop

MINUTE: Final = timedelta(minutes=1)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[SpoolOnLoop]:
    with open_spool_on_loop(tmp_path / "1", SpoolLimits(inline_size=100)) as opened:
        yield opened


def names(leased: list[Leased]) -> list[tuple[str, int]]:
    return [(one.envelope.message_id, one.number) for one in leased]


def change(opened: SpoolOnLoop, statement: str) -> None:
    with closing(opened.database()) as connection:
        connection.execute(statement)


def test_a_recipient_is_leased_with_all_that_a_delivery_needs(opened: SpoolOnLoop) -> None:
    assert opened.accept(envelope(1, ANN, BOB), b"content") is None
    leased, next_due = opened.lease()
    assert [
        (one.envelope._replace(recipients=()), one.size, one.number, one.recipient, one.attempt) for one in leased
    ] == [
        (envelope(1)._replace(recipients=()), 7, 0, ANN, 1),
        (envelope(1)._replace(recipients=()), 7, 1, BOB, 1),
    ]
    assert next_due is None


def test_a_leased_recipient_is_not_leased_again(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"content")
    assert names(opened.lease()[0]) == [("B0000000001", 0)]
    assert opened.lease() == ([], None)


def test_nothing_is_leased_before_it_is_due(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"content")
    assert opened.lease(ACCEPTED - timedelta(microseconds=1)) == ([], ACCEPTED)
    assert names(opened.lease(ACCEPTED)[0]) == [("B0000000001", 0)]


def test_the_oldest_is_leased_first_and_no_more_than_there_is_room_for(opened: SpoolOnLoop) -> None:
    for number, age in ((1, 0), (2, 3), (3, 1), (4, 2)):
        opened.accept(envelope(number)._replace(accepted_at=ACCEPTED - age * MINUTE), b"content")
    leased, next_due = opened.lease(limit=3)
    assert names(leased) == [("B0000000002", 0), ("B0000000004", 0), ("B0000000003", 0)]
    assert next_due == ACCEPTED


def test_a_recipient_that_was_put_back_comes_again_when_it_is_due_with_its_next_attempt(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"content")
    opened.lease()
    assert opened.record(PutBack(1, 0, ACCEPTED + MINUTE, "no space")) is None
    assert opened.lease() == ([], ACCEPTED + MINUTE)
    (leased,), _ = opened.lease(ACCEPTED + MINUTE)
    assert leased.attempt == 2


def test_a_message_goes_with_its_last_recipient_and_not_before(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1, ANN, BOB), b"x" * 500)
    opened.lease()
    assert opened.record(Finished(1, 1)) is None
    assert opened.content(1) == b"x" * 500
    assert opened.record(Finished(1, 0)) is None
    with closing(opened.database()) as connection:
        assert connection.execute("SELECT * FROM message").fetchall() == []
        assert connection.execute("SELECT * FROM recipient").fetchall() == []


def test_a_message_stays_while_one_recipient_waits(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1, ANN, BOB), b"content")
    opened.lease()
    assert opened.record(Finished(1, 0), PutBack(1, 1, ACCEPTED, "later")) is None
    assert names(opened.lease()[0]) == [("B0000000001", 1)]
    assert opened.content(1) == b"content"


def test_the_space_of_a_finished_message_is_used_again(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1, ANN, BOB), b"x" * 500)
    opened.record(Finished(1, 0))
    assert opened.spool._segments._live == {1: 1}
    opened.record(Finished(1, 1))
    assert opened.spool._segments._live == {}


def test_an_outcome_for_what_is_gone_changes_nothing(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"x" * 500)
    for outcome in (Finished(1, 0), Finished(1, 0), PutBack(1, 0, ACCEPTED, "too late"), Finished(7, 0)):
        assert opened.record(outcome) is None
    assert opened.spool._segments._live == {}
    assert opened.lease() == ([], None)


def test_many_outcomes_are_recorded_at_once(opened: SpoolOnLoop) -> None:
    for number in range(1, 200):
        opened.spool.accept(envelope(number, ANN, BOB), opened.draft(b"x" * number), lambda _: None)
    opened.settle()
    leased, _ = opened.lease(limit=1000)
    assert len(leased) == 398
    outcomes = [Finished(number, recipient) for number in range(1, 200) for recipient in (0, 1) if number != 77]
    assert opened.record(*outcomes, PutBack(77, 0, ACCEPTED, "later")) is None
    assert names(opened.lease()[0]) == [("B0000000077", 0)]
    with closing(opened.database()) as connection:
        assert connection.execute("SELECT id FROM message").fetchall() == [(77,)]


@pytest.mark.parametrize(
    "damage", ["UPDATE recipient SET mailbox = 'x@y@z' WHERE message = 2", "DELETE FROM message WHERE id = 2"]
)
def test_a_damaged_row_does_not_hold_up_the_others_and_says_so_in_the_queue(opened: SpoolOnLoop, damage: str) -> None:
    for number in (1, 2, 3):
        opened.accept(envelope(number), b"content")
    change(opened, damage)
    leased, next_due = opened.lease()
    assert names(leased) == [("B0000000001", 0), ("B0000000003", 0)]
    assert next_due == ACCEPTED + timedelta(hours=1)
    with closing(opened.database()) as connection:
        [(outcome,)] = connection.execute("SELECT outcome FROM recipient WHERE message = 2").fetchall()
    assert str(outcome).startswith("the spool's row is damaged: ")
