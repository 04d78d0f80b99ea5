# SPDX-License-Identifier: Apache-2.0
"""Counts of DMARC: added up by day and domain from all workers, within bounds, until their time is over."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory.dmarc_tallies import (
    LONGEST_ROW,
    ROWS_AT_ONCE,
    DaySummary,
    DmarcTallies,
    Source,
    Tally,
    TallyBounds,
)
from genkan.directory.store import Store
from genkan.dmarc.aggregate import PublishedPolicy
from genkan.dmarc.daily import Counted
from genkan.dmarc.notation import row_text
from genkan.storage.sqlite import migrate, open_database
from tests.dmarc.reports import FAILED, PASSED, POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.directory import Directory

DAY: Final = date(2026, 11, 25)
NEXT: Final = DAY + timedelta(days=1)
SIZE: Final = len(row_text(PASSED))


def tally(domain: str = "example.com", day: date = DAY, **rows: int) -> Tally:
    """Counts of PASSED and FAILED, and of others."""
    known = {"passed": PASSED, "failed": FAILED}
    counted = {known[name]: count for name, count in rows.items() if name in known}
    return Tally(day, replace(POLICY, domain=domain), counted, rows.get("others", 0))


@contextmanager
def bounded(folder: Path, bounds: TallyBounds) -> Iterator[DmarcTallies]:
    connection = open_database(folder / "directory.db")
    migrate(connection, "directory")
    yield DmarcTallies(Store(connection), bounds)
    connection.close()


def test_what_several_workers_count_is_added_up(directory: Directory, elsewhere: Directory) -> None:
    directory.dmarc_tallies.add([tally(passed=2, failed=1)])
    elsewhere.dmarc_tallies.add([tally(failed=4, others=3)])
    found = directory.dmarc_tallies.find(DAY, "Example.COM")
    assert found is not None
    assert dict(found.rows) == {PASSED: 2, FAILED: 5}
    assert (found.policy, found.others) == (POLICY, 3)


def test_days_and_domains_are_counted_each_for_itself(directory: Directory) -> None:
    tallies = directory.dmarc_tallies
    tallies.add([tally(passed=1), tally("example.net", passed=2), tally(day=NEXT, passed=3)])
    assert [tallies.find(day, domain) for day, domain in ((DAY, "example.org"), (NEXT, "example.net"))] == [None, None]
    found = [tallies.find(day, domain) for day, domain in ((DAY, "example.com"), (NEXT, "example.com"))]
    assert [counts.rows for counts in found if counts] == [((PASSED, 1),), ((PASSED, 3),)]


def test_of_a_policy_that_changes_the_last_one_is_known(directory: Directory) -> None:
    tallies, later = directory.dmarc_tallies, PublishedPolicy("example.com", "quarantine")
    tallies.add([tally(passed=1)])
    tallies.add([Tally(DAY, later, {PASSED: 1}, error="sp is wrong")])
    assert tallies.find(DAY, "example.com") == Counted(later, ((PASSED, 2),), 0, "sp is wrong")


def test_a_summary_says_what_passed_and_what_was_done(directory: Directory) -> None:
    rejected, quarantined = replace(FAILED, disposition="reject"), replace(FAILED, disposition="quarantine")
    rows = {PASSED: 10, FAILED: 5, rejected: 3, quarantined: 2}
    directory.dmarc_tallies.add([Tally(DAY, POLICY, rows, 4)])
    expected = DaySummary(DAY, "example.com", "reject", 20, 10, 2, 3, 4, None)
    assert directory.dmarc_tallies.summaries(None, DAY) == (expected,)


def test_summaries_are_of_one_domain_or_of_all_and_since_a_day(directory: Directory) -> None:
    tallies = directory.dmarc_tallies
    tallies.add([tally(passed=1), tally("b.test", passed=1), tally(day=NEXT, passed=1)])
    assert [(one.day, one.domain) for one in tallies.summaries(None, DAY)] == [
        (NEXT, "example.com"),
        (DAY, "b.test"),
        (DAY, "example.com"),
    ]
    assert [one.day for one in tallies.summaries("B.test", DAY)] == [DAY]
    assert [one.day for one in tallies.summaries(None, NEXT)] == [NEXT]


def test_sources_come_by_how_much_came_from_them(directory: Directory) -> None:
    tallies = directory.dmarc_tallies
    tallies.add([tally(passed=1, failed=3), tally("b.test", passed=1), tally(day=NEXT, failed=1)])
    both = (Source("2001:db8::1", 4, 0), Source("192.0.2.1", 2, 2))
    assert tallies.sources(None, DAY, 10) == both
    assert tallies.sources(None, DAY, 1) == both[:1]
    assert tallies.sources("b.test", DAY, 10) == (Source("192.0.2.1", 1, 1),)


def test_what_is_reported_is_not_to_be_reported_again(directory: Directory) -> None:
    tallies = directory.dmarc_tallies
    tallies.add([tally(passed=1), tally("b.test", passed=1), tally(day=NEXT, passed=1), tally("c.test", others=1)])
    assert tallies.unreported(DAY, DAY) == ((DAY, "b.test"), (DAY, "example.com"))
    tallies.note_report(DAY, "b.test", "sent to dmarc@b.test")
    assert tallies.unreported(DAY, NEXT) == ((DAY, "example.com"), (NEXT, "example.com"))
    assert [one.report for one in tallies.summaries("b.test", DAY)] == ["sent to dmarc@b.test"]


def test_only_what_is_too_old_is_forgotten(directory: Directory) -> None:
    tallies = directory.dmarc_tallies
    tallies.add([tally(passed=1), tally("b.test", passed=1), tally(day=NEXT, passed=1)])
    tallies.drop_before(NEXT)
    assert [(one.day, one.messages) for one in tallies.summaries(None, DAY)] == [(NEXT, 1)]


def test_counting_drops_no_cache(directory: Directory) -> None:
    cache = directory.new_cache()
    cache["known"] = True
    directory.dmarc_tallies.add([tally(passed=1)])
    directory.dmarc_tallies.drop_before(NEXT)
    directory.refresh()
    assert cache == {"known": True}


def test_rows_beyond_the_bound_of_a_domain_are_counted_and_no_more(tmp_path: Path) -> None:
    with bounded(tmp_path, TallyBounds(rows=1)) as tallies:
        tallies.add([tally(passed=1, failed=2)])
        tallies.add([tally(passed=1, failed=2), tally("b.test", failed=1)])
        assert tallies.find(DAY, "example.com") == Counted(POLICY, ((PASSED, 2),), 4, "")
        assert [one.messages for one in tallies.summaries("b.test", DAY)] == [1]


def test_rows_beyond_the_bound_of_a_day_are_counted_and_no_more(tmp_path: Path) -> None:
    with bounded(tmp_path, TallyBounds(all_rows=1)) as tallies:
        tallies.add([tally(passed=1), tally("b.test", passed=2), tally(day=NEXT, passed=3)])
        numbers = [(one.day, one.domain, one.messages, one.beyond) for one in tallies.summaries(None, DAY)]
        assert numbers == [(NEXT, "example.com", 3, 0), (DAY, "b.test", 0, 2), (DAY, "example.com", 1, 0)]


def test_a_row_of_many_octets_is_counted_and_no_more(directory: Directory) -> None:
    fitting, long = (
        replace(FAILED, envelope_from="x" * (LONGEST_ROW - len(row_text(FAILED)) + more)) for more in (0, 1)
    )
    directory.dmarc_tallies.add([Tally(DAY, POLICY, {fitting: 2, long: 3})])
    assert directory.dmarc_tallies.find(DAY, "example.com") == Counted(POLICY, ((fitting, 2),), 3, "")


@pytest.mark.parametrize("bounds", [TallyBounds(octets=SIZE), TallyBounds(all_octets=SIZE)], ids=["domain", "day"])
def test_rows_beyond_the_octets_of_a_domain_or_a_day_are_counted_and_no_more(
    tmp_path: Path, bounds: TallyBounds
) -> None:
    for passed, failed in ((1, 2), (3, 4)):
        with bounded(tmp_path, bounds) as tallies:
            tallies.add([tally(passed=passed)])
            tallies.add([tally(failed=failed, passed=passed)])
    with bounded(tmp_path, bounds) as tallies:
        assert tallies.find(DAY, "example.com") == Counted(POLICY, ((PASSED, 8),), 6, "")
        tallies.add([tally("b.test", failed=1)])
        beyond = sum(one.beyond for one in tallies.summaries("b.test", DAY))
        assert beyond == (bounds.all_octets == SIZE)


def test_domains_beyond_the_bound_are_one_without_a_name_that_gets_no_report(tmp_path: Path) -> None:
    with bounded(tmp_path, TallyBounds(domains=1)) as tallies:
        tallies.add([tally(passed=1), tally("b.test", passed=2)])
        tallies.add([tally(passed=1), tally("c.test", passed=2)])
        numbers = [(one.domain, one.messages, one.beyond) for one in tallies.summaries(None, DAY)]
        assert numbers == [("", 0, 4), ("example.com", 2, 0)]
        assert tallies.unreported(DAY, DAY) == ((DAY, "example.com"),)


def test_more_rows_than_one_transaction_takes_are_all_counted(directory: Directory) -> None:
    rows = {replace(PASSED, source=f"192.0.{number // 256}.{number % 256}"): 1 for number in range(ROWS_AT_ONCE + 1)}
    directory.dmarc_tallies.add([Tally(DAY, POLICY, rows), tally(failed=1)])
    assert [one.messages for one in directory.dmarc_tallies.summaries(None, DAY)] == [ROWS_AT_ONCE + 2]
