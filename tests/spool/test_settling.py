# SPDX-License-Identifier: Apache-2.0
"""Held mail in the spool: nobody delivers it until it was decided, and what was decided, or its deadline, is carried out."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from genkan.spool.hold import Decision
from genkan.spool.reading import find_message, list_held, list_queued
from genkan.spool.recording import Finished
from genkan.spool.settling import MOST_SETTLED, Settled
from genkan.spool.spool import SpoolLimits
from genkan.storage.engine import StorageCorrupt
from tests.spool.holding import DEADLINE, accept_held, decide_about, hold_for, settle
from tests.support.programs import crashes_survived
from tests.support.spools import ACCEPTED, ANN, BOB, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tests.support.spools import SpoolOnLoop

SECOND: Final = timedelta(seconds=1)
LIMITS: Final = SpoolLimits(inline_size=100, segment_size=20_000)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[SpoolOnLoop]:
    with open_spool_on_loop(tmp_path / "spool" / "1", LIMITS) as opened:
        yield opened


def rows(opened: SpoolOnLoop) -> dict[str, int]:
    with closing(opened.database()) as connection:
        tables = ("message", "recipient", "hold")
        return {table: int(connection.execute(f"SELECT count(*) FROM {table}").get) for table in tables}


def names(opened: SpoolOnLoop) -> list[tuple[str, int, int]]:
    leased, _ = opened.lease(ACCEPTED)
    return [(one.envelope.message_id, one.number, one.attempt) for one in leased]


class Greedy:
    """Takes all there is."""

    def __init__(self) -> None:
        self.claimed = 0
        self.calls: list[str] = []

    def claim(self, recipients: int) -> bool:
        self.claimed += recipients
        return True

    def take(self, *_: object) -> None:
        self.calls.append("take")

    def give_up(self, recipients: int) -> None:
        self.claimed -= recipients

    def hold(self, deadline: datetime) -> None:
        self.calls.append(f"hold until {deadline:%H:%M}")

    def leave(self) -> None:
        self.calls.append("leave")


def test_nobody_is_given_what_is_held(opened: SpoolOnLoop) -> None:
    opened.spool.taker = taker = Greedy()
    assert accept_held(opened, 1, hold_for(), b"content", ANN, BOB) is None
    assert (taker.claimed, taker.calls) == (0, [f"hold until {DEADLINE:%H:%M}"])
    assert opened.lease(ACCEPTED + timedelta(days=3650)) == ([], None)
    assert settle(opened) == ([], DEADLINE)


def test_held_and_other_mail_of_one_batch_are_kept_apart(opened: SpoolOnLoop) -> None:
    outcomes: list[object] = []
    for number in range(1, 100):
        hold = hold_for() if number % 3 == 0 else None
        opened.spool.accept(envelope(number), opened.draft(b"%d" % number * 60), outcomes.append, hold)
    opened.settle()
    assert outcomes == [None] * 99
    assert {int(leased.envelope.message_id[1:]) for leased in opened.lease()[0]} == {
        number for number in range(1, 100) if number % 3
    }
    assert rows(opened) == {"message": 99, "recipient": 99, "hold": 33}


def test_what_is_held_is_listed_with_its_hold_until_the_deadline(opened: SpoolOnLoop, tmp_path: Path) -> None:
    hold = hold_for()
    accept_held(opened, 1, hold, b"content", ANN, BOB)
    opened.accept(envelope(2), b"content")
    held, free = list_queued(tmp_path, ACCEPTED)
    assert held.held is not None
    assert (held.held.hold, held.held.since, held.held.decision) == (hold, ACCEPTED, None)
    assert [(one.state, one.due_at) for one in held.recipients] == [("held", DEADLINE)] * 2
    assert free.held is None
    assert list(list_held(tmp_path, ACCEPTED)) == [held]
    assert find_message(tmp_path, "B0000000001", ACCEPTED) == held


def test_many_held_messages_are_all_listed(opened: SpoolOnLoop, tmp_path: Path) -> None:
    for number in range(1, 1102):
        opened.spool.accept(envelope(number), opened.draft(b"x"), lambda _: None, hold_for() if number % 2 else None)
    opened.settle()
    numbers = [int(message.message_id[1:]) for message in list_held(tmp_path, ACCEPTED)]
    assert numbers == list(range(1, 1102, 2))


def test_approved_mail_is_due_for_its_first_attempt(opened: SpoolOnLoop) -> None:
    accept_held(opened, 1, hold_for(), b"x" * 500, ANN, BOB)
    held = decide_about(opened, 1, "approve")
    assert held is not None
    assert held.decision == Decision("approve", "boss@in.test", ACCEPTED, "seen")
    assert opened.lease() == ([], None)
    settled = Settled(
        "B0000000001",
        "approval",
        "approve",
        "boss@in.test",
        "seen",
        "mail.dat:12",
        "attachment",
        ("ann@in.test", "bob@in.test"),
    )
    assert settle(opened) == ([settled], None)
    assert names(opened) == [("B0000000001", 0, 1), ("B0000000001", 1, 1)]
    assert opened.content(1) == b"x" * 500
    assert opened.record(Finished(1, 0), Finished(1, 1)) is None
    assert rows(opened) == {"message": 0, "recipient": 0, "hold": 0}


def test_rejected_mail_is_gone_and_its_space_is_used_again(opened: SpoolOnLoop) -> None:
    accept_held(opened, 1, hold_for(), b"x" * 500, ANN, BOB)
    assert opened.spool._segments._live == {1: 1}
    decide_about(opened, 1, "reject")
    [settled], next_due = settle(opened)
    assert (settled.verdict, settled.recipients, next_due) == ("reject", ("ann@in.test", "bob@in.test"), None)
    assert rows(opened) == {"message": 0, "recipient": 0, "hold": 0}
    assert opened.spool._segments._live == {}


def test_space_shared_with_a_delivered_message_stays_when_the_copy_is_rejected(opened: SpoolOnLoop) -> None:
    draft = opened.draft(b"x" * 30_000)
    copy = opened.spool.copy(draft)
    opened.spool.accept(envelope(1), draft, lambda _: None)
    opened.spool.accept(envelope(2), copy, lambda _: None, hold_for("quarantine"))
    opened.settle()
    decide_about(opened, 2, "reject")
    settle(opened)
    assert opened.accept(envelope(3), b"y" * 30_000) is None
    assert opened.content(1) == b"x" * 30_000
    assert (opened.content(2), names(opened)) == (b"", [("B0000000001", 0, 1), ("B0000000003", 0, 1)])


@pytest.mark.parametrize(("verdict", "left"), [("approve", 1), ("reject", 0)])
def test_at_the_deadline_the_verdict_of_the_hold_is_carried_out_by_nobody(
    opened: SpoolOnLoop, verdict: str, left: int
) -> None:
    accept_held(opened, 1, hold_for(verdict="approve" if verdict == "approve" else "reject"))
    assert settle(opened, DEADLINE - SECOND) == ([], DEADLINE)
    [settled], _ = settle(opened, DEADLINE)
    assert (settled.verdict, settled.by) == (verdict, "")
    assert rows(opened) == {"message": left, "recipient": left, "hold": 0}
    assert len(opened.lease(DEADLINE)[0]) == left


def test_a_decision_counts_before_the_deadline_as_well_as_after_it(opened: SpoolOnLoop) -> None:
    for number in (1, 2):
        accept_held(opened, number, hold_for())
        decide_about(opened, number, "approve")
        [settled], _ = settle(opened, (ACCEPTED, DEADLINE + SECOND)[number - 1])
        assert (settled.verdict, settled.by) == ("approve", "boss@in.test")


def test_what_was_settled_is_not_settled_again(opened: SpoolOnLoop) -> None:
    accept_held(opened, 1, hold_for(verdict="approve"))
    assert len(settle(opened, DEADLINE)[0]) == 1
    assert settle(opened, DEADLINE) == ([], None)
    assert rows(opened) == {"message": 1, "recipient": 1, "hold": 0}


def test_more_than_one_transaction_takes_is_settled_in_several(opened: SpoolOnLoop) -> None:
    count = 2 * MOST_SETTLED + 1
    for number in range(1, count + 1):
        opened.spool.accept(envelope(number), opened.draft(b"x"), lambda _: None, hold_for("quarantine"))
    opened.settle()
    answers = [settle(opened, DEADLINE) for _ in range(4)]
    assert [len(settled) for settled, _ in answers] == [MOST_SETTLED, MOST_SETTLED, 1, 0]
    assert [next_due for _, next_due in answers] == [DEADLINE, DEADLINE, None, None]


def test_a_hold_survives_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "1"
    with open_spool_on_loop(folder, LIMITS) as opened:
        accept_held(opened, 1, hold_for(), b"x" * 500)
    with open_spool_on_loop(folder, LIMITS) as opened:
        assert opened.lease(DEADLINE) == ([], None)
        decide_about(opened, 1, "approve")
    with open_spool_on_loop(folder, LIMITS) as opened:
        assert [one.verdict for one in settle(opened)[0]] == ["approve"]
        assert names(opened) == [("B0000000001", 0, 1)]


def test_a_held_message_that_could_not_be_kept_leaves_nothing(opened: SpoolOnLoop) -> None:
    assert accept_held(opened, 1, hold_for(), b"first") is None
    assert accept_held(opened, 1, hold_for(), b"the same number again" * 100) is not None
    assert rows(opened) == {"message": 1, "recipient": 1, "hold": 1}
    assert opened.spool._segments._live == {}


def test_a_damaged_hold_is_an_error_of_the_listing_and_holds_up_nothing(opened: SpoolOnLoop, tmp_path: Path) -> None:
    accept_held(opened, 1, hold_for())
    with closing(opened.database()) as connection:
        connection.execute("UPDATE hold SET approvers = 'no JSON'")
    with pytest.raises(StorageCorrupt, match="the hold of B0000000001 is damaged, restore it from a backup"):
        list(list_queued(tmp_path, ACCEPTED))
    assert len(settle(opened, DEADLINE)[0]) == 1


def test_a_crash_at_any_line_neither_loses_held_mail_nor_lets_it_go_undecided(tmp_path: Path) -> None:
    assert crashes_survived(Path(__file__).with_name("crash_while_holding.py"), tmp_path) > 100
