# SPDX-License-Identifier: Apache-2.0
"""Reports of the days that are over go into the queue, signed, each once, and are tried again when the DNS does not answer."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import closing
from datetime import date, timedelta
from itertools import count
from typing import TYPE_CHECKING, Final

import apsw
import pytest

from genkan.delivery.dmarc_desk import DAYS_BACK, DeskSettings, ReportDesk
from genkan.delivery.dmarc_reports import DmarcReports
from genkan.directory import Directory
from genkan.directory.dkim_keys import DkimKey
from genkan.directory.dmarc_tallies import Tally
from genkan.dkim.key_pair import make_key_pair
from genkan.dmarc.aggregate import PublishedPolicy, Reporter
from genkan.dmarc.daily import day_period
from genkan.dmarc.reading import read_report
from genkan.dns.resolver import Resolver
from genkan.maillog import LogStream, MailLog
from genkan.message.envelope import Recipient
from genkan.message.message_id import format_message_id
from genkan.smtp.address import Mailbox
from genkan.spool.queue import Lease
from genkan.spool.reading import list_queued, read_content
from genkan.spool.spool import Spool, SpoolLimits
from tests.dmarc.reports import FAILED, PASSED
from tests.support.dns_server import DnsServer, Manner, dns_server
from tests.support.server import START, StoppedClock
from tests.support.signed_mail import verify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from genkan.spool.queue import Leased

TODAY: Final = START.date()
YESTERDAY: Final = TODAY - timedelta(days=1)
SETTINGS: Final = DeskSettings("mx.in.test", "", "In Test", signs=True)
ZONE: Final = """
_dmarc.example.com. 60 TXT "v=DMARC1; p=reject; rua=mailto:a@example.com,mailto:b@example.com"
_dmarc.b.test. 60 TXT "v=DMARC1; p=none; rua=mailto:dmarc@b.test"
_dmarc.silent.test. 60 TXT "v=DMARC1; p=none"
_dmarc.abroad.test. 60 TXT "v=DMARC1; p=none; rua=mailto:dmarc@abroad.test,mailto:victim@elsewhere.test"
_dmarc.agreed.test. 60 TXT "v=DMARC1; p=none; rua=mailto:x@reports.test"
agreed.test._report._dmarc.reports.test. 60 TXT "v=DMARC1"
"""


class Site:
    """A directory with counts, a spool, and a name server; postmaster is an alias of ann."""

    def __init__(self, folder: Path, zone: DnsServer) -> None:
        self.folder = folder
        self.zone = zone
        self.clock = StoppedClock()
        self.settings = SETTINGS
        self.ids = count(1)
        with self.directory() as directory:
            directory.domains.add("in.test")
            directory.accounts.add(Mailbox("ann", "in.test"))
            directory.aliases.add(Mailbox("postmaster", "in.test"), Mailbox("ann", "in.test"))

    def directory(self) -> Directory:
        return Directory.open(self.folder)

    def count(self, domain: str, day: date = YESTERDAY, others: int = 0) -> None:
        with self.directory() as directory:
            policy = PublishedPolicy(domain, "reject", discovery="treewalk")
            directory.dmarc_tallies.add([Tally(day, policy, {PASSED: 3, FAILED: 2}, others, "sp is wrong")])

    def send(self) -> None:
        """What the server does once an hour."""
        self.run(lambda reports, _: reports.send_due())

    def lease(self) -> list[Leased]:
        """What lies in the queue, as whoever delivers it sees it."""
        found: list[Leased] = []

        async def lease(_: DmarcReports, spool: Spool) -> None:
            leased = asyncio.get_running_loop().create_future()
            spool.submit(Lease(spool, self.clock.now(), 100, lambda _error, given, _next: leased.set_result(given)))
            found.extend(await leased)

        self.run(lease)
        return found

    def run(self, work: Callable[[DmarcReports, Spool], Awaitable[None]]) -> None:
        """Do something on an event loop with a spool that is open."""
        asyncio.run(self._with_reports(work))

    async def _with_reports(self, work: Callable[[DmarcReports, Spool], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        log = MailLog(
            LogStream(os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)), self.clock
        )
        spool = Spool(self.folder / "spool" / "1", SpoolLimits(), loop)
        desk = ReportDesk(
            self.directory,
            self.settings,
            lambda key, error: log.server("bad key", selector=key.selector, error=str(error)),
        )
        resolver = Resolver((self.zone.address,), timedelta(seconds=1), self.clock)
        reports = DmarcReports(spool, desk, resolver, lambda: format_message_id(next(self.ids)), log, self.clock)
        await work(reports, spool)
        await reports.stop()
        spool.close()

    def queued(self) -> list[str]:
        """The recipients of what is queued."""
        found = list_queued(self.folder, self.clock.now())
        return sorted(recipient.mailbox for message in found for recipient in message.recipients)

    def mail(self) -> bytes:
        """The one message that is queued."""
        (message,) = list_queued(self.folder, self.clock.now())
        return b"".join(read_content(message))

    def reports(self) -> dict[str, str | None]:
        """What became of the reports of yesterday."""
        with self.directory() as directory:
            return {
                one.domain: one.report
                for one in directory.dmarc_tallies.summaries(None, YESTERDAY)
                if one.day == YESTERDAY
            }

    def logged(self, event: str) -> list[dict[str, object]]:
        lines = (json.loads(line) for line in (self.folder / "log").read_text().splitlines())
        return [line for line in lines if line["event"] == event]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with dns_server(ZONE) as zone:
        yield Site(tmp_path, zone)


def test_each_address_that_a_domain_names_gets_its_report_of_yesterday(site: Site) -> None:
    site.count("example.com")
    site.send()
    assert site.queued() == ["a@example.com", "b@example.com"]
    assert site.reports() == {"example.com": "sent to a@example.com, b@example.com"}
    assert [line["domain"] for line in site.logged("DMARC report")] == ["example.com"]


def test_a_report_says_what_was_counted_and_who_reports(site: Site) -> None:
    site.count("b.test", others=7)
    site.send()
    report = read_report(site.mail())
    assert report.reporter == Reporter("In Test", "postmaster@in.test", generator="Genkan")
    assert report.period == day_period(YESTERDAY)
    assert (report.policy.domain, report.policy.p, report.policy.discovery) == ("b.test", "reject", "treewalk")
    assert dict(report.rows) == {PASSED: 3, FAILED: 2}
    assert report.error == ("sp is wrong; messages that no record counts, since there are too many different ones: 7")


def test_a_report_passes_dmarc_for_the_domain_of_its_sender(site: Site) -> None:
    pair = make_key_pair("ed25519")
    with site.directory() as directory:
        directory.dkim_keys.add([DkimKey("in.test", "sel", "ed25519", pair.private_pem, "signing", START)])
    site.count("b.test")
    site.send()
    header, _, body = site.mail().partition(b"\r\n\r\n")
    keys = {"sel._domainkey.in.test": (pair.record,)}
    (result,) = verify(header + b"\r\n", body, keys, int(START.timestamp())).dkim
    assert (result.outcome, result.domain) == ("pass", "in.test")
    (leased,) = site.lease()
    assert leased.envelope.reverse_path == Mailbox("postmaster", "in.test")


def test_a_report_is_no_mail_of_an_account_and_nobody_is_told_when_it_cannot_be_delivered(site: Site) -> None:
    site.count("b.test")
    site.send()
    (leased,) = site.lease()
    assert leased.recipient == Recipient(
        Mailbox("dmarc", "b.test"), Mailbox("dmarc", "b.test"), "NEVER", reverse_path=Mailbox("postmaster", "in.test")
    )
    assert (leased.envelope.account, leased.envelope.hello_domain) == ("", "mx.in.test")


def test_signatures_are_left_out_where_nothing_is_signed_and_a_broken_key_is_told_of(site: Site) -> None:
    with site.directory() as directory:
        directory.dkim_keys.add([DkimKey("in.test", "sel", "rsa", b"broken", "signing", START)])
    site.count("b.test")
    site.send()
    assert site.mail().startswith(b"Date: ")
    assert [line["selector"] for line in site.logged("bad key")] == ["sel"]
    site.settings = SETTINGS._replace(signs=False)
    site.count("example.com")
    site.send()
    assert len(site.logged("bad key")) == 1


def test_today_is_not_over_and_what_is_too_old_is_of_no_use(site: Site) -> None:
    for days in (0, DAYS_BACK, DAYS_BACK + 1):
        site.count("b.test", TODAY - timedelta(days=days))
    site.send()
    report = read_report(site.mail())
    assert report.period == day_period(TODAY - timedelta(days=DAYS_BACK))


def test_a_domain_that_names_nobody_gets_none(site: Site) -> None:
    site.count("silent.test")
    site.count("gone.test")
    site.send()
    assert site.queued() == []
    assert site.reports() == {"silent.test": "nobody wants one", "gone.test": "nobody wants one"}


def test_an_address_elsewhere_gets_one_only_if_it_wants_it(site: Site) -> None:
    site.count("abroad.test")
    site.count("agreed.test")
    site.send()
    assert site.queued() == ["dmarc@abroad.test", "x@reports.test"]
    assert site.reports()["abroad.test"] == (
        "sent to dmarc@abroad.test; not to mailto:victim@elsewhere.test: elsewhere.test does not say at"
        " abroad.test._report._dmarc.elsewhere.test that it wants reports about abroad.test"
    )


def test_a_domain_that_cannot_be_asked_is_tried_again_and_holds_up_no_other(site: Site) -> None:
    site.zone.treat("_dmarc.b.test", Manner(rcode="SERVFAIL", times=1))
    site.count("b.test")
    site.count("agreed.test")
    site.send()
    assert site.queued() == ["x@reports.test"]
    assert site.reports() == {"agreed.test": "sent to x@reports.test", "b.test": None}
    site.send()
    assert site.queued() == ["dmarc@b.test", "x@reports.test"]


def test_an_address_that_cannot_be_decided_comes_later_and_the_others_get_theirs_once(site: Site) -> None:
    site.zone.treat("elsewhere.test", Manner(rcode="SERVFAIL"))
    site.count("abroad.test")
    for _ in range(2):
        site.send()
        assert site.queued() == ["dmarc@abroad.test"]
    assert site.reports() == {"abroad.test": None}
    site.zone.treat("elsewhere.test", Manner())
    site.zone.add('abroad.test._report._dmarc.elsewhere.test. 60 TXT "v=DMARC1"')
    site.send()
    assert site.queued() == ["dmarc@abroad.test", "victim@elsewhere.test"]


def test_a_crash_before_a_report_was_noted_does_not_send_it_twice(site: Site) -> None:
    site.count("b.test")
    site.send()
    with closing(apsw.Connection(str(site.folder / "directory.db"))) as connection:
        connection.execute("UPDATE dmarc_day SET report = NULL")
    site.send()
    assert site.queued() == ["dmarc@b.test"]
    assert site.reports() == {"b.test": "sent to dmarc@b.test"}


def test_without_an_address_of_ours_nothing_is_sent_and_the_log_says_what_to_do(site: Site) -> None:
    site.settings = SETTINGS._replace(sender="reports@in.test")
    site.count("b.test")
    site.send()
    assert site.queued() == []
    assert [line["error"] for line in site.logged("DMARC reports are not sent")] == [
        "reports@in.test is no address of ours; make an account or alias for it, or set dmarc.report_from to another"
    ]
    with site.directory() as directory:
        directory.aliases.add(Mailbox("reports", "in.test"), Mailbox("ann", "in.test"))
    site.send()
    assert read_report(site.mail()).reporter.email == "reports@in.test"


def test_it_is_looked_for_reports_within_the_hour_in_a_minute_of_ones_own(site: Site) -> None:
    waits: list[float] = []

    async def start(reports: DmarcReports, _: Spool) -> None:
        for name in ("mx.in.test", "MX.in.test", "mx2.in.test"):
            reports.start(name)
            assert reports._timer is not None
            waits.append(round(reports._timer.when() - asyncio.get_running_loop().time()))
            reports._timer.cancel()

    site.run(start)
    assert waits[0] == waits[1] != waits[2]
    assert all(60 <= wait <= 3600 for wait in waits)  # the clock stands at the full hour


async def look(site: Site, reports: DmarcReports) -> asyncio.Task[None] | None:
    """Let the next hour come; what is under way then."""
    loop = asyncio.get_running_loop()
    timer = started(reports)
    site.clock.advance(timedelta(seconds=timer.when() - loop.time() - 0.01))
    timer.cancel()
    looked = loop.create_future()
    loop.call_at(started(reports).when() + 0.001, looked.set_result, None)
    await looked
    assert reports._timer is not None
    reports._timer.cancel()
    return reports._task


def started(reports: DmarcReports) -> asyncio.TimerHandle:
    reports.start("mx.in.test")
    assert reports._timer is not None
    return reports._timer


def test_while_reports_are_under_way_no_others_are_begun(site: Site) -> None:
    site.count("b.test")
    site.zone.treat("_dmarc.b.test", Manner(held=True))

    async def look_three_times(reports: DmarcReports, _: Spool) -> None:
        first = await look(site, reports)
        assert first is not None
        assert await look(site, reports) is first
        site.zone.release()
        await first
        assert await look(site, reports) is not first

    site.run(look_three_times)
    assert site.queued() == ["dmarc@b.test"]
