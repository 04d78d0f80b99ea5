# SPDX-License-Identifier: Apache-2.0
"""Counts what DMARC makes of mail, in memory, and adds it to the directory every few seconds, in a thread.

A message costs some microseconds and no wait for the disk; a crash loses the statistics of the last seconds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from genkan.directory.dmarc_tallies import Tally
from genkan.dmarc.aggregate import published_policy
from genkan.policy.dmarc_row import row_to_count
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from concurrent.futures import Future
    from datetime import date, timedelta

    from genkan.clock import Clock
    from genkan.directory.directory import Directory
    from genkan.dmarc.aggregate import Row
    from genkan.dmarc.record import DmarcRecord
    from genkan.maillog import MailLog
    from genkan.policy.facts import TransactionFacts
    from genkan.policy.origin import Judged

MOST_ROWS: Final = 10_000  # that are different, between two writes
MOST_DOMAINS: Final = 2_000  # likewise; messages for others are not counted
_EVERY: Final = 3.0  # seconds between two writes
_PATIENCE: Final = 5.0  # seconds for the last one


@dataclass(slots=True)
class _Counts:
    """Messages of one day for one policy domain; `record` is the one that was seen last."""

    record: DmarcRecord
    rows: dict[Row, int] = field(default_factory=dict)
    others: int = 0


class DmarcTally:
    """Lives on the event loop; one for each worker."""

    def __init__(
        self,
        open_directory: Callable[[], Directory],
        keep: timedelta,
        clock: Clock,
        log: MailLog,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`open_directory` is called in the thread; days older than `keep` are forgotten."""
        self._open_directory = open_directory
        self._keep = keep
        self._clock = clock
        self._log = log
        self._loop = loop
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dmarc")
        self._counts: dict[tuple[date, str], _Counts] = {}
        self._rows = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: Future[None] | None = None
        self._cleaned: date | None = None

    def count(self, transaction: TransactionFacts, judged: Judged) -> None:
        """Count one message, if there is something to tell of it."""
        row, record = row_to_count(transaction, judged), judged.dmarc.record
        if row is None or record is None:
            return
        counts = self._counts_of((self._clock.now().date(), judged.dmarc.policy_domain), record)
        if counts is None:
            return
        counts.record = record
        known = counts.rows.get(row, 0)
        if known or self._rows < MOST_ROWS:
            counts.rows[row] = known + 1
            self._rows += not known
        else:
            counts.others += 1
        if self._timer is None:
            self._timer = self._loop.call_later(_EVERY, self._hand_over)

    def close(self) -> None:
        """Write what was counted; a few seconds are waited for it."""
        if self._timer is not None:
            self._timer.cancel()
        self._write_some()
        if self._writing is not None:
            with suppress(TimeoutError, StorageError):
                self._writing.result(_PATIENCE)
        self._thread.shutdown(wait=False)

    def _counts_of(self, key: tuple[date, str], record: DmarcRecord) -> _Counts | None:
        counts = self._counts.get(key)
        if counts is None and len(self._counts) < MOST_DOMAINS:
            counts = self._counts[key] = _Counts(record)
        return counts

    def _hand_over(self) -> None:
        """Write what there is; while the thread is still at the last write it waits, and the bounds hold."""
        self._timer = None
        if self._writing is not None and not self._writing.done():
            self._timer = self._loop.call_later(_EVERY, self._hand_over)
            return
        self._write_some()

    def _write_some(self) -> None:
        if self._counts:
            counts, self._counts, self._rows = self._counts, {}, 0
            self._writing = self._thread.submit(self._write, counts, self._clock.now().date())

    # In the thread.

    def _write(self, counts: dict[tuple[date, str], _Counts], today: date) -> None:
        tallies = [_tally(*key, found) for key, found in counts.items()]
        try:
            with self._open_directory() as directory:  # opened anew: so the next write is a new try
                directory.dmarc_tallies.add(tallies)
                if self._cleaned != today:
                    directory.dmarc_tallies.drop_before(today - self._keep)
                    self._cleaned = today
        except StorageError as error:
            self._tell("what DMARC made of mail could not be counted", error=str(error))

    def _tell(self, event: str, **details: object) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(partial(self._log.server, event, **details))


def _tally(day: date, domain: str, counts: _Counts) -> Tally:
    record = counts.record
    return Tally(day, published_policy(domain, record), counts.rows, counts.others, "; ".join(record.faults))
