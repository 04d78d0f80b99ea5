# SPDX-License-Identifier: Apache-2.0
"""Mail that brings DMARC reports about our domains: it is read, and what it reports is kept (RFC 9990, 3.5.2).

In a thread, since a large one takes seconds. Mail in which there is no report that can be read, or none that we want, is
refused, so that whoever asked for this way can have it lie where a person sees it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.delivery.outcome import Deferred, Delivered, Failed, words_of
from genkan.delivery.whole import whole_content, whole_size
from genkan.directory.dmarc_received import Courier
from genkan.dmarc.reading import read_report
from genkan.dmarc.unpacking import ReportError
from genkan.message.results import proven_author
from genkan.smtp.address import fold_domain
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from genkan.clock import Clock
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from genkan.directory.directory import Directory
    from genkan.dmarc.aggregate import Period, Report

NAME: Final = "dmarc-reports:"
LARGEST: Final = 2 * 1024 * 1024  # octets of a mail, which is whole in memory while it is read
LONGEST_PERIOD: Final = timedelta(days=32)
FARTHEST: Final = timedelta(days=2)  # that a period may end ahead of now: clocks differ, and days do

_NO_REPORT: Final = "5.6.0"  # RFC 3463: the content is not what it should be
_NOT_WANTED: Final = "5.7.1"  # not authorized
_FULL: Final = "5.3.1"
_NOT_NOW: Final = "4.3.0"


class ReaderSettings(NamedTuple):
    """The settings `hostname`, by which our own results are known, and `dmarc.keep_received`."""

    hostname: str
    keep: timedelta


class ReportsOpener:
    """See `Opener`; there is always a way."""

    def __init__(self, open_directory: Callable[[], Directory], settings: ReaderSettings, clock: Clock) -> None:
        """`open_directory` is called in the thread."""
        self._open_directory = open_directory
        self._settings = settings
        self._clock = clock

    async def __call__(self) -> ReportsCarrier:
        """See `Opener`."""
        return ReportsCarrier(self._open_directory, self._settings, self._clock)


class _Mail(NamedTuple):
    """A mail that should be a report, from whom, and the domains of the addresses that it came to."""

    octets: bytes
    courier: Courier
    recipients: frozenset[str]


class ReportsCarrier:
    """Takes reports, one mail at a time."""

    def __init__(self, open_directory: Callable[[], Directory], settings: ReaderSettings, clock: Clock) -> None:
        self._open_directory = open_directory
        self._settings = settings
        self._clock = clock

    @property
    def usable(self) -> bool:
        """See `Carrier`."""
        return True

    async def close(self) -> None:
        """See `Carrier`."""

    async def carry(self, consignment: Consignment) -> list[Outcome]:
        """See `Carrier`."""
        return [await self._outcome(consignment)] * len(consignment.leased)

    async def _outcome(self, consignment: Consignment) -> Outcome:
        if whole_size(consignment) > LARGEST:
            return _no_report(f"it has more than {LARGEST} octets")
        try:
            octets = b"".join([block async for block in whole_content(consignment)])
        except OSError as error:
            return Deferred(f"the content cannot be read: {words_of(error)}", status=_NOT_NOW)
        return await asyncio.to_thread(self._take, self._mail(consignment, octets))

    def _mail(self, consignment: Consignment, octets: bytes) -> _Mail:
        """What we found out ourselves stands on top of what was accepted."""
        author = proven_author(octets[len(consignment.fields) :], self._settings.hostname)
        path = consignment.reverse_path
        sender, domain = ("", "") if path is None else (str(path), fold_domain(path.domain))
        recipients = frozenset(fold_domain(leased.recipient.mailbox.domain) for leased in consignment.leased)
        return _Mail(octets, Courier(sender, domain, author), recipients)

    def _take(self, mail: _Mail) -> Outcome:
        """In a thread: read, and keep."""
        try:
            report = read_report(mail.octets)
        except ReportError as error:
            return _no_report(str(error))
        try:
            with self._open_directory() as directory:
                return self._keep(directory, report, mail)
        except StorageError as error:
            return Deferred(f"the report cannot be kept: {error}", status=_NOT_NOW)

    def _keep(self, directory: Directory, report: Report, mail: _Mail) -> Outcome:
        now, domain = self._clock.now(), fold_domain(report.policy.domain)
        if not _is_ours(directory, domain, mail.recipients):
            return Failed(f"the DMARC report is about {domain}, which is no domain of ours", _NOT_WANTED)
        if not _is_credible(report.period, now):
            begin, end = report.period.begin.date(), report.period.end.date()
            return Failed(f"the DMARC report is about the time from {begin} to {end}", _NO_REPORT)
        directory.dmarc_received.drop_before(now - self._settings.keep)
        match directory.dmarc_received.add(report, mail.courier, now):
            case "kept":
                return Delivered(by=NAME)
            case "known":
                return Delivered(by=f"{NAME} (it has come before)")
            case "no room":
                return Failed("there is no room for a DMARC report that is not proven to be its author's", _FULL)


def _is_ours(directory: Directory, domain: str, recipients: frozenset[str]) -> bool:
    """Whether we want reports about a domain: a local one, or that of the address they come to, or one below it."""
    labels = domain.split(".")
    parents = (".".join(labels[start:]) for start in range(len(labels)))
    return any(parent in recipients or directory.is_local_domain(parent) for parent in parents)


def _is_credible(period: Period, now: datetime) -> bool:
    return period.end <= now + FARTHEST and period.end - period.begin <= LONGEST_PERIOD


def _no_report(why: str) -> Failed:
    return Failed(f"no DMARC report that can be read: {why}", _NO_REPORT)
