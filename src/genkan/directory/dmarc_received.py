# SPDX-License-Identifier: Apache-2.0
"""What others report to us about mail in the name of our domains (RFC 9990, 3.5.4): each report once, with bounds.

Anybody can send a report and claim anything in it: nothing here decides about mail.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from genkan.directory.moments import loaded, stored
from genkan.dmarc.notation import parse_policy, policy_text, row_text
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.directory.store import Store
    from genkan.dmarc.aggregate import Report


class ReceivedBounds(NamedTuple):
    """The most rows of one report, the most reports, and the most rows of all; the oldest reports make room."""

    rows: int = 1_000
    reports: int = 20_000
    all_rows: int = 1_000_000


MOST_MESSAGES: Final = 10**12  # that one row may claim; so many rows of them still can be added up


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """A report in numbers of messages; those `beyond` the bounds are in none of the others.

    `sender` is the reverse-path of the mail that brought it, "" for the null one; `policy` the policy it saw for the domain.
    """

    received: datetime
    sender: str
    organization: str
    email: str
    report_id: str
    begin: datetime
    end: datetime
    domain: str
    policy: str
    error: str
    messages: int
    passed: int
    quarantined: int
    rejected: int
    beyond: int


@dataclass(frozen=True, slots=True)
class FailingSource:
    """A client whose messages in a domain's name failed, and how many have reported it."""

    address: str
    header_from: str
    messages: int
    reporters: int


class ReceivedReports:
    """The tables of reports. They concern no cache."""

    def __init__(self, store: Store, bounds: ReceivedBounds = ReceivedBounds()) -> None:  # noqa: B008  (it cannot be changed)
        self._store = store
        self._queries = store.queries
        self._bounds = bounds

    def add(self, report: Report, sender: str, now: datetime) -> bool:
        """Keep a report; false when its reporter has sent it before. On disk when this returns."""
        rows = Counter[str]()
        for row, count in report.rows:
            rows[row_text(row)] += min(count, MOST_MESSAGES)
        kept = rows.most_common(self._bounds.rows)
        beyond = rows.total() - sum(count for _, count in kept)
        with self._store.transaction():
            found = self._store.rows(self._queries.dmarc_received_add, *_values(report, sender, now), len(kept), beyond)
            for text, count in kept if found else ():
                self._store.rows(self._queries.dmarc_received_row_add, found[0][0], text, count)
            self._make_room()
        return bool(found)

    def list(self, domain: str | None, since: datetime) -> tuple[ReceivedReport, ...]:
        """The reports about mail since then, about one domain or all; the newest first."""
        return tuple(map(_report, self._store.rows(self._queries.dmarc_received, *_wanted(domain, since))))

    def failing(self, domain: str | None, since: datetime, most: int) -> tuple[FailingSource, ...]:
        """The clients from which most messages are said to have failed."""
        rows = self._store.rows(self._queries.dmarc_received_failing, *_wanted(domain, since), most)
        return tuple(FailingSource(*row) for row in rows)

    def drop_before(self, moment: datetime) -> None:
        """Forget what was received before then, each report in a transaction of its own."""
        dropped: list[tuple[Any, ...]] | None = None
        while dropped is None or dropped:
            with self._store.quick_transaction():
                dropped = self._store.rows(self._queries.dmarc_received_drop, stored(moment))

    def _make_room(self) -> None:
        while True:
            ((reports, rows),) = self._store.rows(self._queries.dmarc_received_totals)
            if reports <= self._bounds.reports and rows <= self._bounds.all_rows:
                return
            self._store.rows(self._queries.dmarc_received_drop_oldest)


def _values(report: Report, sender: str, now: datetime) -> tuple[object, ...]:
    reporter, period = report.reporter, report.period
    return (
        *(stored(now), sender, reporter.organization, reporter.email, report.id),
        *(stored(period.begin), stored(period.end), fold_domain(report.policy.domain)),
        *(policy_text(report.policy), report.error),
    )


def _wanted(domain: str | None, since: datetime) -> tuple[object, ...]:
    return None if domain is None else fold_domain(domain), stored(since)


def _report(row: tuple[Any, ...]) -> ReceivedReport:
    received, sender, organization, email, report_id, begun, ended, domain, policy, error, *numbers = row
    return ReceivedReport(
        loaded(received),
        sender,
        organization,
        email,
        report_id,
        loaded(begun),
        loaded(ended),
        domain,
        parse_policy(policy).p,
        error,
        *numbers,
    )
