# SPDX-License-Identifier: Apache-2.0
"""Lets in who comes again after SPF has deferred it (settings `spf.grey` and those behind it): robots that send spam rarely do.

All workers share what they know through the directory. It is read on the event loop, and written a moment later.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.directory.grey import GreyEntry, grey_network

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.clock import Clock
    from genkan.config_authenticity import Spf
    from genkan.directory.directory import Directory
    from genkan.directory.grey import GreyEntries
    from genkan.listener.late_writes import LateWrites, Write

MOST_WAITING: Final = 10_000  # notes for the disk; who comes when there are as many is deferred, and not remembered
MOST_OF_NETWORK: Final = 1_000  # of them
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

    def __init__(self, entries: GreyEntries, late_writes: LateWrites, times: GreyTimes, clock: Clock) -> None:
        """`entries` are read on the event loop."""
        self.times = times
        self._entries = entries
        self._soon = late_writes.add(self._take, "senders that SPF deferred could not be noted")
        self._clock = clock
        self._waiting: dict[tuple[str, str], GreyEntry] = {}
        self._of_network: Counter[str] = Counter()
        self._written: dict[tuple[str, str], GreyEntry] = {}  # if that is done already

    def is_patient(self, client_address: str, sender: str) -> bool:
        """Whether this sender has come again in time, or has lately; else it is noted. Raises StorageError."""
        now, key = self._clock.now(), (grey_network(client_address), sender.lower())
        known = self._waiting.get(key) or self._written.get(key) or self._entries.find(*key)
        entry = judged(known or GreyEntry(*key, now, now), now, self.times)
        if entry != known:
            self._note(entry)
        return entry.let_in

    def _note(self, entry: GreyEntry) -> None:
        key = entry.network, entry.sender
        if key not in self._waiting:
            if len(self._waiting) >= MOST_WAITING or self._of_network[entry.network] >= MOST_OF_NETWORK:
                return
            self._of_network[entry.network] += 1
        self._waiting[key] = entry
        self._soon()

    def _take(self) -> Write | None:
        self._written, self._waiting, self._of_network = self._waiting, {}, Counter()
        return partial(self._write, [*self._written.values()]) if self._written else None

    def _write(self, entries: list[GreyEntry], directory: Directory) -> None:
        directory.grey.note(entries, self._clock.now(), self.times.window, self.times.memory)


def judged(entry: GreyEntry, now: datetime, times: GreyTimes) -> GreyEntry:
    """What a sender is that comes now: `let_in` or not, and noted as what."""
    if entry.let_in and now - entry.seen <= times.memory:
        is_old = now - entry.seen >= times.memory / _NOTED_AGAIN
        return entry._replace(seen=now) if is_old else entry
    if entry.let_in or not timedelta(0) <= now - entry.since <= times.window:  # of a time to come, if a clock was wrong
        return GreyEntry(entry.network, entry.sender, now, now)
    return entry._replace(seen=now, let_in=True) if now - entry.since >= times.delay else entry
