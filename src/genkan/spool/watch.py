# SPDX-License-Identifier: Apache-2.0
"""Looks every second whether another process has freed or shared content of a spool, so that its space is used again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from genkan.spool.deciding import Changes
from genkan.spool.recording import TakeChanges
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    import asyncio

    from genkan.spool.spool import Spool


class SegmentWatch:
    """For the process that accepts into a spool. Lives on the event loop."""

    def __init__(self, spool: Spool, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to look. Raises `StorageError`."""
        self._spool = spool
        self._loop = loop
        self._changes = Changes(spool.folder)
        self._timer = loop.call_later(self._changes.interval, self._look)

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()
        self._changes.close()

    def _look(self) -> None:
        self._timer = self._loop.call_later(self._changes.interval, self._look)
        with suppress(StorageError):  # the next look may have more luck
            if self._changes.were_made():
                self._spool.submit(TakeChanges(self._spool))
