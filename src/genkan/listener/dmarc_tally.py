# SPDX-License-Identifier: Apache-2.0
"""Counts what DMARC makes of mail, in memory, and adds it to the directory a moment later: some microseconds a message."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from genkan.directory.dmarc_tallies import Tally
from genkan.dmarc.aggregate import published_policy
from genkan.policy.dmarc_row import row_to_count

if TYPE_CHECKING:
    from datetime import date, timedelta

    from genkan.clock import Clock
    from genkan.directory.directory import Directory
    from genkan.dmarc.aggregate import Row
    from genkan.dmarc.record import DmarcRecord
    from genkan.listener.late_writes import LateWrites, Write
    from genkan.policy.facts import TransactionFacts
    from genkan.policy.origin import Judged

MOST_ROWS: Final = 10_000  # that are different, between two writes
MOST_DOMAINS: Final = 2_000  # likewise; messages for others are not counted


@dataclass(slots=True)
class _Counts:
    """Messages of one day for one policy domain; `record` is the one that was seen last."""

    record: DmarcRecord
    rows: dict[Row, int] = field(default_factory=dict)
    others: int = 0


class DmarcTally:
    """Lives on the event loop; one for each worker."""

    def __init__(self, late_writes: LateWrites, keep: timedelta, clock: Clock) -> None:
        """Days older than `keep` are forgotten."""
        self._soon = late_writes.add(self._take, "what DMARC made of mail could not be counted")
        self._keep = keep
        self._clock = clock
        self._counts: dict[tuple[date, str], _Counts] = {}
        self._rows = 0
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
        self._soon()

    def _counts_of(self, key: tuple[date, str], record: DmarcRecord) -> _Counts | None:
        counts = self._counts.get(key)
        if counts is None and len(self._counts) < MOST_DOMAINS:
            counts = self._counts[key] = _Counts(record)
        return counts

    def _take(self) -> Write | None:
        if not self._counts:
            return None
        counts, self._counts, self._rows = self._counts, {}, 0
        return partial(self._write, counts, self._clock.now().date())

    def _write(self, counts: dict[tuple[date, str], _Counts], today: date, directory: Directory) -> None:
        directory.dmarc_tallies.add([_tally(*key, found) for key, found in counts.items()])
        if self._cleaned != today:
            directory.dmarc_tallies.drop_before(today - self._keep)
            self._cleaned = today


def _tally(day: date, domain: str, counts: _Counts) -> Tally:
    record = counts.record
    return Tally(day, published_policy(domain, record), counts.rows, counts.others, "; ".join(record.faults))
