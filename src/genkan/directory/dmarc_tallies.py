# SPDX-License-Identifier: Apache-2.0
"""What DMARC made of mail from outside, counted by day and policy domain: what our reports are made of (RFC 9990, 3.1).

All workers add to it. Much of a row is what strangers write, so there are bounds: what is beyond them is counted, no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from genkan.dmarc.daily import Counted
from genkan.dmarc.notation import parse_policy, parse_row, policy_text, row_text
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from genkan.directory.store import Store
    from genkan.dmarc.aggregate import PublishedPolicy, Row

BEYOND: Final = ""  # the domain that stands for those beyond MOST_DOMAINS
ROWS_AT_ONCE: Final = 100  # of one transaction, some 3 ms, for which everybody else who writes to the directory waits
MOST_ERROR: Final = 600  # characters about a domain's record
LONGEST_ROW: Final = 960  # octets; a usual one has 250. SQLite takes a page of its own for what is longer than 990

_FIRST: Final = date(1970, 1, 1)


class TallyBounds(NamedTuple):
    """The most rows of a day and their octets, for one domain and for all of them, and the most domains of a day."""

    rows: int = 10_000
    octets: int = 4 * 1024 * 1024
    all_rows: int = 100_000
    all_octets: int = 32 * 1024 * 1024
    domains: int = 10_000


@dataclass(frozen=True, slots=True)
class Tally:
    """Messages of one day for one policy domain, to be added: how many of each row, and `others` without one.

    `error` says what is wrong with the domain's record, or nothing.
    """

    day: date
    policy: PublishedPolicy
    rows: Mapping[Row, int]
    others: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class DaySummary:
    """A day and a policy domain in numbers of messages; those `beyond` the bounds are in none of the others.

    `report` says what became of the report, `None` as long as that is open.
    """

    day: date
    domain: str
    policy: str
    messages: int
    passed: int
    quarantined: int
    rejected: int
    beyond: int
    report: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """A client and how many messages came from it."""

    address: str
    messages: int
    passed: int


class _Piece(NamedTuple):
    """One number of a tally; `row` is "" for messages without one."""

    tally: Tally
    row: str
    messages: int


@dataclass(slots=True)
class _Sum:
    """Rows that there are, and their octets."""

    rows: int
    octets: int


class _Day(NamedTuple):
    """What a transaction knows of a day and domain; `all` is of all domains of the day."""

    id: int
    own: _Sum
    all: _Sum


class DmarcTallies:
    """The tables of counts. They concern no cache."""

    def __init__(self, store: Store, bounds: TallyBounds = TallyBounds()) -> None:  # noqa: B008  (it cannot be changed)
        self._store = store
        self._queries = store.queries
        self._bounds = bounds

    def add(self, tallies: Iterable[Tally]) -> None:
        """Add to what there is, in transactions of some rows each. A power failure may undo it: these are statistics."""
        pieces = [piece for tally in tallies for piece in _pieces(tally)]
        for start in range(0, len(pieces), ROWS_AT_ONCE):
            with self._store.quick_transaction():
                self._add(pieces[start : start + ROWS_AT_ONCE])

    def find(self, day: date, domain: str) -> Counted | None:
        """The counts of a day for a policy domain, in any writing; its policy is the one that was seen last."""
        row = self._store.row(self._queries.dmarc_day_found, _number(day), fold_domain(domain))
        if row is None:
            return None
        number, policy, error, others = row
        rows = self._store.rows(self._queries.dmarc_rows, number)
        counted = tuple((parse_row(text), messages) for text, messages in rows)
        return Counted(parse_policy(policy), counted, others, error)

    def unreported(self, first: date, last: date) -> tuple[tuple[date, str], ...]:
        """The days, from the first to the last, and domains of whose reports nothing is known yet."""
        rows = self._store.rows(self._queries.dmarc_days_unreported, _number(first), _number(last))
        return tuple((_day(day), domain) for day, domain in rows)

    def note_report(self, day: date, domain: str, said: str) -> None:
        """Say what became of a report. On disk when this returns."""
        with self._store.transaction():
            self._store.rows(self._queries.dmarc_day_report, _number(day), domain, said)

    def summaries(self, domain: str | None, since: date) -> tuple[DaySummary, ...]:
        """Each day since then and each domain, or only that one; the newest first."""
        rows = self._store.rows(self._queries.dmarc_days, _folded(domain), _number(since))
        return tuple(
            DaySummary(_day(day), name, parse_policy(policy).p, *numbers) for day, name, policy, *numbers in rows
        )

    def sources(self, domain: str | None, since: date, most: int) -> tuple[Source, ...]:
        """The clients that most messages came from."""
        return tuple(
            Source(*row) for row in self._store.rows(self._queries.dmarc_sources, _folded(domain), _number(since), most)
        )

    def drop_before(self, day: date) -> None:
        """Forget the days before that one, each in a transaction of its own."""
        dropped: list[tuple[Any, ...]] | None = None
        while dropped is None or dropped:
            with self._store.quick_transaction():
                dropped = self._store.rows(self._queries.dmarc_day_drop, _number(day))

    def _add(self, pieces: Sequence[_Piece]) -> None:
        days: dict[tuple[date, str], _Day] = {}
        sums: dict[date, _Sum] = {}
        for tally, row, messages in pieces:
            key = tally.day, tally.policy.domain
            if key not in days:
                days[key] = self._open_day(tally, sums)
            if not row or not self._count(days[key], row, messages):
                self._store.rows(self._queries.dmarc_day_add_others, days[key].id, messages)

    def _open_day(self, tally: Tally, sums: dict[date, _Sum]) -> _Day:
        """The day of the tally's domain; that of no domain, with no room for rows, when there are too many of them."""
        day, domain, bounds = _number(tally.day), tally.policy.domain, self._bounds
        ((domains, *numbers),) = self._store.rows(self._queries.dmarc_day_totals, day)
        total = sums.setdefault(tally.day, _Sum(*numbers))
        is_new = not self._store.rows(self._queries.dmarc_day, day, domain)
        if is_new and domains >= bounds.domains:
            domain, total = BEYOND, _Sum(bounds.all_rows, bounds.all_octets)
        values = (day, domain, policy_text(tally.policy), tally.error[:MOST_ERROR])
        ((number, *numbers),) = self._store.rows(self._queries.dmarc_day_set, *values)
        return _Day(number, _Sum(*numbers), total)

    def _count(self, day: _Day, row: str, messages: int) -> bool:
        """Whether the row was there, or there was room for it."""
        if self._store.rows(self._queries.dmarc_row_add, day.id, row, messages):
            return True
        if not self._has_room(day, len(row)):
            return False
        self._store.rows(self._queries.dmarc_row_insert, day.id, row, messages)
        self._store.rows(self._queries.dmarc_day_count_row, day.id, len(row))
        for total in (day.own, day.all):
            total.rows += 1
            total.octets += len(row)
        return True

    def _has_room(self, day: _Day, octets: int) -> bool:
        bounds, own, total = self._bounds, day.own, day.all
        return (
            octets <= LONGEST_ROW
            and own.rows < bounds.rows
            and own.octets + octets <= bounds.octets
            and total.rows < bounds.all_rows
            and total.octets + octets <= bounds.all_octets
        )


def _pieces(tally: Tally) -> Iterator[_Piece]:
    for row, messages in tally.rows.items():
        yield _Piece(tally, row_text(row), messages)
    if tally.others:
        yield _Piece(tally, "", tally.others)


def _number(day: date) -> int:
    return (day - _FIRST).days


def _day(number: int) -> date:
    return _FIRST + timedelta(days=number)


def _folded(domain: str | None) -> str | None:
    return None if domain is None else fold_domain(domain)
