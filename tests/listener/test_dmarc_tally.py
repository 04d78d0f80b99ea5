# SPDX-License-Identifier: Apache-2.0
"""Messages are counted in memory and written together; the bounds hold, and what cannot be written stops nobody."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from genkan.directory import Directory
from genkan.listener.dmarc_tally import MOST_DOMAINS, MOST_ROWS, DmarcTally
from genkan.listener.late_writes import LateWrites
from genkan.maillog import LogStream, MailLog
from genkan.policy.origin import Treatment
from genkan.storage.engine import StorageFull
from tests.listener.ruled import call, ruled, send
from tests.policy.judgements import RECORD, judged, transaction
from tests.support.dns_server import dns_server
from tests.support.server import START, StoppedClock, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genkan.directory.dmarc_tallies import DaySummary

TODAY: Final = START.date()
DAYS: Final = timedelta(days=30)
ZONE: Final = '_dmarc.example.com. 60 TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"\n'
SETTINGS: Final = 'spf.mode = "mark"\ndmarc.mode = "refuse"\ndns.servers = ["{address}"]\n'
FORGED: Final = b"From: boss@example.com\r\nSubject: urgent\r\n\r\nPay.\r\n"


class Site:
    """A tally on an event loop that is about to end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = StoppedClock()

    def open_directory(self) -> Directory:
        return Directory.open(self.folder / "data")

    def run(self, counting: Callable[[DmarcTally], None], opening: Callable[[], Directory] | None = None) -> None:
        """Count on an event loop, and write what was counted."""

        async def main() -> None:
            log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            loop = asyncio.get_running_loop()
            late_writes = LateWrites(opening or self.open_directory, loop, MailLog(LogStream(log), self.clock))
            counting(DmarcTally(late_writes, DAYS, self.clock))
            late_writes.close()

        asyncio.run(main())

    def summaries(self, since: date = TODAY) -> tuple[DaySummary, ...]:
        with self.open_directory() as directory:
            return directory.dmarc_tallies.summaries(None, since)


def test_messages_are_added_up_by_domain_and_day(tmp_path: Path) -> None:
    site = Site(tmp_path)

    def counting(tally: DmarcTally) -> None:
        for one in (judged(), judged(), judged("pass", treatment=Treatment("none")), judged(domain="b.test")):
            tally.count(transaction(), one)
        site.clock.advance(timedelta(days=1))
        tally.count(transaction(), judged())

    site.run(counting)
    assert [(str(one.day), one.domain, one.messages, one.passed) for one in site.summaries()] == [
        ("2026-11-24", "example.com", 1, 0),
        ("2026-11-23", "b.test", 1, 0),
        ("2026-11-23", "example.com", 3, 1),
    ]


def test_what_is_wrong_with_the_record_is_kept_for_its_owner(tmp_path: Path) -> None:
    site, record = Site(tmp_path), replace(RECORD, faults=("sp is none of none, quarantine, reject",))
    site.run(lambda tally: tally.count(transaction(), judged(record=record)))
    with site.open_directory() as directory:
        found = directory.dmarc_tallies.find(TODAY, "example.com")
    assert found is not None
    assert found.error == "sp is none of none, quarantine, reject"


def test_what_there_is_nothing_to_tell_of_is_not_counted(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.run(lambda tally: tally.count(transaction(), judged("none", None)))
    assert site.summaries() == ()


def test_rows_beyond_the_bound_are_counted_without_their_row(tmp_path: Path) -> None:
    site = Site(tmp_path)

    def counting(tally: DmarcTally) -> None:
        for number in (*range(MOST_ROWS + 2), 0):
            tally.count(transaction(f"10.0.{number // 256}.{number % 256}"), judged())

    site.run(counting)
    assert [(one.messages, one.beyond) for one in site.summaries()] == [(MOST_ROWS + 1, 2)]


def test_the_bound_is_for_the_rows_of_all_domains_together(tmp_path: Path) -> None:
    site = Site(tmp_path)

    def counting(tally: DmarcTally) -> None:
        for number in range(MOST_ROWS + 2):
            domain = ("a.test", "b.test")[number % 2]
            tally.count(transaction(f"10.0.{number // 256}.{number % 256}"), judged(domain=domain))

    site.run(counting)
    assert [(one.messages, one.beyond) for one in site.summaries()] == [(MOST_ROWS // 2, 1)] * 2


def test_the_record_that_was_seen_last_is_reported(tmp_path: Path) -> None:
    site = Site(tmp_path)

    def counting(tally: DmarcTally) -> None:
        for policy in ("reject", "quarantine"):
            tally.count(transaction(), judged(record=replace(RECORD, p=policy)))

    site.run(counting)
    assert [(one.policy, one.messages) for one in site.summaries()] == [("quarantine", 2)]


def test_domains_beyond_the_bound_are_not_counted(tmp_path: Path) -> None:
    site = Site(tmp_path)

    def counting(tally: DmarcTally) -> None:
        for number in (*range(MOST_DOMAINS + 1), 0):
            tally.count(transaction(), judged(domain=f"{number}.test"))

    site.run(counting)
    found = site.summaries()
    assert (len(found), sum(one.messages for one in found)) == (MOST_DOMAINS, MOST_DOMAINS + 1)


def test_days_are_forgotten_when_their_time_is_over(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.run(lambda tally: tally.count(transaction(), judged()))
    site.clock.advance(DAYS)
    site.run(lambda tally: tally.count(transaction(), judged()))
    assert len(site.summaries()) == 2
    site.clock.advance(timedelta(days=1))
    site.run(lambda tally: tally.count(transaction(), judged()))
    assert [one.day - TODAY for one in site.summaries()] == [timedelta(days=31), timedelta(days=30)]


def test_counts_that_cannot_be_written_are_lost_and_the_log_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path)

    def full() -> Directory:
        raise StorageFull("the disk is full")

    site.run(lambda tally: tally.count(transaction(), judged()), full)
    assert site.summaries() == ()
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(one["event"], one["error"]) for one in events] == [
        ("what DMARC made of mail could not be counted", "the disk is full")
    ]


def test_a_server_counts_what_it_refused_for_dmarc(tmp_path: Path) -> None:
    with dns_server(ZONE) as zone:
        with ruled(tmp_path, {}, SETTINGS.format(address=zone.address)) as server, call(server) as caller:
            assert send(caller, FORGED, b"ann") == 550
        with Directory.open(server.config.storage_folder) as directory:
            [summary] = directory.dmarc_tallies.summaries(None, TODAY)
    assert (summary.domain, summary.policy, summary.messages, summary.rejected) == ("example.com", "reject", 1, 1)


def test_a_server_that_goes_on_writes_within_seconds(tmp_path: Path) -> None:
    settings = 'spf.mode = "mark"\ndmarc.mode = "mark"\ndns.servers = ["{address}"]\n'
    with dns_server(ZONE) as zone, ruled(tmp_path, {}, settings.format(address=zone.address)) as server:
        with call(server) as caller:
            assert send(caller, FORGED, b"ann") == 250

        def counted() -> bool:
            with Directory.open(server.config.storage_folder) as directory:
                return [one.messages for one in directory.dmarc_tallies.summaries(None, TODAY)] == [1]

        until(counted, "the count")
