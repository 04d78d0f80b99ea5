# SPDX-License-Identifier: Apache-2.0
"""What others report to us about mail in the name of our domains (RFC 9990, 3.5.4): each report once, with bounds.

Anybody can send a report and claim anything in it: nothing here decides about mail, and a report of which nobody knows who
has sent it takes the place of none of which that is proven.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from genkan.directory.moments import loaded, stored
from genkan.dmarc.notation import parse_policy, policy_text, row_text
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.directory.store import Store
    from genkan.dmarc.aggregate import Report


class ReceivedBounds(NamedTuple):
    """The most rows of one report and their octets, the most reports, and the octets of all; see `add`."""

    rows: int = 1_000
    octets: int = 256 * 1024  # written at once, some 20 ms for which everybody else who writes to the directory waits
    reports: int = 20_000
    all_octets: int = 128 * 1024 * 1024


MOST_MESSAGES: Final = 10**12  # that one row may claim; so many rows of them still can be added up
LONGEST_ROW: Final = 4096  # octets; a usual one has 250


Kept = Literal["kept", "known", "no room"]


class Courier(NamedTuple):
    """Whom a report came from: the reverse-path of its mail, "" for the null one, and its domain in lower-case A-labels.

    `author` is the domain of the mail's author if DMARC has proven it, else "".
    """

    sender: str
    domain: str
    author: str

    @property
    def source(self) -> str:
        """The domain that reports are told apart by."""
        return self.author or self.domain


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """A report in numbers of messages; those `beyond` the bounds are in none of the others.

    `sender` is the reverse-path of the mail that brought it, "" for the null one, `author` the domain of its author if DMARC has
    proven that, else "". `policy` is the policy it saw for the domain.
    """

    received: datetime
    sender: str
    author: str
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

    def add(self, report: Report, courier: Courier, now: datetime) -> Kept:
        """Keep a report, unless its source has sent it before. On disk when this returns.

        Where there are too many, those go of which nobody knows whom they came from, and of these the oldest of the source that
        has most; likewise of the others, if there are no more of the former.
        """
        rows = Counter[str]()
        for row, count in report.rows:
            rows[row_text(row)] += min(count, MOST_MESSAGES)
        kept = self._fitting(rows)
        key = (courier.source, report.reporter.organization, report.id, fold_domain(report.policy.domain))
        values = (*key, courier.author, courier.sender, stored(now), *_values(report))
        beyond = rows.total() - kept.total()
        octets = sum(len(str(value).encode("utf-8", "replace")) for value in values) + sum(map(len, kept))
        with self._store.transaction():
            if courier.author:
                self._store.rows(self._queries.dmarc_received_drop_unproven, *key)
            found = self._store.rows(self._queries.dmarc_received_add, *values, len(kept), beyond, octets)
            for text, count in kept.items() if found else ():
                self._store.rows(self._queries.dmarc_received_row_add, found[0][0], text, count)
        if not found:
            return "known"
        return "no room" if found[0][0] in self._make_room() else "kept"

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

    def _fitting(self, rows: Counter[str]) -> Counter[str]:
        """The rows with most messages, as many as there is room for."""
        kept, room = Counter[str](), self._bounds.octets
        for text, count in rows.most_common(self._bounds.rows):
            if len(text) <= min(room, LONGEST_ROW):
                kept[text] = count
                room -= len(text)
        return kept

    def _make_room(self) -> set[int]:
        """Drop what is too much, each report in a transaction of its own, and say which."""
        dropped = set[int]()
        while True:
            ((reports, octets),) = self._store.rows(self._queries.dmarc_received_totals)
            too_many = reports > self._bounds.reports
            if not too_many and octets <= self._bounds.all_octets:
                return dropped
            with self._store.quick_transaction():
                ((number,),) = self._store.rows(self._queries.dmarc_received_drop_one, too_many)
            dropped.add(number)


def _values(report: Report) -> tuple[object, ...]:
    period = report.period
    return (
        *(report.reporter.email, stored(period.begin), stored(period.end)),
        *(policy_text(report.policy), report.error),
    )


def _wanted(domain: str | None, since: datetime) -> tuple[object, ...]:
    return None if domain is None else fold_domain(domain), stored(since)


def _report(row: tuple[Any, ...]) -> ReceivedReport:
    received, sender, author, organization, email, report_id, begun, ended, domain, policy, error, *numbers = row
    return ReceivedReport(
        loaded(received),
        sender,
        author,
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
