# SPDX-License-Identifier: Apache-2.0
"""The writer's promises: nothing is told before it is durable, one bad job harms no other, a failed sync loses what it must.

Disks that fail are device files put in the place of a segment: /dev/full takes no octet, /dev/null cannot be synced.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import apsw
import pytest

from genkan.spool.segments import Segments
from genkan.spool.spool import SpoolLimits
from genkan.spool.writer import Writer
from genkan.storage.engine import StorageBusy, StorageError, StorageFull
from genkan.storage.sqlite import migrate, open_database
from tests.support.spools import envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from genkan.spool.writer import Batch
    from tests.support.spools import SpoolOnLoop

LIMITS: Final = SpoolLimits(inline_size=1000, segment_size=1_000_000, buffer=10_000_000)
LARGE: Final = b"x" * 5000


class Note:
    """A job that writes one row, or fails as it is told to; it notes what becomes of it."""

    def __init__(
        self, number: int, failure: Exception | None = None, *, listener: Callable[[Note], None] | None = None
    ) -> None:
        self.number = number
        self.runs = 0
        self.outcome: StorageError | str | None = "not told"
        self._failure = failure
        self._listener = listener

    def segments(self) -> Sequence[int]:
        return ()

    def run(self, batch: Batch) -> None:
        self.runs += 1
        batch.connection.execute("INSERT INTO note VALUES (?)", (self.number,))
        if self._failure is not None:
            raise self._failure

    def done(self, error: StorageError | None) -> None:
        self.outcome = error
        if self._listener is not None:
            self._listener(self)


class Running:
    """A writer on a database with one table."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.errors: list[Any] = []
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context["exception"]))
        self.path = folder / "note.db"
        with closing(open_database(self.path)) as connection:
            migrate(connection, "spool")
            connection.execute("CREATE TABLE note (number INTEGER PRIMARY KEY)")
        self.segments = Segments(folder / "segments", 1000, [])
        self.writer = Writer(self._connect, self.segments, self.loop)

    def _connect(self) -> apsw.Connection:
        connection = open_database(self.path)
        connection.set_busy_timeout(50)
        return connection

    def run(self, *jobs: Note) -> None:
        """Let the writer work on all these in one batch, to the end."""
        for job in jobs:
            self.writer.submit(job)
        self.writer.start()
        self.writer.stop()
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))

    def rows(self) -> list[int]:
        with closing(apsw.Connection(str(self.path))) as connection:
            return [number for (number,) in connection.execute("SELECT number FROM note ORDER BY number")]

    def close(self) -> None:
        self.segments.close()
        self.loop.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.close()


def test_outcomes_are_told_in_the_order_in_which_jobs_were_submitted(running: Running) -> None:
    told: list[int] = []
    running.run(*(Note(number, listener=lambda note: told.append(note.number)) for number in range(2500)))
    assert told == list(range(2500))


def test_nothing_is_told_before_it_can_be_seen_by_others(running: Running) -> None:
    seen: list[list[int]] = []
    running.run(*(Note(number, listener=lambda _: seen.append(running.rows())) for number in range(3)))
    assert seen == [[0, 1, 2]] * 3


@pytest.mark.parametrize("failure", [StorageFull("full"), OSError(5, "broken"), KeyError("a bug"), apsw.FullError("f")])
def test_a_job_that_fails_harms_no_other_of_its_batch(running: Running, failure: Exception) -> None:
    jobs = [Note(1), Note(2, failure), Note(3)]
    running.run(*jobs)
    assert [job.outcome is None for job in jobs] == [True, False, True]
    assert isinstance(jobs[1].outcome, StorageError)
    assert running.rows() == [1, 3]


def test_a_row_that_cannot_be_inserted_harms_only_its_own_job(running: Running) -> None:
    jobs = [Note(1), Note(2), Note(2), Note(3)]
    running.run(*jobs)
    assert [job.outcome is None for job in jobs] == [True, True, False, True]
    assert running.rows() == [1, 2, 3]


def test_a_bug_in_a_job_is_named_in_its_error(running: Running) -> None:
    job = Note(1, KeyError("a bug"))
    running.run(job)
    assert str(job.outcome) == "internal error: KeyError('a bug')"


def test_a_listener_that_raises_does_not_keep_the_others_from_being_told(running: Running) -> None:
    bug = ZeroDivisionError("a bug")

    def fail(_: Note) -> None:
        raise bug

    jobs = [Note(1), Note(2, listener=fail), Note(3), Note(4, listener=fail), Note(5)]
    running.run(*jobs)
    assert [job.outcome for job in jobs] == [None] * 5
    assert running.errors == [bug, bug]


def test_a_locked_database_fails_the_whole_batch_after_waiting_once(running: Running) -> None:
    jobs = [Note(number) for number in range(100)]
    with closing(apsw.Connection(str(running.path))) as other:
        other.execute("BEGIN IMMEDIATE")
        running.run(*jobs)
    assert {type(job.outcome) for job in jobs} == {StorageBusy}
    assert sum(job.runs for job in jobs) == 1


def put(opened: SpoolOnLoop, number: int, device: str) -> int:
    """Put a device in the place of a segment; the descriptor of the segment."""
    files = opened.spool._segments._files
    files[number], before = os.open(device, os.O_RDWR), files[number]
    return before


def restore(opened: SpoolOnLoop, number: int, descriptor: int) -> None:
    files = opened.spool._segments._files
    os.close(files[number])
    files[number] = descriptor


def test_a_full_disk_fails_the_messages_that_were_to_be_written_and_no_others(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        assert opened.accept(envelope(1), LARGE) is None
        before = put(opened, 1, "/dev/full")
        assert isinstance(opened.accept(envelope(2), LARGE), StorageFull)
        assert opened.accept(envelope(3), b"small") is None
        restore(opened, 1, before)
        assert opened.accept(envelope(4), LARGE) is None
        assert [opened.content(number) for number in (1, 2, 3, 4)] == [LARGE, b"", b"small", LARGE]


def test_a_failed_sync_loses_every_message_with_unsynced_octets_in_that_segment(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        assert opened.accept(envelope(1), LARGE) is None
        before = put(opened, 1, "/dev/null")
        growing = opened.draft(b"y" * 300_000)  # so much that it is written while it arrives
        opened.settle()
        assert [extent.segment for extent in growing.extents] == [1]
        error = opened.accept(envelope(2), LARGE)
        assert error is not None
        restore(opened, 1, before)
        growing.append(b"y" * 300_000)
        assert opened.finish(envelope(3), growing) is error
        assert opened.accept(envelope(4), LARGE) is None
        assert [opened.content(number) for number in (1, 2, 3, 4)] == [LARGE, b"", b"", LARGE]
        assert [leased.envelope.message_id for leased in opened.lease()[0]] == ["B0000000001", "B0000000004"]


def test_a_failed_sync_leaves_other_segments_alone(tmp_path: Path) -> None:
    limits = SpoolLimits(inline_size=1000, segment_size=300_000, buffer=10_000_000)
    with open_spool_on_loop(tmp_path / "1", limits) as opened:
        first = opened.draft(b"y" * 290_000)
        second = opened.draft(b"z" * 290_000)
        opened.settle()
        assert ([e.segment for e in first.extents], [e.segment for e in second.extents]) == ([1], [2])
        before = put(opened, 1, "/dev/null")
        assert opened.finish(envelope(1), first) is not None
        restore(opened, 1, before)
        assert opened.finish(envelope(2), second) is None
        assert opened.content(2) == b"z" * 290_000


def test_messages_that_were_never_accepted_leave_nothing_in_memory(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        for _ in range(20):
            opened.spool.discard(opened.draft(b"x" * 300_000))
        opened.settle()
        assert {owner for owners in opened.spool._writer._unsynced.values() for owner in owners} == set()
