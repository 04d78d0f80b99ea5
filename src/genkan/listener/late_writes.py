# SPDX-License-Identifier: Apache-2.0
"""Writes into the directory what no reply waits for: in one thread for all of it, and a moment's worth at once.

So a flood costs no sync each; what a crash loses is a moment's.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.directory.directory import Directory
from genkan.directory.errors import DirectoryError
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    import asyncio

    from genkan.maillog import MailLog


class Said(NamedTuple):
    """What the log is to say of a write."""

    event: str
    details: dict[str, object]


Write = Callable[[Directory], Said | None]
Take = Callable[[], Write | None]

_REST: Final = 1.0  # seconds before each write
_PATIENCE: Final = 5.0  # seconds for the last one


class LateWrites:
    """Lives on the event loop; one for each worker."""

    def __init__(self, open_directory: Callable[[], Directory], loop: asyncio.AbstractEventLoop, log: MailLog) -> None:
        """`open_directory` is called in the thread, anew each time: so the next write is a new try."""
        self._open_directory = open_directory
        self._loop = loop
        self._log = log
        self._takes: dict[Take, str] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="late-writes")
        self._timer: asyncio.TimerHandle | None = None
        self._is_writing = False

    def add(self, take: Take, failure: str) -> Callable[[], None]:
        """What says on the event loop that there will be something to write.

        Then `take` is called a moment later, and another moment after each write: it gives the write of all that has been
        gathered, or `None` if there is nothing. A write is over before the next; if it raises `DirectoryError` or
        `StorageError`, the log has it as `failure`.
        """
        self._takes[take] = failure
        return self._soon

    def close(self) -> None:
        """Write what there is; a few seconds are waited for it."""
        if self._timer is not None:
            self._timer.cancel()
        last = self._thread.submit(self._write, self._taken())
        with suppress(TimeoutError):
            self._tell(last.result(_PATIENCE))
        self._thread.shutdown(wait=False)

    def _soon(self) -> None:
        if self._timer is None and not self._is_writing:
            self._timer = self._loop.call_later(_REST, self._hand_over)

    def _taken(self) -> list[tuple[Write, str]]:
        taken = [(take(), failure) for take, failure in self._takes.items()]
        return [(write, failure) for write, failure in taken if write is not None]

    def _hand_over(self) -> None:
        self._timer = None
        writes = self._taken()
        if writes:
            self._is_writing = True
            writing = self._loop.run_in_executor(self._thread, self._write, writes)
            writing.add_done_callback(self._handed_over)

    def _handed_over(self, writing: asyncio.Future[list[Said]]) -> None:
        self._is_writing = False
        self._tell(writing.result())
        self._soon()

    def _tell(self, said: list[Said]) -> None:
        for event, details in said:
            self._log.server(event, **details)

    def _write(self, writes: list[tuple[Write, str]]) -> list[Said]:
        """In the thread."""
        said: list[Said | None] = []
        for write, failure in writes:
            try:
                with self._open_directory() as directory:
                    said.append(write(directory))
            except (DirectoryError, StorageError) as error:
                said.append(Said(failure, {"error": str(error)}))
        return [one for one in said if one is not None]
