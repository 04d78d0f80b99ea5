# SPDX-License-Identifier: Apache-2.0
"""Compresses one file of the record, a slice at a time, so that whoever does it can do something else in between."""

from __future__ import annotations

import gzip
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from genkan.record.files import COMPRESSED, PART

if TYPE_CHECKING:
    from pathlib import Path

SLICE: Final = 256 * 1024  # octets
_LEVEL: Final = 6


class Compression:
    """Makes `NAME.gz` of `NAME`. All methods raise `OSError`; after one, `abandon` is all that may be called."""

    def __init__(self, source: Path) -> None:
        """Open both; the result has another name until it is complete."""
        self.source = source
        self.part = source.with_name(source.name + COMPRESSED + PART)
        self._input = source.open("rb")
        try:
            descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError:
            self._input.close()
            raise
        self._file = os.fdopen(descriptor, "wb")
        self._output = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._file, mtime=0)

    def advance(self) -> bool:
        """Compress the next slice; whether the file is finished, and what it was made from is gone."""
        if octets := self._input.read(SLICE):
            self._output.write(octets)
            return False
        self._output.close()
        self._file.flush()
        os.fsync(self._file.fileno())  # before the only other copy goes
        self._file.close()
        self._input.close()
        if self.source.exists():  # it may have become too old meanwhile
            self.part.rename(self.part.with_suffix(""))
            self.source.unlink()
        else:
            self.part.unlink()
        return True

    def abandon(self) -> None:
        """Leave the source as it is."""
        self._input.close()
        for stream in (self._output, self._file):
            with suppress(OSError, ValueError):
                stream.close()
        with suppress(OSError):
            self.part.unlink()
