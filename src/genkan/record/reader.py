# SPDX-License-Identifier: Apache-2.0
"""Reads the record while it is written: over all workers and files, whatever state a crash left them in.

A torn or strange line is passed over, and so is a file that goes while it is looked for. All other faults of the disk raise
`OSError`. Memory holds one block of a file, and what was asked for.
"""

from __future__ import annotations

import gzip
import heapq
import zlib
from collections import deque
from contextlib import closing, suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import msgspec

from genkan.record.entry import Entry
from genkan.record.files import COMPRESSED, RecordFile, record_files, worker_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

_BLOCK: Final = 256 * 1024  # octets
_MOST_LINE: Final = 8 * 1024 * 1024  # octets; an entry with all it may hold is smaller

_decode: Final[Callable[[bytes], Entry]] = msgspec.json.Decoder(Entry).decode
_moment_of: Final = attrgetter("at")


def _any(_: object) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are wanted: since when, and what must be true of them.

    `in_line` looks at the JSON, which is quick, and may be wrong only by letting too much pass; `in_entry` decides.
    """

    since: datetime | None = None
    in_line: Callable[[bytes], bool] = _any
    in_entry: Callable[[Entry], bool] = _any


class RecordReader:
    """The record of all workers."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the record's; it need not be there."""
        self._folder = folder

    def oldest_first(self, wanted: Wanted) -> Iterator[Entry]:
        """Every wanted entry, in the order of their times as far as each worker kept to it."""
        workers = (self._entries(files, wanted) for files in self._workers(wanted.since))
        return heapq.merge(*workers, key=_moment_of)

    def newest(self, wanted: Wanted, limit: int) -> list[Entry]:
        """The youngest of the wanted entries, `limit` of them at most, the youngest first."""
        found: list[Entry] = []
        for files in self._workers(wanted.since):
            of_worker: deque[Entry] = deque(maxlen=limit)
            for file in reversed(files):
                of_file = deque(self._entries([file], wanted), limit)
                of_worker.extendleft(list(reversed(of_file))[: limit - len(of_worker)])
                if len(of_worker) == limit:
                    break
            found += of_worker
        return sorted(found, key=_moment_of, reverse=True)[:limit]

    def begin(self) -> datetime | None:
        """How far back the record goes; `None` when there is none."""
        return min((files[0].first for files in self._workers(None)), default=None)

    def _workers(self, since: datetime | None) -> list[list[RecordFile]]:
        """The files of each worker that has any which may hold entries of that time, the oldest first."""
        of_workers = (record_files(folder) for folder in worker_folders(self._folder))
        recent = ([file for file in files if since is None or file.last >= since] for files in of_workers)
        return [files for files in recent if files]

    @staticmethod
    def _entries(files: Iterable[RecordFile], wanted: Wanted) -> Iterator[Entry]:
        since = 0.0 if wanted.since is None else wanted.since.timestamp()
        in_line, in_entry = wanted.in_line, wanted.in_entry
        for file in files:
            for line in lines_of(file.path):
                entry = _entry(line) if in_line(line) else None
                if entry is not None and entry.at >= since and in_entry(entry):
                    yield entry


def _entry(line: bytes) -> Entry | None:
    with suppress(msgspec.MsgspecError, ValueError):
        return _decode(line)
    return None


def lines_of(path: Path) -> Iterator[bytes]:
    """The whole lines of a file of the record, compressed or not, without their ends; nothing when it has gone."""
    stream = _opened(path)
    if stream is None:
        return
    rest = b""
    with closing(stream):
        while block := _block_of(stream):
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
            if len(rest) > _MOST_LINE:
                rest = b""


def _block_of(stream: BinaryIO) -> bytes:
    """The next block; at the place where a compressed file is damaged it ends."""
    try:
        return stream.read(_BLOCK)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""


def _opened(path: Path) -> BinaryIO | None:
    with suppress(FileNotFoundError):
        if path.suffix == COMPRESSED:
            return cast("BinaryIO", gzip.open(path))
        return path.open("rb")
    if path.suffix == COMPRESSED:
        return None
    return _opened(path.with_name(path.name + COMPRESSED))  # it was compressed meanwhile
