# SPDX-License-Identifier: Apache-2.0
"""Reports of others that come by mail are kept, each once; what is no report goes to a person, or back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.delivery.dmarc_reader import FARTHEST, LARGEST, LONGEST_PERIOD, ReaderSettings, ReportsOpener
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.directory import Directory
from genkan.dmarc.aggregate import Period
from genkan.dmarc.report import ReportMail
from genkan.message.envelope import Recipient
from genkan.message.results import MethodResult, Property, results_field
from genkan.smtp.address import Mailbox
from genkan.storage.engine import StorageFull
from tests.delivery.consignments import CONTENT, consignment, unreadable
from tests.dmarc.reports import PERIOD, POLICY, REPORT
from tests.support.office import office_in
from tests.support.server import START, StoppedClock
from tests.support.spools import ANN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from genkan.directory.dmarc_received import ReceivedReport
    from genkan.dmarc.aggregate import Report

KEPT: Final = timedelta(days=400)
SECOND: Final = timedelta(seconds=1)
SETTINGS: Final = ReaderSettings("mx.in.test", KEPT)
POSTMASTER: Final = Mailbox("postmaster", "out.test")
MAIL: Final = ReportMail(REPORT, "mx.out.test", POSTMASTER).to(Mailbox("dmarc", "in.test"), START)
TAKEN: Final = Delivered(by="dmarc-reports:")


class Site:
    """Whoever reads reports, and the directory that keeps them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = StoppedClock()
        with self.directory() as directory:
            directory.domains.add("example.com")

    def directory(self) -> Directory:
        return Directory.open(self.folder)

    def carry(self, mail: Consignment, opening: Callable[[], Directory] | None = None) -> list[Outcome]:
        async def carry() -> list[Outcome]:
            carrier = await ReportsOpener(opening or self.directory, SETTINGS, self.clock)()
            outcomes = await carrier.carry(mail)
            assert carrier.usable
            await carrier.close()
            return outcomes

        return asyncio.run(carry())

    def kept(self) -> tuple[ReceivedReport, ...]:
        with self.directory() as directory:
            return directory.dmarc_received.list(None, PERIOD.begin)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_report_is_kept_with_who_has_sent_it(site: Site) -> None:
    assert site.carry(consignment("dmarc@in.test", "dmarc2@in.test", content=MAIL)) == [TAKEN, TAKEN]
    (kept,) = site.kept()
    assert (kept.sender, kept.received, kept.domain, kept.messages) == ("eve@out.test", START, "example.com", 5)


def test_a_report_that_comes_twice_is_taken_and_kept_once(site: Site) -> None:
    assert site.carry(consignment(content=MAIL)) == [TAKEN]
    assert site.carry(consignment(content=MAIL, reverse_path="ann@OUT.test")) == [
        Delivered(by="dmarc-reports: (it has come before)")
    ]
    assert [one.sender for one in site.kept()] == ["eve@out.test"]
    assert site.carry(consignment(content=MAIL, reverse_path="")) == [TAKEN]
    assert [one.sender for one in site.kept()] == ["eve@out.test", ""]


def test_it_is_kept_whether_dmarc_has_proven_who_has_sent_it(site: Site) -> None:
    ours = results_field("mx.in.test", [MethodResult("dmarc", "pass", (Property("header", "from", "example.net"),))])
    theirs = results_field("mx.out.test", [MethodResult("dmarc", "pass", (Property("header", "from", "out.test"),))])
    for number, field in enumerate((b"", theirs, ours, b"Received: x\r\n" + ours)):
        report = replace(REPORT, id=str(number))
        site.carry(consignment(content=field + ReportMail(report, "mx.out.test", POSTMASTER).to(ANN.mailbox, START)))
    assert [one.author for one in site.kept()] == ["", "", "example.net", ""]


def taken(site: Site, report: Report, recipient: str = "ann@in.test") -> Outcome:
    """What becomes of a report."""
    content = ReportMail(report, "mx.out.test", POSTMASTER).to(ANN.mailbox, START)
    return site.carry(consignment(recipient, content=content))[0]


@pytest.mark.parametrize(
    ("domain", "recipient"),
    [("Example.com", "ann@in.test"), ("a.b.example.com", "ann@in.test"), ("a.b.test", "dmarc@B.test")],
)
def test_reports_about_domains_of_ours_are_kept(site: Site, domain: str, recipient: str) -> None:
    assert taken(site, replace(REPORT, policy=replace(POLICY, domain=domain)), recipient) == TAKEN


@pytest.mark.parametrize("domain", ["out.test", "com", "notexample.com", "example.com.test"])
def test_reports_about_other_domains_are_refused(site: Site, domain: str) -> None:
    expected = Failed(f"the DMARC report is about {domain}, which is no domain of ours", "5.7.1")
    assert taken(site, replace(REPORT, policy=replace(POLICY, domain=domain))) == expected
    assert site.kept() == ()


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (START, START + FARTHEST + SECOND),
        (START - LONGEST_PERIOD - SECOND, START),
        (START, datetime(9999, 12, 31, tzinfo=UTC)),
    ],
)
def test_reports_about_a_time_that_cannot_be_are_refused(site: Site, begin: datetime, end: datetime) -> None:
    within = Period(START + FARTHEST - LONGEST_PERIOD, START + FARTHEST)
    assert taken(site, replace(REPORT, period=within)) == TAKEN
    expected = Failed(f"the DMARC report is about the time from {begin.date()} to {end.date()}", "5.6.0")
    assert taken(site, replace(REPORT, id="2", period=Period(begin, end))) == expected


def test_reports_are_forgotten_when_their_time_is_over(site: Site) -> None:
    site.carry(consignment(content=MAIL))
    site.clock.advance(KEPT + timedelta(seconds=1))
    newer = replace(REPORT, id="2")
    site.carry(consignment(content=ReportMail(newer, "mx.out.test", POSTMASTER).to(ANN.mailbox, START)))
    assert [one.report_id for one in site.kept()] == ["2"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (CONTENT, "no part of the mail is a report"),
        (MAIL[: len(MAIL) // 2], "the compressed file is cut off"),
        (MAIL + b" " * LARGEST, f"it has more than {LARGEST} octets"),
    ],
)
def test_what_is_no_report_is_refused(site: Site, content: bytes, why: str) -> None:
    expected = Failed(f"no DMARC report that can be read: {why}", "5.6.0")
    assert site.carry(consignment(content=content)) == [expected]
    assert site.kept() == ()


def test_what_cannot_be_read_or_kept_now_is_tried_again(site: Site) -> None:
    def full() -> Directory:
        raise StorageFull("the disk is full")

    assert site.carry(unreadable()) == [Deferred("the content cannot be read: Input/output error", status="4.3.0")]
    assert site.carry(consignment(content=MAIL), full) == [
        Deferred("the report cannot be kept: the disk is full", status="4.3.0")
    ]


def test_what_is_no_report_goes_to_the_mailbox_of_the_address(tmp_path: Path) -> None:
    with office_in(tmp_path, start=False) as office:
        office.directory.domains.add("example.com")
        office.directory.routes.add("ann@in.test", "dmarc-reports:")
        office.accept(1, ANN, content=MAIL)
        office.accept(2, ANN)
        office.start()
        office.until_empty()
        assert [mail.endswith(b"\r\nSubject: x\r\n\r\n") for mail in office.mail("ann")] == [True]
        assert [(one["id"], one.get("by")) for one in office.logged("delivered")] == [
            ("B0000000001", "dmarc-reports:"),
            ("B0000000002", None),
        ]
        assert [one.domain for one in office.directory.dmarc_received.list(None, PERIOD.begin)] == ["example.com"]


def test_an_account_that_forwards_by_a_route_of_its_domain_forwards_and_has_it_read(tmp_path: Path) -> None:
    with office_in(tmp_path, start=False) as office:
        account = office.directory.account(ANN.mailbox)
        assert account is not None
        office.directory.domains.add("example.com")
        office.directory.routes.add("in.test", "dmarc-reports:")
        office.directory.routes.add("bob@in.test", "maildir")
        office.directory.forwards.set(account, [Mailbox("bob", "in.test")], keep=True)
        office.accept(1, ANN, content=MAIL)
        office.start()
        office.until_empty()
        assert (len(office.mail("ann")), len(office.mail("bob"))) == (0, 1)
        assert len(office.directory.dmarc_received.list(None, PERIOD.begin)) == 1


def test_what_is_no_report_goes_back_where_the_address_has_no_mailbox(tmp_path: Path) -> None:
    elsewhere = Recipient(Mailbox("dmarc", "example.org"), Mailbox("dmarc", "example.org"))
    with office_in(tmp_path) as office:
        office.directory.routes.add("example.org", "dmarc-reports:")
        office.directory.routes.add("example.net", "dmarc-reports:")  # that of the sender: the bounce is none, too
        office.accept(1, elsewhere)
        office.until_logged("failed", 2)
        assert [(one["recipient"], one["reason"]) for one in office.logged("failed")] == [
            ("dmarc@example.org", "no DMARC report that can be read: no part of the mail is a report"),
            ("carol@example.net", "no DMARC report that can be read: no part of the mail is a report"),
        ]
        (bounce,) = office.queued().values()
        assert (bounce.mailbox, bounce.held) == ("carol@example.net", "undeliverable")
