# SPDX-License-Identifier: Apache-2.0
"""Reports of others: each is kept once, within bounds, until its time is over."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory.dmarc_received import (
    LONGEST_ROW,
    MOST_MESSAGES,
    Courier,
    FailingSource,
    ReceivedBounds,
    ReceivedReport,
    ReceivedReports,
)
from genkan.directory.store import Store
from genkan.dmarc.aggregate import Signature
from genkan.dmarc.notation import row_text
from genkan.storage.sqlite import migrate, open_database
from tests.dmarc.reports import FAILED, PASSED, PERIOD, POLICY, REPORT, REPORTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.directory import Directory

NOW: Final = PERIOD.end + timedelta(hours=3)
BEFORE: Final = PERIOD.begin
DAY: Final = timedelta(days=1)
COURIER: Final = Courier("noreply@out.test", "out.test", "")
OTHER: Final = Courier("noreply@other.test", "other.test", "")
PROVEN: Final = Courier("bounce@out.test", "out.test", "out.test")


@contextmanager
def bounded(folder: Path, bounds: ReceivedBounds) -> Iterator[ReceivedReports]:
    connection = open_database(folder / "directory.db")
    migrate(connection, "directory")
    yield ReceivedReports(Store(connection), bounds)
    connection.close()


def test_a_report_is_kept_with_its_numbers(directory: Directory) -> None:
    quarantined = replace(FAILED, disposition="quarantine")
    report = replace(REPORT, rows=((PASSED, 3), (FAILED, 2), (PASSED, 1), (quarantined, 5)))
    assert directory.dmarc_received.add(report, COURIER, NOW)
    assert directory.dmarc_received.list("Example.COM", BEFORE) == (
        ReceivedReport(
            received=NOW,
            sender="noreply@out.test",
            author="",
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
    assert [received.add(one, COURIER, NOW) for one in (REPORT, REPORT, other)] == ["kept", "known", "kept"]
    assert [(one.organization, one.messages) for one in received.list(None, BEFORE)] == [("In Test", 5), ("Other", 5)]


def test_reports_are_listed_by_domain_and_by_what_they_are_about(directory: Directory) -> None:
    received = directory.dmarc_received
    later = replace(REPORT, id="2", period=PERIOD._replace(begin=PERIOD.begin + DAY, end=PERIOD.end + DAY))
    other = replace(REPORT, policy=replace(POLICY, domain="b.test"))
    for report in (REPORT, later, other):
        received.add(report, COURIER, NOW + DAY)
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
        received.add(report, COURIER, NOW)
    expected = (
        FailingSource("2001:db8::1", "child.example.com", 4, 2),
        FailingSource("192.0.2.1", "example.com", 1, 1),
    )
    assert received.failing(None, BEFORE, 10) == expected
    assert received.failing(None, BEFORE, 1) == expected[:1]
    assert received.failing("b.test", BEFORE, 10) == ()


def test_only_what_is_too_old_is_forgotten(directory: Directory) -> None:
    directory.dmarc_received.add(REPORT, COURIER, NOW)
    directory.dmarc_received.add(replace(REPORT, id="2"), COURIER, NOW + DAY)
    directory.dmarc_received.drop_before(NOW + DAY)
    assert [one.report_id for one in directory.dmarc_received.list(None, BEFORE)] == ["2"]


def test_rows_beyond_the_bound_of_a_report_are_counted_and_no_more(tmp_path: Path) -> None:
    with bounded(tmp_path, ReceivedBounds(rows=1)) as received:
        received.add(REPORT, COURIER, NOW)
        assert [(one.messages, one.beyond) for one in received.list(None, BEFORE)] == [(3, 2)]


def test_rows_beyond_the_octets_of_a_report_are_counted_and_no_more(tmp_path: Path) -> None:
    with bounded(tmp_path, ReceivedBounds(octets=len(row_text(PASSED)) + 1)) as received:
        received.add(REPORT, COURIER, NOW)
        assert [(one.messages, one.beyond) for one in received.list(None, BEFORE)] == [(3, 2)]


def test_a_row_of_many_octets_is_counted_and_no_more(directory: Directory) -> None:
    long = replace(FAILED, signatures=(Signature("x" * LONGEST_ROW, "s", "pass"),))
    directory.dmarc_received.add(replace(REPORT, rows=((long, 7), (PASSED, 3))), COURIER, NOW)
    assert [(one.messages, one.beyond) for one in directory.dmarc_received.list(None, BEFORE)] == [(3, 7)]


def weight(folder: Path) -> int:
    """The octets that the report in this folder counts for."""
    with closing(open_database(folder / "directory.db")) as connection:
        return int(connection.execute("SELECT octets FROM dmarc_received").get)


def fill(received: ReceivedReports, *couriers: Courier) -> list[str]:
    """Add a report of each; how each was taken."""
    return [received.add(replace(REPORT, id=str(number)), one, NOW) for number, one in enumerate(couriers)]


@pytest.mark.parametrize("by_number", [True, False], ids=["reports", "octets"])
def test_the_oldest_of_the_source_that_has_most_makes_room(tmp_path: Path, *, by_number: bool) -> None:
    with bounded(tmp_path, ReceivedBounds()) as received:
        received.add(replace(REPORT, id="0"), OTHER, NOW)
    bounds = ReceivedBounds(reports=3) if by_number else ReceivedBounds(all_octets=3 * weight(tmp_path) + 9)
    with bounded(tmp_path, bounds) as received:
        assert fill(received, OTHER, COURIER, COURIER, COURIER) == ["known", "kept", "kept", "kept"]
        kept = [(one.report_id, one.sender) for one in received.list(None, BEFORE)]
    assert kept == [("0", OTHER.sender), ("2", COURIER.sender), ("3", COURIER.sender)]


def test_what_is_proven_makes_no_room_for_what_is_not(tmp_path: Path) -> None:
    with bounded(tmp_path, ReceivedBounds(reports=2)) as received:
        assert fill(received, COURIER, PROVEN, PROVEN, COURIER, PROVEN) == ["kept", "kept", "kept", "no room", "kept"]
        assert [(one.report_id, one.author) for one in received.list(None, BEFORE)] == [
            ("2", "out.test"),
            ("4", "out.test"),
        ]


def test_a_report_that_is_forged_keeps_out_none_of_the_one_whose_it_should_be(directory: Directory) -> None:
    forged = replace(REPORT, rows=())
    for courier in (OTHER, COURIER, PROVEN._replace(author="evil.test")):
        assert directory.dmarc_received.add(forged, courier, NOW) == "kept"
    assert [directory.dmarc_received.add(REPORT, one, NOW) for one in (PROVEN, PROVEN, COURIER)] == [
        "kept",
        "known",
        "known",
    ]
    assert [(one.sender, one.author, one.messages) for one in directory.dmarc_received.list(None, BEFORE)] == [
        (OTHER.sender, "", 0),
        (PROVEN.sender, "evil.test", 0),
        (PROVEN.sender, "out.test", 5),
    ]


def test_a_report_is_written_within_moments_however_large_it_is(directory: Directory) -> None:
    """Everybody else who writes to the directory waits for it, so its octets are bounded, and not its rows only."""
    signatures = tuple(Signature("d" * 255, "s" * 255, "pass") for _ in range(7))
    rows = tuple((replace(PASSED, header_from=f"{n}.test", signatures=signatures), 1) for n in range(1000))
    directory.dmarc_received.add(replace(REPORT, rows=rows), COURIER, NOW)
    [kept] = directory.dmarc_received.list(None, BEFORE)
    assert (kept.messages + kept.beyond, kept.messages) == (1000, ReceivedBounds().octets // len(row_text(rows[99][0])))


def test_a_report_that_claims_too_much_can_still_be_added_up(directory: Directory) -> None:
    report = replace(REPORT, rows=((PASSED, 10**18), (FAILED, 10**18)))
    directory.dmarc_received.add(report, COURIER, NOW)
    assert [one.messages for one in directory.dmarc_received.list(None, BEFORE)] == [2 * MOST_MESSAGES]
