# SPDX-License-Identifier: Apache-2.0
"""`genkan dmarc`: what was counted, what is reported about it, and what others report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory import Directory
from genkan.directory.dmarc_received import Courier
from genkan.directory.dmarc_tallies import Tally
from genkan.dmarc.aggregate import Period
from genkan.dmarc.reading import parse_report
from tests.dmarc.reports import FAILED, PASSED, POLICY, REPORT

if TYPE_CHECKING:
    from tests.admin.conftest import Installation

HOUR: Final = timedelta(hours=1)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def counted(installation: Installation, now: datetime) -> Installation:
    """Mail of today and yesterday for example.com, and of ten days ago for b.test."""
    rejected = replace(FAILED, disposition="reject")
    with Directory.open(installation.config.storage_folder) as directory:
        directory.dmarc_tallies.add(
            [
                Tally(now.date(), POLICY, {PASSED: 3}),
                Tally((now - 24 * HOUR).date(), POLICY, {PASSED: 10, rejected: 2}, 4, "sp is wrong"),
                Tally((now - 240 * HOUR).date(), replace(POLICY, domain="b.test"), {FAILED: 1}),
            ]
        )
        directory.dmarc_tallies.note_report((now - 24 * HOUR).date(), "example.com", "sent to dmarc@example.com")
    return installation


@pytest.fixture
def told(installation: Installation, now: datetime) -> Installation:
    """Two reports about example.com, one that is 40 days old, and one about b.test."""
    period = Period(now - 26 * HOUR, now - 2 * HOUR)
    reports = (
        replace(REPORT, period=period),
        replace(REPORT, period=Period(now - 960 * HOUR, now - 936 * HOUR), id="2"),
        replace(REPORT, period=period, policy=replace(POLICY, domain="b.test"), id="3"),
    )
    with Directory.open(installation.config.storage_folder) as directory:
        for report, author in zip(reports, ("out.test", "out.test", ""), strict=True):
            directory.dmarc_received.add(report, Courier("noreply@out.test", "out.test", author), now)
    return installation


def test_nothing_is_counted_at_first(installation: Installation) -> None:
    assert installation.call("dmarc", "show").stderr == "nothing was counted\n"
    assert installation.json("dmarc", "show") == {"days": [], "sources": []}


def test_what_was_counted_is_shown_by_day_and_client(counted: Installation, now: datetime) -> None:
    today, yesterday = now.date(), (now - 24 * HOUR).date()
    assert counted.text("dmarc", "show") == (
        "day         domain       policy  messages  passed  failed  quarantined  rejected  report\n"
        f"{today}  example.com  reject  3         3       0       0            0         not yet\n"
        f"{yesterday}  example.com  reject  12        10      2       0            2         sent to dmarc@example.com\n"
        "beyond the bounds, and in none of these numbers: 4\n"
        "\n"
        "client       messages  passed  failed\n"
        "192.0.2.1    13        13      0\n"
        "2001:db8::1  2         0       2\n"
    )


def test_what_is_shown_can_be_of_one_domain_and_longer_ago(counted: Installation, now: datetime) -> None:
    assert counted.json("dmarc", "show", "B.test", "--since", "20d") == {
        "days": [
            {
                "day": str((now - 240 * HOUR).date()),
                "domain": "b.test",
                "policy": "reject",
                "messages": 1,
                "passed": 0,
                "quarantined": 0,
                "rejected": 0,
                "beyond": 0,
                "report": None,
            }
        ],
        "sources": [{"address": "2001:db8::1", "messages": 1, "passed": 0}],
    }


def test_a_report_is_printed_as_it_goes_out(counted: Installation, now: datetime) -> None:
    yesterday = (now - 24 * HOUR).date()
    words = ("dmarc", "report", "Example.com", "--day", str(yesterday))
    report = parse_report(counted.text(*words).encode())
    assert (report.reporter.organization, report.reporter.email) == ("mx.in.test", "postmaster@in.test")
    assert (sum(count for _, count in report.rows), report.policy.domain) == (12, "example.com")
    assert report.error.startswith("sp is wrong; messages that no record counts")
    written = counted.json(*words)
    assert parse_report(written["xml"].encode()) == report
    assert written["report_id"] == report.id
    assert written["file_name"].startswith("mx.in.test!example.com!")


def test_of_a_day_without_mail_there_is_no_report(counted: Installation) -> None:
    assert counted.refusal("dmarc", "report", "example.com", "--day", "2020-01-01") == (
        "nothing was counted for example.com on 2020-01-01; see: genkan dmarc show"
    )
    assert "does not match the format" in counted.misuse("dmarc", "report", "example.com", "--day", "today")


def test_without_reports_it_is_said_how_to_get_them(installation: Installation) -> None:
    hint = "no report; have them sent to an address with the route dmarc-reports:\n"
    assert installation.call("dmarc", "received").stderr == hint
    assert installation.json("dmarc", "received") == {"reports": [], "failing": []}


def test_what_others_report_is_shown(told: Installation, now: datetime) -> None:
    begin, end = (now - 26 * HOUR).date(), (now - 2 * HOUR).date()
    period = f"{begin} to {end}" if begin != end else str(begin)
    head = "domain       policy  messages  passed  failed  quarantined  rejected  reporter                    author\n"
    numbers = "reject  5         3       2       0            0         In Test <noreply@out.test>"
    assert told.text("dmarc", "received") == (
        f"{'period':{len(period)}}  {head}"
        f"{period}  b.test       {numbers}  not proven\n"
        f"{period}  example.com  {numbers}  out.test\n"
    )


def test_what_others_report_can_be_of_one_domain_and_longer_ago(told: Installation) -> None:
    found = told.json("dmarc", "received", "example.com", "--since", "100d")
    assert [one["report_id"] for one in found["reports"]] == [REPORT.id, "2"]
    assert [found["reports"][0][name] for name in ("sender", "author")] == ["noreply@out.test", "out.test"]


def test_clients_that_others_saw_fail_are_shown(told: Installation) -> None:
    assert told.text("dmarc", "received", "--sources") == (
        "client       in the name of     failed  reporters\n2001:db8::1  child.example.com  4       1\n"
    )
