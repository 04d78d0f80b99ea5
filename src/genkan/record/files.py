# SPDX-License-Identifier: Apache-2.0
"""How the record lies on the disk: a folder for each worker, files named after the moment they were begun.

`20260102T030405678901Z.jsonl` is written or waits for its compression, `….jsonl.gz` is closed, `….jsonl.gz.part` is
nothing yet.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOLDER: Final = "record"  # in the storage folder
LONGEST: Final = timedelta(days=1)  # from the first to the last entry of one file
SUFFIX: Final = ".jsonl"
COMPRESSED: Final = ".gz"
PART: Final = ".part"

_NAME: Final = re.compile(r"(\d{8}T\d{12}Z)\.jsonl(?:\.gz)?", re.ASCII)
_MOMENT: Final = "%Y%m%dT%H%M%S%fZ"


class RecordFile(NamedTuple):
    """One file of the record; its entries were written from `first` on, and none of them after `last`."""

    first: datetime
    last: datetime
    path: Path


def file_name(first: datetime) -> str:
    """The name of a file that is begun at that moment."""
    return f"{first:{_MOMENT}}{SUFFIX}"


def record_files(folder: Path) -> list[RecordFile]:
    """The files of one worker's folder, the oldest first; none where there is no folder. Raises `OSError`."""
    paths: dict[datetime, Path] = {}
    for path in _entries_of(folder):
        first = _first_moment(path.name)
        # Both are there for the moment between the end of a compression and the removal of what was compressed.
        if first is not None and (path.suffix == COMPRESSED or first not in paths):
            paths[first] = path
    moments = sorted(paths)
    ends = [*moments[1:], *(first + LONGEST for first in moments[-1:])]
    return [RecordFile(first, last, paths[first]) for first, last in zip(moments, ends, strict=True)]


def worker_folders(folder: Path) -> list[Path]:
    """The workers' folders of a record, in no order. Raises `OSError`."""
    return [path for path in _entries_of(folder) if path.is_dir()]


def _entries_of(folder: Path) -> Iterable[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return ()


def _first_moment(name: str) -> datetime | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return None
