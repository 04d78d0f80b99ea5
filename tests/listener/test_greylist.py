# SPDX-License-Identifier: Apache-2.0
"""Who comes again after SPF deferred it: let in in time and then remembered, by all workers, over restarts, at little cost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.directory import Directory, GreyEntry
from genkan.listener.greylist import MOST_OF_NETWORK, MOST_WAITING, Greylist, GreyTimes, judged
from genkan.listener.late_writes import LateWrites
from genkan.maillog import LogStream, MailLog
from genkan.storage.engine import StorageError
from tests.listener.ruled import call, ruled
from tests.support.dns_server import dns_server
from tests.support.server import StoppedClock, serving, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.dns_server import DnsServer
    from tests.support.server import RunningServer

NOW: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
TIMES: Final = GreyTimes(5 * MINUTE, DAY, 35 * DAY)
ZONE: Final = 'out.test 300 TXT "v=spf1 -all"\nclient.test 300 TXT "v=spf1 -all"\n'
GREY: Final = '[spf]\nmode = "defer"\ngrey = true\n'


def coming(since: timedelta, seen: timedelta | None = None, *, let_in: bool = False) -> GreyEntry:
    """What a sender is that comes now: first deferred `since` ago, last noted `seen` ago."""
    first, last = NOW - since, NOW - (since if seen is None else seen)
    return judged(GreyEntry("n", "s", first, last, let_in), NOW, TIMES)


@pytest.mark.parametrize(
    ("since", "let_in"),
    [
        (timedelta(0), False),
        (5 * MINUTE - timedelta(seconds=1), False),
        (5 * MINUTE, True),
        (DAY, True),
        (DAY + timedelta(seconds=1), False),
    ],
)
def test_who_comes_again_between_delay_and_window_is_let_in(since: timedelta, let_in: bool) -> None:
    assert coming(since).let_in is let_in


def test_who_comes_again_too_late_begins_anew() -> None:
    assert coming(2 * DAY) == GreyEntry("n", "s", NOW, NOW)


def test_a_time_to_come_is_that_of_a_wrong_clock() -> None:
    assert coming(-365 * DAY) == GreyEntry("n", "s", NOW, NOW)


def test_who_was_let_in_stays_so_while_it_comes_within_the_memory() -> None:
    assert coming(99 * DAY, DAY, let_in=True) == GreyEntry("n", "s", NOW - 99 * DAY, NOW - DAY, let_in=True)
    assert coming(99 * DAY, 34 * DAY, let_in=True) == GreyEntry("n", "s", NOW - 99 * DAY, NOW, let_in=True)
    assert coming(99 * DAY, 36 * DAY, let_in=True) == GreyEntry("n", "s", NOW, NOW)


@given(st.lists(st.integers(0, 60 * 24 * 40), min_size=1, max_size=20))
def test_nobody_is_let_in_earlier_than_the_delay_after_a_deferral(minutes: list[int]) -> None:
    now, deferred = NOW, NOW
    entry = GreyEntry("n", "s", now, now)
    for step in minutes:
        now += step * MINUTE
        before, entry = entry, judged(entry, now, TIMES)
        if entry.let_in and not before.let_in:
            assert now - deferred >= TIMES.delay
        if not entry.let_in and entry.since == now:
            deferred = now


# What is written, and when.


def on_a_loop(
    tmp_path: Path, do: Callable[[Greylist, StoppedClock], None], opening: Callable[[], Directory] | None = None
) -> tuple[GreyEntry, ...]:
    """Do something with a greylist, and write what it has; all that is kept then."""
    log = (tmp_path / "log").open("wb")

    def open_directory() -> Directory:
        return Directory.open(tmp_path / "data")

    async def run() -> tuple[GreyEntry, ...]:
        clock = StoppedClock()
        with open_directory() as directory:
            mail_log = MailLog(LogStream(log.fileno()), clock)
            late_writes = LateWrites(opening or open_directory, asyncio.get_running_loop(), mail_log)
            do(Greylist(directory.grey, late_writes, TIMES, clock), clock)
            late_writes.close()
            return directory.grey.list(2 * MOST_WAITING)

    with log:
        return asyncio.run(run())


def test_of_a_flood_of_senders_only_so_many_are_remembered(tmp_path: Path) -> None:
    def flood(greylist: Greylist, _clock: StoppedClock) -> None:
        for number in range(MOST_WAITING + 10):
            assert not greylist.is_patient(f"10.0.{number % 100}.1", f"{number}@out.test")

    assert len(on_a_loop(tmp_path, flood)) == MOST_WAITING


def test_a_flood_from_one_network_leaves_room_for_others(tmp_path: Path) -> None:
    def flood(greylist: Greylist, clock: StoppedClock) -> None:
        for number in range(MOST_OF_NETWORK + 10):
            assert not greylist.is_patient("192.0.2.10", f"{number}@out.test")
        assert not greylist.is_patient("198.51.100.1", "x@out.test")
        clock.advance(5 * MINUTE)
        assert greylist.is_patient("192.0.2.10", "0@out.test")
        assert greylist.is_patient("198.51.100.1", "x@out.test")

    assert len(on_a_loop(tmp_path, flood)) == MOST_OF_NETWORK + 1


def test_who_comes_again_and_again_is_noted_once_and_when_it_is_let_in(tmp_path: Path) -> None:
    answers = []

    def come(greylist: Greylist, clock: StoppedClock) -> None:
        for _ in range(7):
            answers.append(greylist.is_patient("192.0.2.10", "X@out.test"))
            clock.advance(MINUTE)

    (entry,) = on_a_loop(tmp_path, come)
    assert answers == [False] * 5 + [True] * 2
    assert (entry.sender, entry.let_in, entry.seen - entry.since) == ("x@out.test", True, 5 * MINUTE)


def test_who_comes_again_while_it_is_being_noted_is_known(tmp_path: Path) -> None:
    def come(greylist: Greylist, clock: StoppedClock) -> None:
        assert not greylist.is_patient("192.0.2.10", "x@out.test")
        assert greylist._take() is not None  # its write has not begun
        clock.advance(5 * MINUTE)
        assert greylist.is_patient("192.0.2.10", "x@out.test")

    (entry,) = on_a_loop(tmp_path, come)
    assert (entry.let_in, entry.seen - entry.since) == (True, 5 * MINUTE)


def test_a_disk_that_fails_defers_and_is_told(tmp_path: Path) -> None:
    def fail() -> Directory:
        raise StorageError("no space")

    def come(greylist: Greylist, _clock: StoppedClock) -> None:
        assert not greylist.is_patient("192.0.2.10", "x@out.test")

    assert on_a_loop(tmp_path, come, fail) == ()
    log = (tmp_path / "log").read_text()
    assert "senders that SPF deferred could not be noted" in log
    assert "no space" in log


# In a server.


def mail(server: RunningServer, sender: bytes = b"x@out.test", client: str = "192.0.2.10") -> int:
    with call(server, client) as caller:
        (code,) = caller.ask(b"MAIL FROM:<%b>" % sender)
    return code


def settings(dns: DnsServer) -> str:
    return f'{GREY}[dns]\nservers = ["{dns.address}"]\n'


def noted(server: RunningServer) -> list[tuple[str, str, bool]]:
    with Directory.open(server.config.storage_folder) as directory:
        return [(entry.network, entry.sender, entry.let_in) for entry in directory.grey.list(10)]


def test_a_neighbour_may_come_again_and_another_sender_or_network_is_another_matter(tmp_path: Path) -> None:
    with dns_server(ZONE) as dns, ruled(tmp_path, {}, settings(dns)) as server:
        assert [mail(server), mail(server, b"")] == [450, 450]
        server.advance(5 * MINUTE)
        assert mail(server, client="192.0.2.200") == 250
        assert mail(server, client="198.51.100.1") == 450
        assert mail(server, b"y@out.test") == 450
        assert mail(server, b"") == 250


def test_what_was_noted_survives_a_restart_and_is_written_within_a_moment(tmp_path: Path) -> None:
    with dns_server(ZONE) as dns:
        with ruled(tmp_path, {}, settings(dns)) as server:
            assert mail(server) == 450
            until(lambda: noted(server) == [("192.0.2.0/24", "x@out.test", False)], "the note")
        with serving(server.config) as again:
            again.advance(5 * MINUTE)
            assert mail(again) == 250
        assert noted(again) == [("192.0.2.0/24", "x@out.test", True)]


def test_without_the_setting_who_comes_again_is_deferred_again(tmp_path: Path) -> None:
    with dns_server(ZONE) as dns, ruled(tmp_path, {}, settings(dns).replace("grey = true", "grey = false")) as server:
        assert mail(server) == 450
        server.advance(DAY)
        assert mail(server) == 450
    assert noted(server) == []
