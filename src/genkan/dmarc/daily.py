# SPDX-License-Identifier: Apache-2.0
"""The report about one day: who makes it, and what stands above its rows (RFC 9990, 3.1.1); the same for the same counts."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.dmarc.aggregate import Period, Report, Reporter
from genkan.dmarc.report import report_id
from genkan.smtp.address import Mailbox, parse_mailbox

if TYPE_CHECKING:
    from datetime import date

    from genkan.dmarc.aggregate import PublishedPolicy, Row

GENERATOR: Final = "Genkan"


class ReportIdentity(NamedTuple):
    """Who reports: the name of the server, the organization in words, and the address that sends and can be asked."""

    receiver: str
    organization: str
    sender: Mailbox


class Counted(NamedTuple):
    """What there is to report of a day: messages by row, how many `others` have none, what is wrong with the record."""

    policy: PublishedPolicy
    rows: tuple[tuple[Row, int], ...]
    others: int
    error: str


def identity_of(hostname: str, organization: str, sender: str, default_domain: str | None) -> ReportIdentity:
    """The identity by the settings, "" for what is not set; postmaster sends unless somebody else is named."""
    mailbox = parse_mailbox(sender) if sender else Mailbox("postmaster", default_domain or hostname)
    return ReportIdentity(hostname.lower(), organization or hostname, mailbox)


def day_period(day: date) -> Period:
    """A day in UTC, to its last second."""
    begin = datetime.combine(day, time(), UTC)
    return Period(begin, begin + timedelta(days=1, seconds=-1))


def daily_report(identity: ReportIdentity, day: date, counted: Counted) -> Report:
    """The report about a day to the domain of the policy."""
    period, errors = day_period(day), [counted.error] if counted.error else []
    if counted.others:
        errors.append(f"messages that no record counts, since there are too many different ones: {counted.others}")
    return Report(
        reporter=Reporter(identity.organization, str(identity.sender), generator=GENERATOR),
        id=report_id(period, counted.policy.domain, identity.receiver),
        period=period,
        policy=counted.policy,
        rows=counted.rows,
        error="; ".join(errors),
    )
