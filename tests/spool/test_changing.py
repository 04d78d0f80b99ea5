# SPDX-License-Identifier: Apache-2.0
"""What an operator's process changes in the queue of a spool that is open elsewhere."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.spool.changing import (
    CHUNK,
    Changed,
    Delete,
    Hold,
    Release,
    Reroute,
    Retry,
    carry_out,
    preview,
)
from genkan.spool.deciding import Changes
from genkan.spool.reading import list_queued
from genkan.spool.recording import Finished, KeptBack, PutBack, Record, TakeChanges
from genkan.spool.rows import arrival_row
from genkan.spool.selection import Selection
from genkan.spool.spool import SpoolLimits
from genkan.storage.sqlite import Queries, migrate, open_database, transaction
from tests.spool.holding import accept_held, decide_about, hold_for, settle
from tests.support.spools import ACCEPTED, ANN, BOB, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from genkan.spool.changing import Change
    from genkan.spool.recording import Entry
    from tests.support.spools import SpoolOnLoop

NOW: Final = ACCEPTED + timedelta(minutes=1)
LATER: Final = NOW + timedelta(hours=1)
LIMITS: Final = SpoolLimits(inline_size=100, segment_size=1000)
ALL: Final = Selection()
EVERY_CHANGE: Final = (Retry(), Hold(), Release(), Reroute("mx"), Delete(), Delete("because"))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[SpoolOnLoop]:
    """Message 1 for ann and bob, large enough for a segment."""
    with open_spool_on_loop(tmp_path / "spool" / "1", LIMITS) as opened:
        opened.accept(envelope(1, ANN, BOB), b"c" * 500)
        yield opened


def change(opened: SpoolOnLoop, change: Change, selection: Selection = ALL) -> Changed:
    """The change, as another process makes it; what was foretold is what was done."""
    storage = opened.spool.folder.parents[1]
    foretold = preview(storage, selection, change, NOW)
    assert carry_out(storage, selection, change, NOW, lambda _: None) == foretold
    return foretold


def record(opened: SpoolOnLoop, *entries: Entry) -> None:
    answers: list[object] = []
    opened.spool.submit(Record(opened.spool, entries, answers.append))
    opened.turn_until(lambda: bool(answers))
    assert answers == [None]


def rows(opened: SpoolOnLoop) -> list[tuple[str, str, str]]:
    """State, hold and route of every recipient."""
    messages = list_queued(opened.spool.folder.parents[1], NOW)
    return [(one.state, one.held, one.route) for message in messages for one in message.recipients]


def put_back(opened: SpoolOnLoop) -> None:
    opened.lease(NOW)
    record(opened, PutBack(1, 0, LATER, "busy"), PutBack(1, 1, LATER, "busy"))


def take_changes(opened: SpoolOnLoop) -> None:
    """What the worker does when it sees that something was changed."""
    opened.spool.submit(TakeChanges(opened.spool))
    opened.settle()


def test_a_retry_makes_what_waits_due(opened: SpoolOnLoop) -> None:
    put_back(opened)
    assert change(opened, Retry(), Selection(recipient="bob@in.test")) == Changed(1, 1)
    assert [(leased.number, leased.attempt) for leased in opened.lease(NOW)[0]] == [(1, 2)]


def test_a_retry_leaves_alone_what_is_held_or_under_way(opened: SpoolOnLoop) -> None:
    change(opened, Hold(), Selection(recipient="bob@in.test"))
    opened.lease(NOW)
    assert change(opened, Retry()) == Changed(under_way=1)
    assert rows(opened) == [("leased", "", ""), ("held", "operator", "")]


def test_what_is_held_is_not_leased_until_it_is_released(opened: SpoolOnLoop) -> None:
    assert change(opened, Hold()) == Changed(2, 1)
    assert change(opened, Hold()) == Changed()
    assert opened.lease(LATER)[0] == []
    assert change(opened, Release()) == Changed(2, 1)
    assert [leased.number for leased in opened.lease(NOW)[0]] == [0, 1]


def test_a_hold_counts_when_the_attempt_that_was_under_way_has_failed(opened: SpoolOnLoop) -> None:
    opened.lease(NOW)
    assert change(opened, Hold()) == Changed(under_way=2)
    record(opened, Finished(1, 0), PutBack(1, 1, NOW, "busy"))
    assert rows(opened) == [("held", "operator", "")]
    assert opened.lease(LATER)[0] == []


@pytest.mark.parametrize("hold", ["operator", "brake", "undeliverable"])
def test_whatever_holds_it_a_release_lets_go(opened: SpoolOnLoop, hold: str) -> None:
    opened.lease(NOW)
    record(opened, KeptBack(1, 0, hold, "outcome"), Finished(1, 1))
    assert rows(opened) == [("held", hold, "")]
    assert change(opened, Release()) == Changed(1, 1)
    assert rows(opened) == [("due", "", "")]


def test_a_release_takes_the_mark_off_what_is_still_under_way(opened: SpoolOnLoop) -> None:
    opened.lease(NOW)
    change(opened, Hold())
    assert change(opened, Release()) == Changed(2, 1)
    record(opened, PutBack(1, 0, LATER, "busy"), PutBack(1, 1, LATER, "busy"))
    assert rows(opened) == [("waiting", "", "")] * 2


def test_rerouted_mail_is_due_with_its_new_destination(opened: SpoolOnLoop) -> None:
    put_back(opened)
    assert change(opened, Reroute("smtp:mx.in.test")) == Changed(2, 1)
    assert [leased.recipient.route for leased in opened.lease(NOW)[0]] == ["smtp:mx.in.test"] * 2
    assert change(opened, Reroute("")) == Changed(under_way=2)
    assert rows(opened) == [("leased", "", "")] * 2


def test_rerouting_releases_only_what_could_not_be_delivered(opened: SpoolOnLoop) -> None:
    opened.lease(NOW)
    record(opened, KeptBack(1, 0, "undeliverable", "outcome"), KeptBack(1, 1, "brake", "outcome"))
    assert change(opened, Reroute("mx")) == Changed(2, 1)
    assert rows(opened) == [("due", "", "mx"), ("held", "brake", "mx")]


def test_a_message_goes_with_the_last_of_its_recipients_and_its_space_is_used_again(opened: SpoolOnLoop) -> None:
    assert change(opened, Delete(), Selection(recipient="ann@in.test")) == Changed(1, 1)
    assert opened.content(1) == b"c" * 500
    assert change(opened, Delete()) == Changed(1, 1)
    assert list(list_queued(opened.spool.folder.parents[1], NOW)) == []
    take_changes(opened)
    for number in range(2, 5):
        opened.accept(envelope(number), b"d" * 900)
        opened.lease(NOW)
        record(opened, Finished(number, 0))
    segments = sorted(path.name for path in (opened.spool.folder / "segments").iterdir())
    assert segments == ["000001.segment", "000002.segment"]


def test_deleting_does_not_free_content_that_is_being_read(opened: SpoolOnLoop) -> None:
    opened.lease(NOW, limit=1)
    assert change(opened, Delete()) == Changed(1, 1, under_way=1)
    take_changes(opened)
    assert opened.content(1) == b"c" * 500
    record(opened, PutBack(1, 0, NOW, "busy"))
    assert rows(opened) == [("held", "operator", "")]
    assert change(opened, Delete()) == Changed(1, 1)


def test_mail_to_be_bounced_is_due_with_a_route_that_fails_it(opened: SpoolOnLoop) -> None:
    change(opened, Hold())
    assert change(opened, Delete("go away")) == Changed(2, 1)
    assert [leased.recipient.route for leased in opened.lease(NOW)[0]] == ["fail:go away"] * 2


@pytest.mark.parametrize("one", [Retry(), Hold(), Release(), Reroute("mx")])
def test_mail_held_for_approval_is_left_to_those_who_decide(opened: SpoolOnLoop, one: Change) -> None:
    accept_held(opened, 2, hold_for())
    assert change(opened, one, Selection(ids=("B0000000002",))) == Changed(for_approval=1)
    decide_about(opened, 2, "approve")
    settle(opened)
    assert [leased.envelope.message_id for leased in opened.lease(NOW)[0]] == ["B0000000001"] * 2 + ["B0000000002"]


def test_mail_held_for_approval_is_deleted_with_its_hold_after_it_was_noted(
    opened: SpoolOnLoop, tmp_path: Path
) -> None:
    accept_held(opened, 2, hold_for(), b"content", ANN, BOB)
    noted: list[str] = []

    def note(message_ids: list[str]) -> None:
        assert [message.held is not None for message in list_queued(tmp_path, NOW)] == [False, True]
        noted.extend(message_ids)

    assert carry_out(tmp_path, Selection(state="held"), Delete(), NOW, note) == Changed(2, 1)
    assert noted == ["B0000000002"]
    assert settle(opened, ACCEPTED + timedelta(days=2)) == ([], None)


@pytest.mark.parametrize("one", [Delete(), Delete("go away")])
def test_a_hold_stays_for_recipients_that_were_not_chosen(opened: SpoolOnLoop, one: Change) -> None:
    accept_held(opened, 2, hold_for(), b"content", ANN, BOB)
    assert change(opened, one, Selection(ids=("B0000000002",), recipient="ann@in.test")) == Changed(1, 1)
    settled, _ = settle(opened, ACCEPTED + timedelta(days=2))
    assert settled[0].recipients[-1:] == ("bob@in.test",)


def test_held_mail_that_is_bounced_needs_no_decision_any_more(opened: SpoolOnLoop) -> None:
    accept_held(opened, 2, hold_for(), b"content", ANN, BOB)
    assert change(opened, Delete("go away"), Selection(ids=("B0000000002",))) == Changed(2, 1)
    assert settle(opened, ACCEPTED + timedelta(days=2)) == ([], None)


@pytest.mark.parametrize("one", EVERY_CHANGE)
def test_the_worker_sees_that_something_was_changed_and_only_then(opened: SpoolOnLoop, one: Change) -> None:
    if one == Release():
        change(opened, Hold())
    with closing(Changes(opened.spool.folder)) as changes:
        change(opened, one, Selection(domain="elsewhere.test"))
        assert not changes.were_made()
        change(opened, one)
        assert changes.were_made()


@pytest.mark.parametrize("one", EVERY_CHANGE)
def test_nothing_is_there_to_change_in_an_empty_storage_folder(tmp_path: Path, one: Change) -> None:
    assert carry_out(tmp_path, ALL, one, NOW, lambda _: None) == Changed()


def test_a_change_goes_over_all_spools_in_transactions_of_bounded_size(tmp_path: Path) -> None:
    messages = CHUNK // 2
    for number in (1, 2):
        fill(tmp_path / "spool" / str(number), range(number * 10_000, number * 10_000 + messages))
    changed = carry_out(tmp_path, ALL, Delete(), NOW, lambda _: None)
    assert changed == Changed(6 * messages, 2 * messages)
    assert outside_changes(tmp_path) == 2 * 2
    assert list(list_queued(tmp_path, NOW)) == []


def fill(folder: Path, numbers: Sequence[int]) -> None:
    """Messages with three recipients each."""
    folder.mkdir(parents=True)
    insert = Queries.load("spool").insert_arrival
    with closing(open_database(folder / "spool.db")) as connection:
        migrate(connection, "spool")
        with transaction(connection):
            for number in numbers:
                connection.execute(insert, arrival_row(envelope(number, ANN, BOB, ANN), 1, b"c", None, None))


def outside_changes(storage: Path) -> int:
    count = 0
    for database in storage.glob("spool/*/spool.db"):
        with closing(open_database(database, read_only=True)) as connection:
            count += int(connection.execute(Queries.load("spool").outside_changes).get)
    return count
