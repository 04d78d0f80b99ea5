# SPDX-License-Identifier: Apache-2.0
"""Held mail and the dispatcher: nothing is attempted before it is decided, decisions of other processes are noticed at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from genkan.spool.deciding import decide
from genkan.spool.hold import Decision
from genkan.spool.reading import find_message
from genkan.spool.settling import MOST_SETTLED
from tests.spool.holding import hold_for
from tests.support.office import Office, office_in
from tests.support.spools import ANN, BOB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.spool.hold import Choice, Kind
    from genkan.spool.settling import Settled

DAY = timedelta(days=1)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with office_in(tmp_path) as office:
        office.opened.settle()
        yield office


def hold(office: Office, number: int, kind: Kind = "approval", verdict: Choice = "reject") -> None:
    """Accept a message for ann and bob that is held for a day."""
    outcomes: list[object] = []
    held = hold_for(kind, verdict, office.clock.now() + DAY)
    draft = office.opened.draft(b"Subject: %d\r\n\r\n" % number)
    office.opened.spool.accept(office.envelope(number, ANN, BOB), draft, outcomes.append, held)
    office.opened.turn_until(lambda: bool(outcomes))
    assert outcomes == [None]


def decide_outside(office: Office, number: int, verdict: Choice) -> None:
    message = find_message(office.folder, f"B{number:010}", office.clock.now())
    assert message is not None
    decide(message, Decision(verdict, "boss@in.test", office.clock.now()), lambda: None)


def states(office: Office) -> list[str]:
    return [one.state for one in office.queued().values()]


def test_held_mail_is_not_attempted_however_often_the_queue_is_looked_at(office: Office) -> None:
    hold(office, 1)
    for _ in range(3):
        office.advance(timedelta(hours=1))
        office.opened.settle()
    office.accept(2)
    office.until_logged("delivered", 1)
    assert [one["id"] for one in office.logged("delivered")] == ["B0000000002"]
    assert states(office) == ["held", "held"]


def test_what_another_process_approves_is_delivered_without_anybody_looking(office: Office) -> None:
    hold(office, 1)
    decide_outside(office, 1, "approve")
    office.until_empty()
    assert (len(office.mail("ann")), len(office.mail("bob"))) == (1, 1)
    assert [(one["recipient"], one["by"], one["hold"], one["rule"]) for one in office.logged("released")] == [
        ("ann@in.test", "boss@in.test", "approval", "mail.dat:12"),
        ("bob@in.test", "boss@in.test", "approval", "mail.dat:12"),
    ]
    assert [one["attempt"] for one in office.logged("delivered")] == [1, 1]


def test_what_another_process_rejects_is_gone_without_anybody_looking(office: Office) -> None:
    hold(office, 1)
    decide_outside(office, 1, "reject")
    office.until_empty()
    office.until_logged("rejected", 2)
    assert (office.mail("ann"), office.logged("delivered")) == ([], [])


def test_what_was_decided_while_nobody_served_the_spool_is_carried_out_at_the_start(tmp_path: Path) -> None:
    with office_in(tmp_path, start=False) as office:
        for number, verdict in ((1, "approve"), (2, "reject")):
            hold(office, number)
            decide_outside(office, number, "approve" if verdict == "approve" else "reject")
    with office_in(tmp_path) as office:
        office.until_empty()
        assert office.mail("ann") == [
            b"Return-Path: <carol@example.net>\r\nDelivered-To: ann@in.test\r\nSubject: 1\r\n\r\n"
        ]


@pytest.mark.parametrize(("verdict", "delivered"), [("approve", 1), ("reject", 0)])
def test_the_deadline_decides_what_nobody_has_decided(office: Office, verdict: Choice, delivered: int) -> None:
    told: list[Settled] = []
    office.dispatcher.when_settled = told.append
    hold(office, 1, verdict=verdict)
    office.advance(DAY - timedelta(seconds=1))
    office.opened.settle()
    assert states(office) == ["held", "held"]
    office.advance(timedelta(seconds=1))
    office.until_empty()
    assert len(office.mail("ann")) == delivered
    assert [(one.message_id, one.verdict, one.by) for one in told] == [("B0000000001", verdict, "")]
    assert {one["by"] for one in office.logged("released") + office.logged("rejected")} == {"deadline"}


def test_a_quarantine_full_of_expired_mail_is_emptied_without_a_pause(tmp_path: Path) -> None:
    with office_in(tmp_path, start=False) as office:
        for number in range(1, 2 * MOST_SETTLED + 2):
            held = hold_for("quarantine", deadline=office.clock.now())
            office.opened.spool.accept(office.envelope(number), office.opened.draft(b"x"), lambda _: None, held)
        office.opened.settle()
        office.start()
        office.until_empty()
        assert office.logged("delivered") == []


def test_much_mail_that_is_approved_at_once_is_delivered_without_a_pause(tmp_path: Path) -> None:
    with office_in(tmp_path, start=False) as office:
        for number in range(1, 2 * MOST_SETTLED + 2):
            held = hold_for(verdict="approve", deadline=office.clock.now())
            office.opened.spool.accept(office.envelope(number), office.opened.draft(b"x"), lambda _: None, held)
        office.opened.settle()
        office.start()
        office.until_empty()
        assert len(office.mail("ann")) == 2 * MOST_SETTLED + 1


def test_what_is_told_of_a_settled_hold_may_fail_and_delivery_goes_on(office: Office) -> None:
    def fail(_: Settled) -> None:
        raise LookupError

    office.dispatcher.when_settled = fail
    for number in (1, 2):
        hold(office, number, verdict="approve")
    office.advance(DAY)
    office.until_empty()
    assert len(office.mail("ann")) == 2
    assert [one["id"] for one in office.logged("failure")] == ["B0000000001", "B0000000002"]


def test_mail_that_cannot_be_settled_stays_held_and_other_mail_is_delivered(office: Office) -> None:
    hold(office, 1, verdict="approve")
    connection = office.opened.database()
    connection.execute("CREATE TRIGGER full BEFORE DELETE ON hold BEGIN SELECT RAISE(ABORT, 'no room'); END")
    office.advance(DAY)
    office.until_logged("held mail cannot be settled", 1)
    office.accept(2)
    office.until_logged("delivered", 1)
    assert states(office) == ["held", "held"]
    connection.execute("DROP TRIGGER full")
    connection.close()
    office.advance(timedelta(seconds=1))
    office.until_empty()


def test_nothing_is_settled_after_the_stop(tmp_path: Path) -> None:
    with office_in(tmp_path) as office:
        hold(office, 1, verdict="approve")
        office.opened.loop.run_until_complete(office.dispatcher.stop())
        office.advance(DAY)
        office.opened.settle()
        assert states(office) == ["held", "held"]


def test_stopping_waits_until_it_is_told_what_was_settled(tmp_path: Path) -> None:
    told: list[Settled] = []

    async def start_and_stop(office: Office) -> None:
        office.begin()
        await office.dispatcher.stop()

    with office_in(tmp_path, start=False) as office:
        hold(office, 1)
        office.clock.advance(DAY)
        office.dispatcher.when_settled = told.append
        office.opened.loop.run_until_complete(start_and_stop(office))
        assert [one.verdict for one in told] == ["reject"]
