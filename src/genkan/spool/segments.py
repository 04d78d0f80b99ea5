# SPDX-License-Identifier: Apache-2.0
"""Content segments: files of fixed size that hold the content of large messages, appended to and used again.

Space is given out on the event loop (`allocate`, `release`), written and synced by the writer thread, read by delivery
threads. A segment in which nothing is live any more is overwritten from its start: that needs no journal and no delete.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_READ_BLOCK: Final = 256 * 1024
_MOST_BUFFERS: Final = 512  # below every system's IOV_MAX
_WRITE_EARLY: Final = 32 * 1024  # octets
_SPARE_SEGMENTS: Final = 8


class Extent(NamedTuple):
    """A piece of content in a segment: offset and length in octets."""

    segment: int
    offset: int
    length: int


def format_extents(extents: Iterable[Extent]) -> str:
    """Extents as the spool's row holds them."""
    return " ".join(f"{segment}:{offset}:{length}" for segment, offset, length in extents)


def parse_extents(text: str) -> list[Extent]:
    """Extents from a row. Raises `ValueError` on a damaged one."""
    extents = []
    for word in text.split():
        segment, offset, length = word.split(":")
        extents.append(Extent(int(segment), int(offset), int(length)))
    return extents


def cut_extents(extents: list[Extent], count: int) -> list[Extent]:
    """What is left when the first `count` octets are taken off."""
    left = []
    for segment, offset, length in extents:
        cut = min(count, length)
        count -= cut
        if cut < length:
            left.append(Extent(segment, offset + cut, length - cut))
    return left


class Segments:
    """The segments of one spool. `live` extents are those of messages still spooled; the rest is free to be overwritten."""

    def __init__(self, folder: Path, segment_size: int, live: Iterable[Extent]) -> None:
        """Open every segment in `folder`; `segment_size` in octets."""
        self._folder = folder
        self._segment_size = segment_size
        self._files: dict[int, int] = {}
        self._live: dict[int, int] = {}
        self._unsynced_folder = False
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in folder.glob("[0-9]*.segment"):
            self._open(int(path.stem), os.O_RDWR)
        for extent in live:
            self._live[extent.segment] = self._live.get(extent.segment, 0) + 1
        self._free = sorted((number for number in self._files if number not in self._live), reverse=True)
        self._current = 0
        self._end = segment_size

    def close(self) -> None:
        """Close all files; nothing may be under way."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    # On the event loop.

    def allocate(self, length: int) -> Extent:
        """Give out space for `length` octets. Raises `OSError` when a new segment cannot be made."""
        if self._end + length > self._segment_size and (self._end or length <= self._segment_size):
            self._next_segment()
        extent = Extent(self._current, self._end, length)
        self._end += length
        self._live[self._current] = self._live.get(self._current, 0) + 1
        return extent

    def share(self, extents: Iterable[Extent]) -> None:
        """These octets are needed once more: they are free when they were released as often."""
        for extent in extents:
            self._live[extent.segment] += 1

    def release(self, extents: Iterable[Extent]) -> None:
        """These octets are needed no more, and no row in the database names them."""
        for extent in extents:
            left = self._live[extent.segment] - 1
            if left:
                self._live[extent.segment] = left
            else:
                del self._live[extent.segment]
                self._emptied(extent.segment)

    def _emptied(self, number: int) -> None:
        if number == self._current or number not in self._files:  # a file that was lost is not to be written to
            return
        if len(self._free) < _SPARE_SEGMENTS:
            self._free.append(number)
        else:
            os.close(self._files.pop(number))
            (self._folder / _file_name(number)).unlink()

    def _next_segment(self) -> None:
        previous = self._current
        if self._free:
            number = self._free.pop()
        else:
            number = max((*self._files, *self._live), default=0) + 1  # also beyond those whose file was lost
            self._open(number, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            self._unsynced_folder = True
        self._current, self._end = number, 0
        if previous and previous not in self._live:
            self._emptied(previous)

    def _open(self, number: int, flags: int) -> None:
        self._files[number] = os.open(self._folder / _file_name(number), flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    # On the writer's thread.

    def write(self, extent: Extent, buffers: Sequence[bytes]) -> None:
        """Write an extent's octets; they are durable after the next `sync`. Raises `OSError`."""
        descriptor, offset = self._files[extent.segment], extent.offset
        for start in range(0, len(buffers), _MOST_BUFFERS):
            part = buffers[start : start + _MOST_BUFFERS]
            offset += _write_all(descriptor, offset, part)
        if extent.length >= _WRITE_EARLY:
            # The disk begins now with what `sync` would otherwise have to wait for.
            os.posix_fadvise(descriptor, extent.offset, extent.length, os.POSIX_FADV_DONTNEED)

    def sync(self, number: int) -> None:
        """Make what was written to a segment durable, and the folder's entry of a new one. Raises `OSError`."""
        if self._unsynced_folder:
            self._unsynced_folder = False  # before the sync: a segment that is made meanwhile needs another one
            try:
                sync_folder(self._folder)
            except OSError:
                self._unsynced_folder = True
                raise
        os.fdatasync(self._files[number])

    # On any thread.

    def read(self, extents: Iterable[Extent]) -> Iterator[bytes]:
        """The octets of these extents in blocks. Raises `OSError`, also when a segment is shorter than its extents say."""
        for extent in extents:
            yield from read_extent(self._files[extent.segment], extent)


def read_extent(descriptor: int, extent: Extent) -> Iterator[bytes]:
    """The octets of an extent in blocks. Raises `OSError` when the file ends before the extent does."""
    offset, end = extent.offset, extent.offset + extent.length
    while offset < end:
        block = os.pread(descriptor, min(_READ_BLOCK, end - offset), offset)
        if not block:
            msg = f"content segment {extent.segment} ends at {offset}, before octet {end} of a spooled message"
            raise OSError(msg)
        offset += len(block)
        yield block


def segment_path(folder: Path, number: int) -> Path:
    """Where segment `number` lies below the spool's folder of segments."""
    return folder / _file_name(number)


def _file_name(number: int) -> str:
    return f"{number:06d}.segment"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, offset: int, buffers: Sequence[bytes]) -> int:
    """Write all buffers, going on after a short write; give the number of octets."""
    total = sum(map(len, buffers))
    written = os.pwritev(descriptor, buffers, offset)
    if written < total:
        rest = memoryview(b"".join(buffers))
        while written < total:
            written += os.pwrite(descriptor, rest[written:], offset + written)
    return total
