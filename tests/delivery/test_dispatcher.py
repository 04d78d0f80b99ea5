# SPDX-License-Identifier: Apache-2.0
"""The dispatcher between a real spool and real Maildirs: what is due is attempted, once, and nothing holds up the rest."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.delivery.dispatcher import MOST_HELD
from tests.support.office import EVE, RETRY, Office, nobodies, office_in
from tests.support.spools import ANN, BOB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with office_in(tmp_path) as office:
        yield office


def test_what_is_accepted_is_delivered_to_each_recipient_at_once(office: Office) -> None:
    office.accept(1, ANN, BOB)
    office.until_empty()
    fields = b"Return-Path: <carol@example.net>\r\nDelivered-To: %s@in.test\r\n"
    assert office.mail("ann") == [fields % b"ann" + b"Subject: x\r\n\r\n"]
    assert office.mail("bob") == [fields % b"bob" + b"Subject: x\r\n\r\n"]
    assert [(one["id"], one["recipient"], one["attempt"]) for one in office.logged("delivered")] == [
        ("B0000000001", "ann@in.test", 1),
        ("B0000000001", "bob@in.test", 1),
    ]


def test_large_content_is_delivered_from_its_segments(office: Office) -> None:
    content = os.urandom(50_000)
    office.accept(1, content=content)
    office.until_empty()
    assert [message.endswith(b"\r\n" + content) for message in office.mail("ann")] == [True]


def test_what_an_earlier_process_left_is_delivered_at_the_start(tmp_path: Path) -> None:
    with office_in(tmp_path, start=False) as office:
        for number in range(1, 30):
            office.accept(number)
    with office_in(tmp_path) as office:
        office.until_empty()
        assert len(office.mail("ann")) == 29


def test_a_delivery_that_a_crash_kept_from_being_recorded_is_not_repeated(tmp_path: Path) -> None:
    with office_in(tmp_path) as office:
        office.opened.settle()  # the dispatcher has started
        draft = office.opened.draft(b"Subject: x\r\n\r\n")

        def copy(_: object) -> None:
            shutil.copytree(tmp_path / "spool" / "1", tmp_path / "leased")

        office.opened.spool.accept(office.envelope(1), draft, copy)
        office.until_logged("delivered", 1)
        office.until_empty()
        (path,) = (tmp_path / "mail" / "ann" / "new").iterdir()
        path.rename(tmp_path / "mail" / "ann" / "cur" / f"{path.name}:2,S")  # read meanwhile
    (tmp_path / "leased").rename(tmp_path / "spool" / "2")
    with office_in(tmp_path, spool="2") as office:
        office.until_empty()
        assert [entry["attempt"] for entry in office.logged("delivered")] == [1, 2]
        assert office.mail("ann") == []


def test_a_recipient_that_is_not_known_any_more_waits_and_is_delivered_once_it_is(office: Office) -> None:
    office.accept(1, ANN, EVE)
    office.until_logged("deferred", 1)
    office.until_logged("delivered", 1)
    assert list(office.queued()) == [("B0000000001", "eve@in.test")]
    office.directory.accounts.add(EVE.mailbox, "Eve")
    office.advance(timedelta(minutes=11))
    office.until_empty()
    assert (len(office.mail("ann")), len(office.mail("eve"))) == (1, 1)


def test_a_deferred_recipient_is_tried_again_by_the_schedule(office: Office) -> None:
    office.accept(1, EVE)
    for attempt, delay in ((1, RETRY.delays[0]), (2, RETRY.delays[1]), (3, RETRY.delays[1])):
        office.until_logged("deferred", attempt)
        (queued,) = office.queued().values()
        assert queued.attempts == attempt
        assert queued.last_outcome.startswith("eve@in.test is not known any more")
        assert delay * 0.9 <= queued.due_at - office.clock.now() <= delay * 1.1
        assert datetime.fromisoformat(office.logged("deferred")[-1]["next"]) == queued.due_at
        office.advance(delay * 1.1)


def test_what_is_due_now_or_in_an_instant_is_looked_for_without_a_fault(office: Office) -> None:
    def look() -> None:  # uvloop gives another kind of handle for the shortest waits
        for step in (timedelta(0), timedelta(microseconds=1), timedelta(seconds=1)) * 2:
            office.dispatcher._look_at(office.clock.now() + step)

    office.opened.loop.call_soon(look)
    office.accept(1, ANN)
    office.until_empty()
    assert len(office.mail("ann")) == 1


DAMAGES: Final = {
    "segment lost": "UPDATE message SET extents = '99:0:500' WHERE id = 2",
    "segment short": "UPDATE message SET extents = '1:1000000:500' WHERE id = 2",
    "no extents": "UPDATE message SET extents = 'nowhere' WHERE id = 2",
    "beyond every file": "UPDATE message SET extents = '1:99999999999999999999:500' WHERE id = 2",
    "too little": "UPDATE message SET extents = '1:0:10' WHERE id = 2",
    "nothing": "UPDATE message SET extents = NULL WHERE id = 2",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_message_that_cannot_be_read_waits_and_the_others_of_its_batch_are_delivered(
    tmp_path: Path, damage: str
) -> None:
    with office_in(tmp_path, start=False) as office:
        for number in range(1, 11):
            office.accept(number, content=b"%03d\n" % number * 125)
        with closing(office.opened.database()) as connection:
            connection.execute(damage)
        office.start()
        office.until_logged("deferred", 1)
        office.opened.turn_until(lambda: len(office.queued()) == 1)
        assert sorted(int(message[-4:-1]) for message in office.mail("ann")) == [1, 3, 4, 5, 6, 7, 8, 9, 10]
        assert office.queued()["B0000000002", "ann@in.test"].state == "waiting"
        office.accept(11)
        office.until_logged("delivered", 10)


def test_mail_waits_while_the_database_cannot_be_read(tmp_path: Path) -> None:
    database, hidden = tmp_path / "spool" / "1" / "spool.db", tmp_path / "hidden"
    with office_in(tmp_path, start=False) as office:
        office.accept(1, content=b"1" * 200)
        office.opened.spool.taker = office.dispatcher
        database.rename(hidden)
        office.accept(2, content=b"2" * 200)
        office.until_logged("deferred", 1)
        assert "cannot be read" in office.logged("deferred")[0]["reason"]
        hidden.rename(database)
        office.advance(timedelta(minutes=11))
        office.until_empty()
        assert len(office.mail("ann")) == 2


@pytest.mark.parametrize("recipients", [MOST_HELD - 1, MOST_HELD + 1, 3 * MOST_HELD])
def test_a_message_with_very_many_recipients_is_attempted_for_all_of_them_at_once(
    office: Office, recipients: int
) -> None:
    office.opened.settle()  # the look at the start is over
    office.accept(1, *nobodies(recipients))
    office.until_logged("deferred", recipients)
    office.opened.turn_until(lambda: {one.attempts for one in office.queued().values()} == {1})


def test_what_comes_while_the_queue_is_looked_at_does_not_wait_for_the_next_look(tmp_path: Path) -> None:
    with office_in(tmp_path, start=False) as office:
        outcomes: list[object] = []

        def start_and_accept() -> None:
            office.begin()
            for number, count in ((1, 1), (2, MOST_HELD * 3 // 4)):
                draft = office.opened.draft(b"x")
                office.opened.spool.accept(office.envelope(number, *nobodies(count)), draft, outcomes.append)

        office.opened.loop.call_soon(start_and_accept)
        office.until_logged("deferred", 1 + MOST_HELD * 3 // 4)
        assert outcomes == [None, None]


def test_a_backlog_larger_than_what_is_held_is_worked_off_without_a_pause(tmp_path: Path) -> None:
    with office_in(tmp_path, start=False) as office:
        for number in range(1, 31):
            office.accept(number, *nobodies(MOST_HELD // 10))
        office.start()
        office.until_logged("deferred", 3 * MOST_HELD)
        assert office.dispatcher._held <= MOST_HELD


def test_deferred_mail_is_not_forgotten_while_the_house_is_full(office: Office) -> None:
    office.accept(1, EVE)
    office.until_logged("deferred", 1)
    office.directory.accounts.add(EVE.mailbox, "Eve")
    office.opened.settle()
    assert office.dispatcher.claim(MOST_HELD)
    office.advance(timedelta(minutes=11))
    office.opened.settle()
    assert office.logged("delivered") == []
    office.dispatcher.give_up(MOST_HELD)
    office.accept(2)
    office.until_logged("delivered", 2)
    assert len(office.mail("eve")) == 1


def test_stopping_waits_for_attempts_under_way_and_loses_nothing(tmp_path: Path) -> None:
    with office_in(tmp_path) as office:
        for number in range(1, 300):
            office.opened.spool.accept(office.envelope(number), office.opened.draft(b"%d" % number), lambda _: None)
        office.until_logged("delivered", 1)
    delivered = {int(message.rpartition(b"\n")[2]) for message in office.mail("ann")}
    assert {int(message_id[1:]) for message_id, _ in office.queued()} == set(range(1, 300)) - delivered
    with office_in(tmp_path) as office:
        office.until_empty()
        assert sorted(int(message.rpartition(b"\n")[2]) for message in office.mail("ann")) == list(range(1, 300))


def test_nothing_is_attempted_after_the_stop(tmp_path: Path) -> None:
    with office_in(tmp_path) as office:
        office.accept(1)
        office.until_empty()
        office.opened.loop.run_until_complete(office.dispatcher.stop())
        office.accept(2)
        office.advance(timedelta(days=1))
        office.opened.settle()
        assert [one.state for one in office.queued().values()] == ["due"]


def test_outcomes_that_could_not_be_recorded_are_recorded_later(office: Office) -> None:
    with closing(office.opened.database()) as connection:
        connection.execute("CREATE TRIGGER full BEFORE DELETE ON recipient BEGIN SELECT RAISE(ABORT, 'no room'); END")
        office.accept(1)
        office.until_logged("outcomes cannot be recorded, trying again", 1)
        assert (len(office.mail("ann")), len(office.queued())) == (1, 1)
        connection.execute("DROP TRIGGER full")
    office.until_empty()
    assert len(office.mail("ann")) == 1
