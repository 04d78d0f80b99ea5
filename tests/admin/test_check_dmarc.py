# SPDX-License-Identifier: Apache-2.0
"""What `genkan check` says about reports to other domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.admin.check_dmarc import check_reports
from genkan.opening import open_directory

if TYPE_CHECKING:
    from tests.admin.conftest import Installation


def said(installation: Installation) -> list[str]:
    """The findings without their remedies."""
    with open_directory(installation.config) as directory:
        return [f"{one.level}: {one.subject}: {one.sentence}" for one in check_reports(directory, installation.config)]


def test_nothing_is_said_where_nothing_is_reported(installation: Installation) -> None:
    assert said(installation) == []


def test_the_sender_has_to_be_an_address_here(installation: Installation) -> None:
    installation.set("reports = false", "reports = true")
    assert said(installation) == [
        "warning: dmarc.report_from: postmaster@in.test is no address here, so no report is sent"
    ]
    installation.set('report_from = ""', 'report_from = "dmarc@out.test"')
    assert said(installation) == ["warning: dmarc.report_from: dmarc@out.test is no address here, so no report is sent"]


def test_reports_that_nobody_signs_are_noted(installation: Installation) -> None:
    installation.set("reports = false", "reports = true")
    installation.text("account", "add", "postmaster@in.test", "--no-auth")
    expected = "reports of postmaster@in.test are not signed, and without a signature not all are read"
    assert said(installation) == [f"note: dmarc.reports: {expected}"]
    installation.text("dkim", "add", "in.test", "--algorithm", "ed25519")
    assert said(installation) == []
    installation.set("sign = true", "sign = false")
    assert said(installation) == [f"note: dmarc.reports: {expected}"]


@pytest.mark.parametrize(
    ("table", "old", "new"),
    [
        ("dmarc", 'mode = "mark"', 'mode = "off"'),
        ("spf", 'mode = "mark"', 'mode = "off"'),
        ("dkim", "verify = true", "verify = false"),
    ],
    ids=["dmarc", "spf", "dkim"],
)
def test_where_nothing_is_counted_there_is_nothing_to_report(
    installation: Installation, table: str, old: str, new: str
) -> None:
    installation.set("reports = false", "reports = true")
    installation.set_in(table, old, new)
    assert said(installation)[0] == "warning: dmarc.reports: nothing is counted, so there is nothing to report"


@pytest.mark.usefixtures("dns")
def test_the_command_check_says_what_to_do(installation: Installation) -> None:
    installation.set("reports = false", "reports = true")
    make = "make it: genkan alias add postmaster@in.test ADDRESS, or name another one\n"
    assert f"postmaster@in.test is no address here, so no report is sent; {make}" in installation.text("check")
    installation.set('report_from = ""', 'report_from = "dmarc@out.test"')
    name = "name an address in a domain of ours\n"
    assert f"dmarc@out.test is no address here, so no report is sent; {name}" in installation.text("check")
