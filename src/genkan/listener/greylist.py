# SPDX-License-Identifier: Apache-2.0
"""Lets in who comes again after SPF has deferred it (settings `spf.grey` and those behind it): robots that send spam rarely do.

All workers share what they know through the directory. It is read on the event loop and written in a thread, a second's worth
at once, so that a flood of senders costs no sync each; what a crash loses is a second's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.directory.grey import GreyEntry, grey_network
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from genkan.clock import Clock
    from genkan.config_authenticity import Spf
    from genkan.directory.grey import GreyEntries
    from genkan.maillog import MailLog

MOST_WAITING: Final = 10_000  # notes for the disk; who comes when there are as many is deferred, and not remembered
_REST: Final = 1.0  # seconds
_NOTED_AGAIN: Final = 10  # times within the memory that a sender's coming is noted


class GreyTimes(NamedTuple):
    """The settings `spf.grey_delay`, `spf.grey_window` and `spf.grey_memory`."""

    delay: timedelta
    window: timedelta
    memory: timedelta

    @classmethod
    def of(cls, settings: Spf) -> GreyTimes:
        """Those of the configuration."""
        return cls(settings.grey_delay, settings.grey_window, settings.grey_memory)


class Greylist:
    """Asked on the event loop about each client that would be deferred; `times` may change with the configuration."""

    def __init__(
        self,
        entries: GreyEntries,
        write: Callable[[Sequence[GreyEntry]], None],
        times: GreyTimes,
        clock: Clock,
        log: MailLog,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`entries` are read on the event loop; `write` notes some durably, may block, and runs on any thread."""
        self.times = times
        self._entries = entries
        self._write = write
        self._clock = clock
        self._log = log
        self._loop = loop
        self._waiting: dict[tuple[str, str], GreyEntry] = {}
        self._written: dict[tuple[str, str], GreyEntry] = {}

    def is_patient(self, client_address: str, sender: str) -> bool:
        """Whether this sender has come again in time, or has lately; else it is noted. Raises StorageError."""
        now, key = self._clock.now(), (grey_network(client_address), sender.lower())
        known = self._waiting.get(key) or self._written.get(key) or self._entries.find(*key)
        entry = judged(known or GreyEntry(*key, now, now), now, self.times)
        if entry != known:
            self._note(entry)
        return entry.let_in

    def close(self) -> None:
        """Write what waits, and what may not be written yet."""
        entries = [*self._written.values(), *self._waiting.values()]
        self._written, self._waiting = {}, {}
        if not entries:
            return
        try:
            self._write(entries)
        except StorageError as error:
            self._tell(error)

    def _note(self, entry: GreyEntry) -> None:
        if len(self._waiting) >= MOST_WAITING:
            return
        if not self._waiting and not self._written:
            self._loop.call_later(_REST, self._hand_over)
        self._waiting[entry.network, entry.sender] = entry

    def _hand_over(self) -> None:
        if not self._waiting:  # it is closed
            return
        self._written, self._waiting = self._waiting, {}
        writing = self._loop.run_in_executor(None, self._write, [*self._written.values()])
        writing.add_done_callback(self._handed_over)

    def _handed_over(self, writing: asyncio.Future[None]) -> None:
        self._written = {}
        error = None if writing.cancelled() else writing.exception()
        if error is not None:
            self._tell(error)
        if self._waiting:
            self._loop.call_later(_REST, self._hand_over)

    def _tell(self, error: BaseException) -> None:
        self._log.server("senders that SPF deferred could not be noted", error=str(error))


def judged(entry: GreyEntry, now: datetime, times: GreyTimes) -> GreyEntry:
    """What a sender is that comes now: `let_in` or not, and noted as what."""
    if entry.let_in and now - entry.seen <= times.memory:
        is_old = now - entry.seen >= times.memory / _NOTED_AGAIN
        return entry._replace(seen=now) if is_old else entry
    if entry.let_in or now - entry.since > times.window:
        return GreyEntry(entry.network, entry.sender, now, now)
    return entry._replace(seen=now, let_in=True) if now - entry.since >= times.delay else entry
