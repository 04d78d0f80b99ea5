# SPDX-License-Identifier: Apache-2.0
"""What an operator can ask about DMARC reports, ours and those of others: the operations behind `genkan dmarc`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from genkan.directory import Directory, NotFound
from genkan.dmarc.daily import daily_report, identity_of
from genkan.dmarc.report import file_name, report_xml

if TYPE_CHECKING:
    from datetime import date, datetime

    from genkan.config import Config
    from genkan.directory.dmarc_received import FailingSource, ReceivedReport
    from genkan.directory.dmarc_tallies import DaySummary, Source

MOST_SOURCES: Final = 20  # that are listed


@dataclass(frozen=True, slots=True)
class Seen:
    """What came in: by day and domain, the newest first, and the clients that most of it came from."""

    days: tuple[DaySummary, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report of ours as it goes out, but for the compression."""

    report_id: str
    file_name: str
    xml: str


@dataclass(frozen=True, slots=True)
class Told:
    """What others have reported, the newest first, and the clients that most messages are said to have failed from."""

    reports: tuple[ReceivedReport, ...]
    failing: tuple[FailingSource, ...]


class DmarcOperations:
    """An operator's look at reports. Safe beside a running server."""

    def __init__(self, directory: Directory, config: Config) -> None:
        """Work with an open directory."""
        self._directory = directory
        self._config = config

    @property
    def is_on(self) -> bool:
        """Whether DMARC is asked about at all (setting `dmarc.mode`)."""
        return self._config.dmarc.mode != "off"

    def seen(self, domain: str | None, since: date) -> Seen:
        """What was counted from that day on, of one policy domain or of all."""
        tallies = self._directory.dmarc_tallies
        return Seen(tallies.summaries(domain, since), tallies.sources(domain, since, MOST_SOURCES))

    def report(self, domain: str, day: date) -> WrittenReport:
        """The report to a policy domain about a day, by what is counted of it now. Raises NotFound."""
        counted = self._directory.dmarc_tallies.find(day, domain)
        if counted is None:
            raise NotFound(f"nothing was counted for {domain} on {day}; see: genkan dmarc show")
        config = self._config
        settings, default = config.dmarc, self._directory.domains.default()
        identity = identity_of(config.hostname, settings.report_organization, settings.report_from, default)
        report = daily_report(identity, day, counted)
        return WrittenReport(report.id, file_name(report, identity.receiver), report_xml(report).decode())

    def told(self, domain: str | None, since: datetime) -> Told:
        """What others reported about mail since then, about one domain or all."""
        received = self._directory.dmarc_received
        return Told(received.list(domain, since), received.failing(domain, since, MOST_SOURCES))
