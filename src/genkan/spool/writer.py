# SPDX-License-Identifier: Apache-2.0
"""The one thread that writes a spool: group commit, never a waiting time.

Whatever was asked while the last batch was being synced is the next batch: contents are written, content segments synced,
rows inserted and committed; then, and only then, all of the batch is told back to the event loop in one call. Nothing
that a job does ends the thread: what is unexpected becomes the `StorageError` of that job alone.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol

from genkan.storage.engine import StorageBusy, StorageError, translated
from genkan.storage.sqlite import MOST_ROWS_AT_ONCE, Queries, insert_rows

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Sequence

    import apsw

    from genkan.spool.rows import Row
    from genkan.spool.segments import Extent, Segments

_TURNS: Final = 3


class Job(Protocol):
    """A piece of work for the writer."""

    def segments(self) -> Sequence[int]:
        """Content segments that must be durable before this job's rows are."""
        ...

    def run(self, batch: Batch) -> None:
        """Change the database, inside the batch's transaction; on the writer's thread."""
        ...

    def done(self, error: StorageError | None) -> None:
        """The outcome, on the event loop, after the commit."""
        ...


class Batch:
    """The transaction that the jobs of a batch share. Arrivals are collected: one statement inserts many of them."""

    __slots__ = ("_begun", "_connection", "arrivals")

    def __init__(self, connection: apsw.Connection) -> None:
        """No transaction is open on `connection`."""
        self._connection = connection
        self._begun = False
        self.arrivals: list[Row] = []

    @property
    def connection(self) -> apsw.Connection:
        """The connection, with the transaction open."""
        if not self._begun:
            self._connection.execute("BEGIN IMMEDIATE")
            self._begun = True
        return self._connection

    def commit(self, queries: Queries) -> None:
        """Insert the arrivals and commit; arrivals alone are one statement, which is a transaction by itself.

        APSW gives up the interpreter's lock for every step of the engine and takes it again: beside a busy event loop that is
        what costs.
        """
        if len(self.arrivals) > MOST_ROWS_AT_ONCE:
            self.connection  # noqa: B018
        insert_rows(self._connection, queries.insert_arrival, self.arrivals)
        if self._begun:
            self._connection.execute("COMMIT")


class ExtentWrite:
    """Octets on their way into a segment. `octets` counts them, for the bound on what may wait."""

    __slots__ = ("buffers", "extent", "octets", "owner")

    def __init__(self, extent: Extent, buffers: list[bytes], owner: ExtentOwner) -> None:
        """`owner` is told at the end of the batch."""
        self.extent = extent
        self.buffers = buffers
        self.octets = extent.length
        self.owner = owner


class ExtentOwner(Protocol):
    """Who wrote an extent."""

    def lose(self, error: StorageError) -> None:
        """What was written may not be on the disk: nothing that names it may be committed. On the writer's thread."""
        ...

    def written(self, octets: int) -> None:
        """So many octets wait no longer. On the event loop."""
        ...


class Writer:
    """Runs jobs in batches on a thread of its own; the outcomes come back to the event loop."""

    def __init__(
        self, connect: Callable[[], apsw.Connection], segments: Segments | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        """`connect` is called on the writer's thread; without `segments` there are no contents to be written to them."""
        self._connect = connect
        self._segments = segments
        self._loop = loop
        self._queries = Queries.load("spool")
        self._collected: list[Job | ExtentWrite] = []
        self._queue: SimpleQueue[list[Job | ExtentWrite] | None] = SimpleQueue()
        self._busy = False  # the thread has work; what is asked for meanwhile is its next batch
        self._turns = 1  # of the event loop, before the next batch is handed over
        self._unsynced: dict[int, set[ExtentOwner]] = {}
        self._thread = threading.Thread(target=self._work, name="spool-writer", daemon=True)

    def submit(self, work: Job | ExtentWrite) -> None:
        """Ask for something, on the event loop."""
        self._collected.append(work)
        if len(self._collected) == 1 and not self._busy:
            self._turn(self._turns)

    def _turn(self, left: int) -> None:
        """Hand over after a few turns of the loop when the batch before was of several: then this one grows, too."""
        if left:
            self._loop.call_soon(self._turn, left - 1)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._collected:
            self._busy = True
            self._turns = _TURNS if len(self._collected) > 1 else 1
            self._queue.put(self._collected)
            self._collected = []

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what was submitted, then end the thread; blocks until it has."""
        self._hand_over()
        self._queue.put(None)
        self._thread.join()

    def forget(self, owner: ExtentOwner, segments: Sequence[int]) -> None:
        """What an owner wrote to these segments need not be synced any more. On the writer's thread."""
        for number in segments:
            self._unsynced.get(number, set()).discard(owner)

    def _work(self) -> None:
        connection = self._connect()
        try:
            while (batch := self._queue.get()) is not None:
                self._run(connection, batch)
        finally:
            connection.close()

    def _run(self, connection: apsw.Connection, batch: list[Job | ExtentWrite]) -> None:
        writes = [item for item in batch if isinstance(item, ExtentWrite)]
        jobs = [item for item in batch if not isinstance(item, ExtentWrite)]
        self._write(writes)
        for write in writes:
            write.buffers = []
        outcomes = self._commit(connection, jobs) if jobs else []
        self._loop.call_soon_threadsafe(self._tell, iter(writes), iter(outcomes))

    def _tell(self, writes: Iterator[ExtentWrite], outcomes: Iterator[tuple[Job, StorageError | None]]) -> None:
        """On the event loop. What one of them raises is the loop's to report; all others are told nevertheless."""
        self._busy = False
        if self._collected:
            self._turn(self._turns)
        try:
            for write in writes:
                write.owner.written(write.octets)
            for job, outcome in outcomes:
                job.done(outcome)
        except BaseException:
            self._loop.call_soon(self._tell, writes, outcomes)
            raise

    def _write(self, writes: list[ExtentWrite]) -> None:
        if self._segments is None:
            return
        for extent, run in _contiguous(writes):
            owners = {write.owner for write in run}
            try:
                with translated():
                    self._segments.write(extent, [buffer for write in run for buffer in write.buffers])
            except StorageError as error:
                _lose(owners, error)
            else:
                self._unsynced.setdefault(extent.segment, set()).update(owners)

    def _sync(self, needed: set[int]) -> None:
        """Sync segments. One that fails has lost its dirty pages: a second try would wrongly succeed, so all owners lose."""
        if self._segments is None:
            return
        for number in needed & self._unsynced.keys():
            owners = self._unsynced.pop(number)
            try:
                with translated():
                    self._segments.sync(number)
            except StorageError as error:
                _lose(owners, error)

    def _commit(self, connection: apsw.Connection, jobs: list[Job]) -> list[tuple[Job, StorageError | None]]:
        """Commit all in one transaction; should that fail, each in its own, so that one bad job harms no other."""
        try:
            self._transaction(connection, jobs)
        except StorageError as error:
            failure = error
        except Exception as error:  # noqa: BLE001
            failure = StorageError(f"internal error: {error!r}")
            failure.__cause__ = error
        else:
            return [(job, None) for job in jobs]
        if len(jobs) == 1 or isinstance(failure, StorageBusy):  # each alone would wait for the lock as long again
            return [(job, failure) for job in jobs]
        return [outcome for job in jobs for outcome in self._commit(connection, [job])]

    def _transaction(self, connection: apsw.Connection, jobs: list[Job]) -> None:
        self._sync({number for job in jobs for number in job.segments()})
        with translated():
            batch = Batch(connection)
            try:
                for job in jobs:
                    job.run(batch)
                batch.commit(self._queries)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


def _contiguous(writes: list[ExtentWrite]) -> list[tuple[Extent, list[ExtentWrite]]]:
    """Group writes that lie one behind the other in a segment, so that each group is one `writev`."""
    by_segment: dict[int, list[ExtentWrite]] = defaultdict(list)
    for write in writes:
        by_segment[write.extent.segment].append(write)
    groups: list[tuple[Extent, list[ExtentWrite]]] = []
    for run in by_segment.values():
        end = -1
        for write in sorted(run, key=lambda write: write.extent.offset):
            if write.extent.offset == end:
                groups[-1][1].append(write)
            else:
                groups.append((write.extent, [write]))
            end = write.extent.offset + write.extent.length
    return groups


def _lose(owners: set[ExtentOwner], error: StorageError) -> None:
    for owner in owners:
        owner.lose(error)
