# SPDX-License-Identifier: Apache-2.0
"""The commands about what DMARC makes of mail, and what is reported about it: `genkan dmarc`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genkan.admin.dmarc_operations import DmarcOperations
from genkan.admin.invocation import DURATION, Invocation, pass_invocation
from genkan.admin.output import Output, table, with_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime, timedelta

    from genkan.admin.dmarc_operations import Seen, Told
    from genkan.directory.dmarc_received import ReceivedReport
    from genkan.directory.dmarc_tallies import DaySummary


@click.group()
def dmarc() -> None:
    """What DMARC makes of mail, and what is reported about it."""


@dmarc.command("show")
@click.argument("domain", metavar="[DOMAIN]", required=False)
@click.option("--since", type=DURATION, default="7d", metavar="TIME", help="Look so far back; 7d unless given.")
@pass_invocation
@with_json
def dmarc_show(invocation: Invocation, domain: str | None, since: timedelta) -> Output:
    """Show what came in from outside, by day and policy domain, or for DOMAIN, and the clients that most came from.

    These are the numbers that the reports to the domains are made of.
    """
    operations = invocation.opened(DmarcOperations)
    seen = operations.seen(domain, (invocation.now() - since).date())
    hint = "nothing was counted" if operations.is_on else 'nothing was counted: dmarc.mode is "off"'
    return Output(seen, _seen_lines(seen), hint=hint)


@dmarc.command("report")
@click.argument("domain")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The day in UTC.")
@pass_invocation
@with_json
def dmarc_report(invocation: Invocation, domain: str, day: datetime) -> Output:
    """Print the report to DOMAIN about a day: what was sent, or would be by what is counted now."""
    written = invocation.opened(DmarcOperations).report(domain, day.date())
    return Output(written, written.xml.rstrip("\n").split("\n"))


@dmarc.command("received")
@click.argument("domain", metavar="[DOMAIN]", required=False)
@click.option("--since", type=DURATION, default="30d", metavar="TIME", help="Look so far back; 30d unless given.")
@click.option("--sources", is_flag=True, help="List the clients from which most messages failed instead.")
@pass_invocation
@with_json
def dmarc_received(invocation: Invocation, domain: str | None, since: timedelta, sources: bool) -> Output:  # noqa: FBT001
    """Show what others have reported about mail in the name of our domains, or of DOMAIN.

    Anybody can send a report and claim anything in it. They come to an address with a route to dmarc-reports:. The author is the
    domain that a report came from, where DMARC has proven that.
    """
    told = invocation.opened(DmarcOperations).told(domain, invocation.now() - since)
    hint = "nothing failed" if told.reports else "no report; have them sent to an address with the route dmarc-reports:"
    return Output(told, _failing_lines(told) if sources else _report_lines(told), hint=hint)


def _seen_lines(seen: Seen) -> Iterator[str]:
    head = ("day", "domain", "policy", "messages", "passed", "failed", "quarantined", "rejected", "report")
    yield from table(head, map(_day_row, seen.days))
    beyond = sum(day.beyond for day in seen.days)
    if beyond:
        yield f"beyond the bounds, and in none of these numbers: {beyond}"
    if seen.sources:
        yield ""
        sources = ((one.address, *_numbers(one.messages, one.passed)) for one in seen.sources)
        yield from table(("client", "messages", "passed", "failed"), sources)


def _day_row(day: DaySummary) -> tuple[str, ...]:
    numbers = _numbers(day.messages, day.passed)
    treated = str(day.quarantined), str(day.rejected)
    return (str(day.day), day.domain or "others", day.policy, *numbers, *treated, day.report or "not yet")


def _report_lines(told: Told) -> Iterator[str]:
    head = (
        "period",
        "domain",
        "policy",
        "messages",
        "passed",
        "failed",
        "quarantined",
        "rejected",
        "reporter",
        "author",
    )
    yield from table(head, map(_received_row, told.reports))
    beyond = sum(report.beyond for report in told.reports)
    if beyond:
        yield f"in rows that are not kept, and in none of these numbers: {beyond}"


def _received_row(report: ReceivedReport) -> tuple[str, ...]:
    numbers = _numbers(report.messages, report.passed)
    treated = str(report.quarantined), str(report.rejected)
    who = f"{report.organization} <{report.sender}>", report.author or "not proven"
    return (_period(report.begin.date(), report.end.date()), report.domain, report.policy, *numbers, *treated, *who)


def _failing_lines(told: Told) -> Iterator[str]:
    rows = ((one.address, one.header_from, str(one.messages), str(one.reporters)) for one in told.failing)
    yield from table(("client", "in the name of", "failed", "reporters"), rows)


def _numbers(messages: int, passed: int) -> tuple[str, str, str]:
    return str(messages), str(passed), str(messages - passed)


def _period(begin: date, end: date) -> str:
    return str(begin) if begin == end else f"{begin} to {end}"
