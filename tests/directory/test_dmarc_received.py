# SPDX-License-Identifier: Apache-2.0
"""Reports of others: each is kept once, within bounds, until its time is over."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from genkan.directory.dmarc_received import (
    MOST_MESSAGES,
    FailingSource,
    ReceivedBounds,
    ReceivedReport,
    ReceivedReports,
)
from genkan.directory.store import Store
from genkan.storage.sqlite import migrate, open_database
from tests.dmarc.reports import FAILED, PASSED, PERIOD, POLICY, REPORT, REPORTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.directory import Directory

NOW: Final = PERIOD.end + timedelta(hours=3)
BEFORE: Final = PERIOD.begin
DAY: Final = timedelta(days=1)


@contextmanager
def bounded(folder: Path, bounds: ReceivedBounds) -> Iterator[ReceivedReports]:
    connection = open_database(folder / "directory.db")
    migrate(connection, "directory")
    yield ReceivedReports(Store(connection), bounds)
    connection.close()


def test_a_report_is_kept_with_its_numbers(directory: Directory) -> None:
    quarantined = replace(FAILED, disposition="quarantine")
    report = replace(REPORT, rows=((PASSED, 3), (FAILED, 2), (PASSED, 1), (quarantined, 5)))
    assert directory.dmarc_received.add(report, "noreply@out.test", NOW)
    assert directory.dmarc_received.list("Example.COM", BEFORE) == (
        ReceivedReport(
            received=NOW,
            sender="noreply@out.test",
            organization="In Test",
            email="postmaster@in.test",
            report_id="1780272000.example.com@in.test",
            begin=PERIOD.begin,
            end=PERIOD.end,
            domain="example.com",
            policy="reject",
            error="sp is wrong",
            messages=11,
            passed=4,
            quarantined=5,
            rejected=0,
            beyond=0,
        ),
    )


def test_the_same_report_of_the_same_reporter_is_kept_once(directory: Directory) -> None:
    received = directory.dmarc_received
    other = replace(REPORT, reporter=REPORTER._replace(organization="Other"))
    assert [received.add(one, "", NOW) for one in (REPORT, REPORT, other)] == [True, False, True]
    assert [(one.organization, one.messages) for one in received.list(None, BEFORE)] == [("In Test", 5), ("Other", 5)]


def test_reports_are_listed_by_domain_and_by_what_they_are_about(directory: Directory) -> None:
    received = directory.dmarc_received
    later = replace(REPORT, id="2", period=PERIOD._replace(begin=PERIOD.begin + DAY, end=PERIOD.end + DAY))
    other = replace(REPORT, policy=replace(POLICY, domain="b.test"))
    for report in (REPORT, later, other):
        received.add(report, "", NOW + DAY)
    assert [(one.begin.day, one.domain) for one in received.list(None, BEFORE)] == [
        (2, "example.com"),
        (1, "b.test"),
        (1, "example.com"),
    ]
    assert [one.domain for one in received.list("b.test", BEFORE)] == ["b.test"]
    assert [one.report_id for one in received.list(None, BEFORE + DAY)] == ["2"]


def test_sources_that_fail_are_added_up_over_reports(directory: Directory) -> None:
    received = directory.dmarc_received
    other = replace(REPORT, reporter=REPORTER._replace(organization="Other"))
    near = replace(FAILED, source="192.0.2.1", header_from="example.com")
    for report in (REPORT, other, replace(REPORT, id="2", rows=((near, 1),))):
        received.add(report, "", NOW)
    expected = (
        FailingSource("2001:db8::1", "child.example.com", 4, 2),
        FailingSource("192.0.2.1", "example.com", 1, 1),
    )
    assert received.failing(None, BEFORE, 10) == expected
    assert received.failing(None, BEFORE, 1) == expected[:1]
    assert received.failing("b.test", BEFORE, 10) == ()


def test_only_what_is_too_old_is_forgotten(directory: Directory) -> None:
    directory.dmarc_received.add(REPORT, "", NOW)
    directory.dmarc_received.add(replace(REPORT, id="2"), "", NOW + DAY)
    directory.dmarc_received.drop_before(NOW + DAY)
    assert [one.report_id for one in directory.dmarc_received.list(None, BEFORE)] == ["2"]


def test_rows_beyond_the_bound_of_a_report_are_counted_and_no_more(tmp_path: Path) -> None:
    with bounded(tmp_path, ReceivedBounds(rows=1)) as received:
        received.add(REPORT, "", NOW)
        assert [(one.messages, one.beyond) for one in received.list(None, BEFORE)] == [(3, 2)]


def test_the_oldest_reports_make_room(tmp_path: Path) -> None:
    for number, bounds in enumerate((ReceivedBounds(reports=2), ReceivedBounds(all_rows=4))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with bounded(folder, bounds) as received:
            for name in ("1", "2", "3"):
                received.add(replace(REPORT, id=name), "", NOW)
            assert [one.report_id for one in received.list(None, BEFORE)] == ["2", "3"]


def test_a_report_that_claims_too_much_can_still_be_added_up(directory: Directory) -> None:
    report = replace(REPORT, rows=((PASSED, 10**18), (FAILED, 10**18)))
    directory.dmarc_received.add(report, "", NOW)
    assert [one.messages for one in directory.dmarc_received.list(None, BEFORE)] == [2 * MOST_MESSAGES]
