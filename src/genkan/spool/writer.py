# SPDX-License-Identifier: Apache-2.0
"""The one thread that writes a spool: group commit, never a waiting time.

Whatever was asked while the last batch was being synced is the next batch: contents are written, content segments synced,
rows inserted and committed; then, and only then, all of the batch is told back to the event loop in one call.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol

from genkan.storage.engine import StorageError, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import apsw

    from genkan.spool.segments import Extent, Segments

_MOST_JOBS: Final = 1000


class Job(Protocol):
    """A piece of work for the writer."""

    def segments(self) -> Sequence[int]:
        """Content segments that must be durable before this job's rows are."""
        ...

    def run(self, connection: apsw.Connection) -> None:
        """Change the database, inside the batch's transaction; on the writer's thread."""
        ...

    def done(self, error: StorageError | None) -> None:
        """The outcome, on the event loop, after the commit."""
        ...


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
    """Runs jobs in batches on a thread of its own; `call_soon` brings the outcomes back to the event loop."""

    def __init__(self, connect: Callable[[], apsw.Connection], segments: Segments, call_soon: Callable[..., object]) -> None:
        """`connect` is called on the writer's thread; `call_soon` is the loop's `call_soon_threadsafe`."""
        self._connect = connect
        self._segments = segments
        self._call_soon = call_soon
        self._queue: SimpleQueue[Job | ExtentWrite | None] = SimpleQueue()
        self._unsynced: dict[int, set[ExtentOwner]] = {}
        self._thread = threading.Thread(target=self._work, name="spool-writer", daemon=True)
        self.submit: Callable[[Job | ExtentWrite], None] = self._queue.put

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what was submitted, then end the thread; blocks until it has."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        connection = self._connect()
        try:
            while (batch := self._next_batch()) is not None:
                self._run(connection, batch)
        finally:
            connection.close()

    def _next_batch(self) -> list[Job | ExtentWrite] | None:
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        try:
            while len(batch) < _MOST_JOBS:
                item = self._queue.get_nowait()
                if item is None:
                    self._queue.put(None)
                    break
                batch.append(item)
        except Empty:
            pass
        return batch

    def _run(self, connection: apsw.Connection, batch: list[Job | ExtentWrite]) -> None:
        writes = [item for item in batch if isinstance(item, ExtentWrite)]
        jobs = [item for item in batch if not isinstance(item, ExtentWrite)]
        self._write(writes)
        for write in writes:
            write.buffers = []
        outcomes = self._commit(connection, jobs) if jobs else []
        self._call_soon(_tell, writes, outcomes)

    def _write(self, writes: list[ExtentWrite]) -> None:
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
            if len(jobs) == 1:
                return [(jobs[0], error)]
            return [outcome for job in jobs for outcome in self._commit(connection, [job])]
        return [(job, None) for job in jobs]

    def _transaction(self, connection: apsw.Connection, jobs: list[Job]) -> None:
        self._sync({number for job in jobs for number in job.segments()})
        with translated():
            connection.execute("BEGIN IMMEDIATE")
            try:
                for job in jobs:
                    job.run(connection)
                connection.execute("COMMIT")
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


def _tell(writes: list[ExtentWrite], outcomes: list[tuple[Job, StorageError | None]]) -> None:
    for write in writes:
        write.owner.written(write.octets)
    for job, outcome in outcomes:
        job.done(outcome)
