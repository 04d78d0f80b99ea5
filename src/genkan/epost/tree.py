# SPDX-License-Identifier: Apache-2.0
"""Reads a folder of somebody else's: names in any case, sizes bounded, nothing outside of it ever opened.

Whatever cannot be read is a finding, never an exception: a tree copied from another system is rarely whole.
"""

from __future__ import annotations

import os
import stat
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from itertools import islice
from typing import TYPE_CHECKING, Final

from genkan.findings import Finding, warning
from genkan.rules.document import MAX_DOCUMENT, decode_text

if TYPE_CHECKING:
    from pathlib import Path

MAX_NAMES: Final = 1_000_000  # of one folder

_OPEN: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


class Tree:
    """A folder and what lies below it, read only; what went wrong collects in `findings`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.findings: list[Finding] = []
        self._real = root.resolve()

    def names(self, folder: Path) -> dict[str, Path]:
        """What lies in `folder`, by its name in lower case, ordered; links that lead out of the tree are left out."""
        try:
            paths = list(islice(folder.iterdir(), MAX_NAMES + 1))
        except OSError as error:
            self._find(folder, f"cannot be listed ({error.strerror})", "give the right to read it, and run again")
            return {}
        if len(paths) > MAX_NAMES:
            self._find(folder, f"holds more than {MAX_NAMES} names, the rest is not read", "look at it by hand")
        found: dict[str, Path] = {}
        for path in sorted(paths[:MAX_NAMES]):
            if self._is_inside(path) and found.setdefault(path.name.lower(), path) is not path:
                self._find(path, "differs from another name in its case only, and is not read", "rename one of them")
        return found

    def folders(self, folder: Path) -> dict[str, Path]:
        """The folders in `folder`, as `names` gives them."""
        return {name: path for name, path in self.names(folder).items() if path.is_dir()}

    def folder(self, start: Path, *names: str) -> Path | None:
        """The folder below `start` with these names, each in any case; `None` if it is not there."""
        for name in names:
            found = self.names(start).get(name.lower()) if start.is_dir() else None
            if found is None or not found.is_dir():
                return None
            start = found
        return start

    def octets(self, path: Path, limit: int = MAX_DOCUMENT) -> bytes | None:
        """A file's octets; `None`, and a finding, when it is no plain file, cannot be read or is larger than `limit`."""
        try:
            with open(path, "rb", opener=_opener) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    self._find(path, "is not a plain file and is not read", "look at it by hand")
                    return None
                octets = file.read(limit + 1)
        except OSError as error:
            self._find(path, f"cannot be read ({error.strerror})", "give the right to read it, and run again")
            return None
        if len(octets) > limit:
            self._find(path, f"is larger than {limit} octets and is not read", "look at it by hand")
            return None
        return octets

    def text(self, path: Path, limit: int = MAX_DOCUMENT) -> str | None:
        """A file's text in UTF-8, CP932 or, with a mark at its start, UTF-16; `None`, and a finding, for no text."""
        octets = self.octets(path, limit)
        if octets is None:
            return None
        if octets.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            return octets.decode("utf-16", "replace")
        if b"\0" in octets:
            self._find(path, "is not a text and is not read", "look at it by hand")
            return None
        return decode_text(octets)

    def title(self, path: Path) -> str:
        """A path as findings and steps name it: relative to the tree where it lies in it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def _is_inside(self, path: Path) -> bool:
        if not path.is_symlink():
            return True
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: a link that leads to itself
            self._find(path, "is a link that leads nowhere", "remove it, or put a copy in its place")
            return False
        if not real.is_relative_to(self._real):
            self._find(path, "is a link that leads out of the tree and is not followed", "put a copy in its place")
            return False
        return True

    def _find(self, path: Path, sentence: str, remedy: str) -> None:
        self.findings.append(warning(self.title(path), sentence, remedy))


def _opener(path: str, _flags: int) -> int:
    return os.open(path, _OPEN)  # without waiting: a named pipe must not stop the import
