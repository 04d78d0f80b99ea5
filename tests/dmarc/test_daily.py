# SPDX-License-Identifier: Apache-2.0
"""Who reports, and what stands above the rows of a day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from genkan.dmarc.aggregate import Reporter
from genkan.dmarc.daily import Counted, ReportIdentity, daily_report, day_period, identity_of
from genkan.smtp.address import Mailbox
from tests.dmarc.reports import PASSED, POLICY

DAY = date(2026, 11, 25)
IDENTITY = ReportIdentity("mx.in.test", "In Test", Mailbox("dmarc", "in.test"))


def test_settings_say_who_reports() -> None:
    assert identity_of("MX.in.test", "In Test", "dmarc@in.test", "in2.test") == IDENTITY


def test_the_postmaster_of_the_default_domain_reports_unless_somebody_is_named() -> None:
    assert identity_of("mx.in.test", "", "", "in2.test") == ReportIdentity(
        "mx.in.test", "mx.in.test", Mailbox("postmaster", "in2.test")
    )
    assert identity_of("mx.in.test", "", "", None).sender == Mailbox("postmaster", "mx.in.test")


def test_a_day_is_from_its_first_second_to_its_last() -> None:
    assert day_period(DAY) == (
        datetime(2026, 11, 25, tzinfo=UTC),
        datetime(2026, 11, 25, 23, 59, 59, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("others", "error", "said"),
    [
        (0, "", ""),
        (0, "sp is wrong", "sp is wrong"),
        (5, "", "messages that no record counts, since there are too many different ones: 5"),
    ],
)
def test_a_report_has_the_rows_of_the_day_and_an_id_of_its_own(others: int, error: str, said: str) -> None:
    report = daily_report(IDENTITY, DAY, Counted(POLICY, ((PASSED, 3),), others, error))
    assert report.reporter == Reporter("In Test", "dmarc@in.test", generator="Genkan")
    assert (report.id, report.period) == ("1795564800.example.com@mx.in.test", day_period(DAY))
    assert (report.policy, report.rows, report.error) == (POLICY, ((PASSED, 3),), said)
