# SPDX-License-Identifier: Apache-2.0
"""How many octets a Maildir keeps, for accounts with a quota: new, cur and the Maildir++ folders, not tmp.

Blocking: ask from a worker thread. A folder is read again only when its modification time moved, and a Maildir that is
slow to look at is looked at seldom.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SIZE: Final = re.compile(r",S=([0-9]{1,18})(?=[,:]|$)")
_REUSE: Final = 10  # an answer that took t seconds to find is good for this many times t
_SETTLED: Final = 2.0  # seconds; a folder changed just now may change again without its modification time moving


@dataclass(frozen=True, slots=True)
class _Folder:
    """One directory as last read: its modification time in ns (-1: do not trust it), and what was found."""

    modified: int
    octets: int
    subfolders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    octets: int
    good_until: float
    asked_at: float
    folders: dict[str, _Folder]


class MailboxUsage:
    """Answers for many Maildirs, remembering up to `capacity` of them; safe to ask from several threads.

    `clock` gives seconds since 1970, as file times do.
    """

    def __init__(self, capacity: int = 1024, clock: Callable[[], float] = time.time) -> None:
        self._capacity = capacity
        self._clock = clock
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def usage(self, maildir: Path) -> int:
        """The octets kept in `maildir`, 0 when there is none; raises `OSError` when it cannot be read.

        A message counts with the size in its name (`,S=`, as Maildir++ has it), else with its file's. The answer may
        be older than the last delivery by ten times what it takes to find out.
        """
        key = os.fspath(maildir)
        known = self._remembered(key)
        asked_at = self._clock()
        if known and known.asked_at <= asked_at < known.good_until:
            return known.octets
        before = known.folders if known else {}
        folders = dict(_read_maildir(key, before, asked_at))
        octets = sum(folder.octets for folder in folders.values())
        found_at = self._clock()
        self._remember(key, _Answer(octets, found_at + _REUSE * (found_at - asked_at), asked_at, folders))
        return octets

    def _remembered(self, key: str) -> _Answer | None:
        with self._lock:
            answer = self._answers.get(key)
            if answer:
                self._answers.move_to_end(key)
            return answer

    def _remember(self, key: str, answer: _Answer) -> None:
        with self._lock:
            self._answers[key] = answer
            self._answers.move_to_end(key)
            if len(self._answers) > self._capacity:
                self._answers.popitem(last=False)


def _read_maildir(maildir: str, before: dict[str, _Folder], now: float) -> Iterator[tuple[str, _Folder]]:
    """Every directory that counts, by path: unchanged ones from `before`, the others read."""
    root = _read_folder(maildir, before, now, _list_subfolders)
    yield maildir, root
    for folder in (maildir, *(f"{maildir}/{name}" for name in root.subfolders)):
        for name in ("new", "cur"):
            path = f"{folder}/{name}"
            yield path, _read_folder(path, before, now, _add_messages)


def _read_folder(path: str, before: dict[str, _Folder], now: float, read: Callable[[str, int], _Folder]) -> _Folder:
    """The directory as `before` knows it if it has not been touched since, else read anew; an absent one is empty."""
    try:
        modified = os.stat(path).st_mtime_ns
        known = before.get(path)
        if known and known.modified == modified:
            return known
        return read(path, modified if now - modified / 1e9 >= _SETTLED else -1)
    except FileNotFoundError:
        return _Folder(-1, 0)


def _list_subfolders(path: str, modified: int) -> _Folder:
    with os.scandir(path) as entries:
        return _Folder(modified, 0, tuple(entry.name for entry in entries if entry.name[0] == "." and entry.is_dir()))


def _add_messages(path: str, modified: int) -> _Folder:
    with os.scandir(path) as entries:
        return _Folder(modified, sum(map(_octets, entries)))


def _octets(entry: os.DirEntry[str]) -> int:
    size = _SIZE.search(entry.name)
    if size:
        return int(size[1])
    try:
        return entry.stat(follow_symlinks=False).st_size if entry.is_file(follow_symlinks=False) else 0
    except FileNotFoundError:  # a reader moved or deleted it meanwhile
        return 0
