# SPDX-License-Identifier: Apache-2.0
"""What was accepted and is not yet delivered: `accept` tells its caller only when the message would survive a crash.

One spool belongs to one worker. Content arrives in a `Draft` piece by piece; small content becomes part of the message's
row, larger content goes to content segments while it arrives, so no message is ever whole in memory.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from genkan.spool.acceptance import Accept, Discard
from genkan.spool.ledger import OwnLedger
from genkan.spool.rows import LEASE, microseconds
from genkan.spool.segments import Extent, Segments, cut_extents, parse_extents, sync_folder
from genkan.spool.writer import ExtentWrite, Writer
from genkan.storage.engine import StorageCorrupt, StorageError, translated
from genkan.storage.lock import DELIVERY_LOCK, LOCK_FILE, lock_folder
from genkan.storage.sqlite import Queries, migrate, open_database, transaction

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from genkan.message.envelope import Envelope
    from genkan.spool.hold import Hold
    from genkan.spool.ledger import Ledger
    from genkan.spool.taker import Taker
    from genkan.spool.writer import Job

_EXTENT: Final = 256 * 1024
_SMALLEST_EXTENT: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Sizes in octets: content up to `inline_size` lies in its row; `buffer` is how much may wait for the disk."""

    inline_size: int = 4 * 1024
    segment_size: int = 64 * 1024 * 1024
    buffer: int = 64 * 1024 * 1024


class Writes:
    """What a draft and its copies have sent to the disk; `error` says that some of it may not be there.

    `drafts` is how many of them may still be accepted.
    """

    __slots__ = ("_spool", "drafts", "error")

    def __init__(self, spool: Spool) -> None:
        """Of a draft without copies yet."""
        self._spool = spool
        self.drafts = 1
        self.error: StorageError | None = None

    def lose(self, error: StorageError) -> None:
        """See `ExtentOwner`."""
        self.error = error

    def written(self, octets: int) -> None:
        """See `ExtentOwner`."""
        self._spool.note_written(octets)


class Draft:
    """The content of a mail transaction under way. `waste` are extents that its content does not need any more."""

    __slots__ = ("_held", "_pieces", "_spool", "extents", "size", "waste", "writes")

    def __init__(self, spool: Spool, writes: Writes | None = None) -> None:
        """Made by `Spool.begin` and `Spool.copy`; a copy shares the `writes` of its original."""
        self._spool = spool
        self._pieces: list[bytes] = []
        self._held = 0
        self.extents: list[Extent] = []
        self.waste: list[Extent] = []
        self.size = 0
        self.writes = Writes(spool) if writes is None else writes

    @property
    def error(self) -> StorageError | None:
        """Why the content cannot be accepted, if it cannot."""
        return self.writes.error

    def append(self, octets: bytes) -> None:
        """Take the next octets of the content. Raises nothing: a full disk shows when the message is to be accepted."""
        self.size += len(octets)
        self._pieces.append(octets)
        self._held += len(octets)
        if self._held >= self._spool.extent_size and self.size > self._spool.limits.inline_size:
            self._flush()

    def replace_start(self, count: int, octets: bytes) -> None:
        """Put `octets` in the place of the first `count` octets. Raises nothing, as `append`.

        Only when the content is complete: after the last `append`, before `Spool.accept`. A copy that was made before keeps
        the old start, one that is made afterwards has the new one. What follows the start is neither read nor moved.
        """
        assert count <= self.size
        self.size += len(octets) - count
        left = self._cut_extents(count)
        if self.extents and octets:
            self._write(0, [octets], len(octets))
        elif octets or left:
            self._pieces = [octets, b"".join(self._pieces)[left:]]
            self._held = sum(map(len, self._pieces))

    def copy(self) -> Draft:
        """See `Spool.copy`."""
        if self._held and (self.extents or self.size > self._spool.limits.inline_size):
            self._flush()
        copied = Draft(self._spool, self.writes)
        self.writes.drafts += 1
        copied.extents = self._spool.share(self.extents)
        copied.size = self.size - self._held
        for piece in self._pieces:
            copied.append(piece)
        return copied

    def finish(self) -> bytes | None:
        """The content is complete: small content itself, `None` when it lies in `extents`."""
        if not self.extents and self.size <= self._spool.limits.inline_size:
            return b"".join(self._pieces)
        if self._held:
            self._flush()
        return None

    def _flush(self) -> None:
        self._write(len(self.extents), self._pieces, self._held)
        self._pieces = []
        self._held = 0

    def _write(self, place: int, buffers: list[bytes], octets: int) -> None:
        """Send octets to a segment, their extent to this place among the others."""
        if self.writes.error is None:
            try:
                self.extents.insert(place, self._spool.write(buffers, octets, self.writes))
            except StorageError as error:
                self.writes.error = error

    def _cut_extents(self, count: int) -> int:
        """Take so many octets off the front of what has been flushed; how many of them were not there but are still held.

        An extent is not given back before the draft ends: the write to it may still be queued.
        """
        flushed = sum(extent.length for extent in self.extents)
        left = cut_extents(self.extents, count)
        self.waste += self.extents[: len(self.extents) - len(left)]
        self.extents = left
        return max(0, count - flushed)


class Spool:
    """One worker's spool: a database and its content segments in one folder, locked while it is open."""

    def __init__(
        self, folder: Path, limits: SpoolLimits, loop: asyncio.AbstractEventLoop, *, delivers: bool = True
    ) -> None:
        """Open or create the spool. Raises `FolderInUse`, or `StorageError` when the folder cannot be used.

        Unless this process `delivers`, another may do so through a `ForeignSpool`.
        """
        self.folder = folder
        self.limits = limits
        self.queries = Queries.load("spool")
        self.taker: Taker | None = None
        self._locks: list[int] = []
        try:
            for name in (LOCK_FILE, DELIVERY_LOCK) if delivers else (LOCK_FILE,):
                self._locks.append(lock_folder(folder, name))
            self._segments = self._open_segments()
            if delivers:
                end_leases(folder, self.queries)
        except BaseException:
            self._unlock()
            raise
        self.ledger: Ledger = OwnLedger(self._segments)
        self._writer = Writer(lambda: open_database(folder / "spool.db"), self._segments, loop)
        self.submit: Callable[[Job], None] = self._writer.submit
        self._waiting = 0
        self._drafts = 0
        self._when_drained: list[Callable[[], None]] = []
        self._writer.start()

    def _open_segments(self) -> Segments:
        """Make or find everything, durably; which extents are live is counted anew."""
        database = self.folder / "spool.db"
        with closing(open_database(database)) as connection, translated(str(database)):
            migrate(connection, "spool")
            with transaction(connection):
                connection.execute(self.queries.take_extent_changes).fetchall()
                texts = [str(text) for (text,) in connection.execute(self.queries.live_extents)]
        try:
            live = [extent for text in texts for extent in parse_extents(text)]
        except ValueError as error:
            msg = f"{database}: a message does not say where its content lies, restore it from a backup"
            raise StorageCorrupt(msg) from error
        with translated(str(self.folder)):
            segments = Segments(self.folder / "segments", self.limits.segment_size, live)
            for folder in (self.folder, *self.folder.parents[:2]):  # down to the storage folder: all may be new
                sync_folder(folder)
        return segments

    def close(self) -> None:
        """Finish what was submitted and close; blocks for as long as the disk takes."""
        self._writer.stop()
        self._segments.close()
        self._unlock()

    def _unlock(self) -> None:
        for lock in self._locks:
            os.close(lock)

    def begin(self) -> Draft:
        """A draft for a mail transaction; it ends with `accept` or `discard`."""
        self._drafts += 1
        return Draft(self)

    def copy(self, draft: Draft) -> Draft:
        """A second draft of the same content, to be accepted under another message id, or discarded, in any order.

        Only when the content is complete: after the last `append`, before `accept`. Large content is not written again: it
        lies in its segments once, until both messages are gone. Content that the disk loses is lost for both.
        """
        self._drafts += 1
        return draft.copy()

    def accept(
        self,
        envelope: Envelope,
        draft: Draft,
        done: Callable[[StorageError | None], None],
        hold: Hold | None = None,
    ) -> None:
        """Keep a message. `done(None)` is called once it is durable: only then may the client be told 250.

        With a `hold` its recipients are not due until somebody, or the deadline, has decided so; see `Settle`.
        """
        self._drafts -= 1
        draft.writes.drafts -= 1
        self.submit(Accept(self, envelope, draft, done, hold))

    def discard(self, draft: Draft) -> None:
        """Forget a draft."""
        self._drafts -= 1
        draft.writes.drafts -= 1
        if draft.extents or draft.waste:
            self.submit(Discard(self, draft))

    # The bound on what waits for the disk.

    @property
    def is_behind(self) -> bool:
        """Whether so much waits for the disk that nobody should read more mail data from the network."""
        return self._waiting > self.limits.buffer

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once the disk has caught up."""
        self._when_drained.append(callback)

    @property
    def extent_size(self) -> int:
        """How much a draft collects before it writes: less when there are many drafts, so that all together stay bounded."""
        return max(_SMALLEST_EXTENT, min(_EXTENT, self.limits.buffer // (self._drafts + 1)))

    def write(self, buffers: list[bytes], octets: int, writes: Writes) -> Extent:
        """Send a draft's octets on their way to a segment. Raises `StorageError` when no segment can be made."""
        with translated(str(self.folder)):
            extent = self._segments.allocate(octets)
        self._waiting += octets
        self._writer.submit(ExtentWrite(extent, buffers, writes))
        return extent

    def forget(self, draft: Draft) -> None:
        """A draft's octets need not reach the disk. On the writer's thread."""
        self._writer.forget(draft.writes, [extent.segment for extent in (*draft.extents, *draft.waste)])

    def note_written(self, octets: int) -> None:
        """So many octets have reached their segment."""
        self._waiting -= octets
        if self._when_drained and self._waiting <= self.limits.buffer // 2:
            callbacks, self._when_drained = self._when_drained, []
            for callback in callbacks:
                callback()

    def share(self, extents: list[Extent]) -> list[Extent]:
        """The same extents for another draft; each of the two releases them."""
        self._segments.share(extents)
        return list(extents)

    def release(self, extents: list[Extent]) -> None:
        """No committed row names these extents any more."""
        self._segments.release(extents)

    def claimed_until(self, envelope: Envelope) -> int | None:
        """When the lease of a message's recipients ends, in microseconds since 1970; `None` when nobody takes them now."""
        if self.taker is None or not self.taker.claim(len(envelope.recipients)):
            return None
        return microseconds(envelope.accepted_at + LEASE)


def end_leases(folder: Path, queries: Queries) -> None:
    """End the leases that a crash left; for whoever is about to deliver from the spool in `folder`. Raises `StorageError`."""
    with closing(open_database(folder / "spool.db")) as connection, translated(str(folder)):
        connection.execute(queries.end_all_leases)
