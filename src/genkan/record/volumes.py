# SPDX-License-Identifier: Apache-2.0
"""The files of one worker's part of the record: appended to, changed for new ones, compressed, deleted.

Plain calls that may block, made from one thread; `writer.py` has that thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.record.compression import Compression
from genkan.record.files import COMPRESSED, LONGEST, PART, SUFFIX, RecordFile, file_name, record_files, worker_folders

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.clock import Clock

MOST_OCTETS: Final = 64 * 1024 * 1024  # of one file
_PARTS: Final = 8  # a worker's share is spread over so many files at least, so that little is deleted at once
_LEAST_OCTETS: Final = 16 * 1024
_STEP: Final = timedelta(microseconds=1)
_HOUR: Final = timedelta(hours=1)


class Share(NamedTuple):
    """What a worker may keep: its number (from 1) among so many, and the settings `record.age` and `record.size`."""

    worker: int
    workers: int
    age: timedelta
    size: int  # octets, of all workers together

    @property
    def octets(self) -> int:
        """What this worker's files may take."""
        return self.size // self.workers


class Volumes:
    """One worker's files. Nothing here raises because of the disk: `fault` is what the last write failed with."""

    def __init__(self, folder: Path, share: Share, clock: Clock) -> None:
        """`folder` is the whole record's; this worker's is made when there is something to write."""
        self._record = folder
        self._folder = folder / str(share.worker)
        self._share = share
        self._clock = clock
        self._octets = min(MOST_OCTETS, max(_LEAST_OCTETS, share.octets // _PARTS))
        self._span = min(LONGEST, share.age / _PARTS)
        self._path: Path | None = None
        self._descriptor = -1
        self._begun = clock.now()
        self._size = 0
        self._torn = False
        self._compression: Compression | None = None
        self._sources: list[Path] = []
        self._pruned: datetime | None = None
        self.fault: OSError | None = None

    def write(self, octets: bytes) -> int:
        """Append whole lines; the number of those that got lost."""
        view = memoryview(b"\n" + octets if self._torn else octets)
        written = 0
        try:
            self._open_file()
            while written < len(view):
                written += os.write(self._descriptor, view[written:])
            self.fault = None
        except OSError as error:
            self.fault = error
        if written:
            self._torn = view[written - 1] != ord("\n")
            self._size += written
        return bytes(view[written:]).count(b"\n") if written else octets.count(b"\n")

    def tend(self) -> None:
        """End a file that is full, delete what is too old or too much; to be called often, it seldom does anything."""
        if self._is_full():
            self.close_file()
        now = self._clock.now()
        if self._pruned is None or now - self._pruned >= _HOUR:
            self._pruned = now
            with suppress(OSError):
                self._prune(now)

    def compress(self) -> bool:
        """Compress a slice of the oldest file that has ended; whether there is more to do."""
        with suppress(OSError):
            return self._compress()
        return False

    def close(self) -> None:
        """The end; a compression under way begins anew next time."""
        self.close_file()
        if self._compression is not None:
            self._compression.abandon()

    def close_file(self) -> None:
        """What is written next begins a new file."""
        if self._path is not None:
            os.close(self._descriptor)
            self._path = None
            self._pruned = None

    def _open_file(self) -> None:
        """Make sure that a file is open and has room. Raises `OSError`."""
        if self._is_full() or self._is_deleted():
            self.close_file()
        if self._path is not None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        first = self._clock.now()
        for file in record_files(self._folder)[-1:]:
            first = max(first, file.first + _STEP)  # names stay in order, whatever the clock does
        path = self._folder / file_name(first)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._path, self._begun, self._size, self._torn = path, first, 0, False

    def _is_full(self) -> bool:
        if self._path is None:
            return False
        return self._size >= self._octets or self._clock.now() - self._begun >= self._span

    def _is_deleted(self) -> bool:
        """Whether somebody has cleared the record by hand."""
        return self._path is not None and os.fstat(self._descriptor).st_nlink == 0

    # Age and size.

    def _prune(self, now: datetime) -> None:
        """Delete what is too old, then the oldest until the rest and one full file fit the share. Raises `OSError`."""
        self._remove_leftovers()
        sized = [(file, _size_of(file.path)) for file in self._closed_files()]
        total = sum(size for _, size in sized)
        for file, size in sized:
            if file.last >= now - self._share.age and total <= self._share.octets - self._octets:
                break
            file.path.unlink(missing_ok=True)
            total -= size
        self._sources = [file.path for file in self._closed_files() if file.path.suffix == SUFFIX]
        for folder in self._folders()[1:]:
            with suppress(OSError):
                folder.rmdir()  # only if it is empty

    def _closed_files(self) -> list[RecordFile]:
        files = [file for folder in self._folders() for file in record_files(folder)]
        return sorted(file for file in files if file.path != self._path)

    def _folders(self) -> list[Path]:
        """The worker's own; for the first one also those that no worker has any more: they count as its own."""
        if self._share.worker != 1:
            return [self._folder]
        numbers = {str(number) for number in range(1, self._share.workers + 1)}
        return [self._folder, *(folder for folder in worker_folders(self._record) if folder.name not in numbers)]

    def _remove_leftovers(self) -> None:
        """What a crash during a compression has left: a part of the result, or the source beside it."""
        for folder in self._folders():
            for path in folder.glob(f"*{COMPRESSED}{PART}"):
                if self._compression is None or self._compression.part != path:
                    path.unlink(missing_ok=True)
            for path in folder.glob(f"*{SUFFIX}{COMPRESSED}"):
                path.with_suffix("").unlink(missing_ok=True)

    # Compression.

    def _compress(self) -> bool:
        """As `compress`. Raises `OSError`."""
        compression = self._compression
        if compression is None:
            if not self._sources:
                return False
            self._compression = Compression(self._sources.pop(0))
            return True
        try:
            if compression.advance():
                self._compression = None
        except OSError:
            compression.abandon()
            self._compression = None
            raise
        return True


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
