# SPDX-License-Identifier: Apache-2.0
"""What was accepted and is not yet delivered: `accept` tells its caller only when the message would survive a crash.

One spool belongs to one worker. Content arrives in a `Draft` piece by piece; small content becomes part of the message's
row, larger content goes to content segments while it arrives, so no message is ever whole in memory.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from genkan.spool.rows import LEASE, arrival_row, microseconds
from genkan.spool.segments import Extent, Segments, format_extents, parse_extents, sync_folder
from genkan.spool.writer import ExtentWrite, Writer
from genkan.storage.engine import StorageCorrupt, StorageError, translated
from genkan.storage.lock import lock_folder
from genkan.storage.sqlite import Queries, migrate, open_database

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from genkan.message.envelope import Envelope
    from genkan.spool.writer import Batch, Job

_EXTENT: Final = 256 * 1024
_SMALLEST_EXTENT: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Sizes in octets: content up to `inline_size` lies in its row; `buffer` is how much may wait for the disk."""

    inline_size: int = 4 * 1024
    segment_size: int = 64 * 1024 * 1024
    buffer: int = 64 * 1024 * 1024


class Taker(Protocol):
    """Who delivers: asked for room before the commit, given the message after it."""

    def claim(self, recipients: int) -> bool:
        """Whether this many recipients may be leased to the taker with the commit that accepts them."""
        ...

    def take(self, envelope: Envelope, size: int) -> None:
        """The recipients of an accepted message of `size` octets are yours; they are leased."""
        ...

    def give_up(self, recipients: int) -> None:
        """The commit that would have leased so many recipients has failed."""
        ...

    def leave(self) -> None:
        """A message was accepted for which there was no room; its recipients are due and leased to nobody."""
        ...


class Draft:
    """The content of a mail transaction under way."""

    __slots__ = ("_held", "_pieces", "_spool", "error", "extents", "size")

    def __init__(self, spool: Spool) -> None:
        """Made by `Spool.begin`."""
        self._spool = spool
        self._pieces: list[bytes] = []
        self._held = 0
        self.extents: list[Extent] = []
        self.size = 0
        self.error: StorageError | None = None

    def append(self, octets: bytes) -> None:
        """Take the next octets of the content. Raises nothing: a full disk shows when the message is to be accepted."""
        self.size += len(octets)
        self._pieces.append(octets)
        self._held += len(octets)
        if self._held >= self._spool.extent_size and self.size > self._spool.limits.inline_size:
            self._flush()

    def finish(self) -> bytes | None:
        """The content is complete: small content itself, `None` when it lies in `extents`."""
        if not self.extents and self.size <= self._spool.limits.inline_size:
            return b"".join(self._pieces)
        if self._held:
            self._flush()
        return None

    def lose(self, error: StorageError) -> None:
        """See `ExtentOwner`."""
        self.error = error

    def written(self, octets: int) -> None:
        """See `ExtentOwner`."""
        self._spool.note_written(octets)

    def _flush(self) -> None:
        if self.error is None:
            try:
                self.extents.append(self._spool.write(self._pieces, self._held, self))
            except StorageError as error:
                self.error = error
        self._pieces = []
        self._held = 0


class Accept:
    """The job that makes a message durable."""

    __slots__ = ("_content", "_done", "_draft", "_envelope", "_leased_until", "_spool")

    def __init__(
        self, spool: Spool, envelope: Envelope, draft: Draft, done: Callable[[StorageError | None], None]
    ) -> None:
        """`done` is called on the event loop, with an error when nothing was kept."""
        self._spool = spool
        self._envelope = envelope
        self._draft = draft
        self._done = done
        self._content = draft.finish()
        self._leased_until = spool.claimed_until(envelope)

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return [extent.segment for extent in self._draft.extents]

    def run(self, batch: Batch) -> None:
        """See `Job`. Raises the draft's own error when its content did not reach the disk."""
        if self._draft.error is not None:
            raise self._draft.error
        envelope = self._envelope
        extents = format_extents(self._draft.extents) or None
        batch.arrivals.append(arrival_row(envelope, self._draft.size, self._content, extents, self._leased_until))

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        taker = self._spool.taker
        if error is not None:
            self._spool.release(self._draft.extents)
            if self._leased_until is not None and taker is not None:
                taker.give_up(len(self._envelope.recipients))
        elif taker is not None and self._leased_until is None:
            taker.leave()
        elif taker is not None:
            taker.take(self._envelope, self._draft.size)
        self._done(error)


class Discard:
    """The job that frees a draft's extents, behind the writes to them that may still be queued."""

    __slots__ = ("_draft", "_spool")

    def __init__(self, spool: Spool, draft: Draft) -> None:
        """A draft that will not be accepted."""
        self._spool = spool
        self._draft = draft

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return ()

    def run(self, batch: Batch) -> None:
        """See `Job`: no row is to be changed, and nothing of the draft to be synced."""
        del batch
        self._spool.forget(self._draft)

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        del error
        self._spool.release(self._draft.extents)


class Spool:
    """One worker's spool: a database and its content segments in one folder, locked while it is open."""

    def __init__(self, folder: Path, limits: SpoolLimits, loop: asyncio.AbstractEventLoop) -> None:
        """Open or create the spool. Raises `FolderInUse`, or `StorageError` when the folder cannot be used."""
        self.folder = folder
        self.limits = limits
        self.queries = Queries.load("spool")
        self.taker: Taker | None = None
        self._lock = lock_folder(folder)
        try:
            self._segments = self._open_segments()
        except BaseException:
            os.close(self._lock)
            raise
        self._writer = Writer(lambda: open_database(folder / "spool.db"), self._segments, loop)
        self.submit: Callable[[Job], None] = self._writer.submit
        self._waiting = 0
        self._drafts = 0
        self._when_drained: list[Callable[[], None]] = []
        self._writer.start()

    def _open_segments(self) -> Segments:
        """Make or find everything, durably; end the leases that a crash left."""
        database = self.folder / "spool.db"
        with closing(open_database(database)) as connection, translated(str(database)):
            migrate(connection, "spool")
            connection.execute(self.queries.end_all_leases)
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
        os.close(self._lock)

    def begin(self) -> Draft:
        """A draft for a mail transaction; it ends with `accept` or `discard`."""
        self._drafts += 1
        return Draft(self)

    def accept(self, envelope: Envelope, draft: Draft, done: Callable[[StorageError | None], None]) -> None:
        """Keep a message. `done(None)` is called once it is durable: only then may the client be told 250."""
        self._drafts -= 1
        self.submit(Accept(self, envelope, draft, done))

    def discard(self, draft: Draft) -> None:
        """Forget a draft."""
        self._drafts -= 1
        if draft.extents:
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

    def write(self, buffers: list[bytes], octets: int, draft: Draft) -> Extent:
        """Send a draft's octets on their way to a segment. Raises `StorageError` when no segment can be made."""
        with translated(str(self.folder)):
            extent = self._segments.allocate(octets)
        self._waiting += octets
        self._writer.submit(ExtentWrite(extent, buffers, draft))
        return extent

    def forget(self, draft: Draft) -> None:
        """A draft's octets need not reach the disk. On the writer's thread."""
        self._writer.forget(draft, [extent.segment for extent in draft.extents])

    def note_written(self, octets: int) -> None:
        """So many octets have reached their segment."""
        self._waiting -= octets
        if self._when_drained and self._waiting <= self.limits.buffer // 2:
            callbacks, self._when_drained = self._when_drained, []
            for callback in callbacks:
                callback()

    def release(self, extents: list[Extent]) -> None:
        """No committed row names these extents any more."""
        self._segments.release(extents)

    def claimed_until(self, envelope: Envelope) -> int | None:
        """When the lease of a message's recipients ends, in microseconds since 1970; `None` when nobody takes them now."""
        if self.taker is None or not self.taker.claim(len(envelope.recipients)):
            return None
        return microseconds(envelope.accepted_at + LEASE)
