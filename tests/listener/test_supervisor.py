# SPDX-License-Identifier: Apache-2.0
"""The parent of all workers, with real processes: seats are kept, sessions counted over all, nothing outlives its server."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.clock import SystemClock
from genkan.listener.supervisor import Supervisor
from genkan.maillog import LogStream, MailLog
from tests.support.server import until
from tests.support.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST: Final = 1600  # sessions; more than the sockets between the processes hold messages


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Two workers that serve."""
    site = Site(tmp_path / "home", f"workers = 2\n[limits]\nsessions = {MOST}\n")
    site.start()
    yield site
    site.end()


@pytest.fixture
def _many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def greetings(site: Site, connections: ExitStack, count: int) -> Counter[bytes]:
    """Reply codes with which so many new connections are greeted."""
    sockets = [socket.create_connection(("127.0.0.1", site.port), 10) for _ in range(count)]
    for sock in sockets:
        connections.enter_context(sock)
    return Counter(sock.recv(3) for sock in sockets)


@pytest.mark.usefixtures("_many_files")
def test_sessions_are_counted_exactly_over_all_workers(site: Site) -> None:
    with ExitStack() as connections:
        assert greetings(site, connections, MOST) == {b"220": MOST}
        assert greetings(site, connections, 5) == {b"421": 5}


@pytest.mark.usefixtures("_many_files")
def test_clients_that_leave_while_the_supervisor_is_busy_are_counted_too(site: Site) -> None:
    with ExitStack() as connections:
        assert greetings(site, connections, MOST) == {b"220": MOST}
        os.kill(site.pids()[0], signal.SIGSTOP)
    site.until_logged("connection", MOST)
    os.kill(site.pids()[0], signal.SIGCONT)
    with ExitStack() as connections:
        assert greetings(site, connections, MOST) == {b"220": MOST}


@pytest.mark.usefixtures("_many_files")
def test_a_dead_worker_takes_its_sessions_with_it(site: Site) -> None:
    with ExitStack() as connections:
        assert greetings(site, connections, MOST) == {b"220": MOST}
        for pid in site.pids()[1:]:
            os.kill(pid, signal.SIGKILL)
        site.until_logged("worker started", 4)
        with ExitStack() as others:
            assert greetings(site, others, MOST) == {b"220": MOST}
            assert greetings(site, others, 1) == {b"421": 1}


def test_a_worker_that_dies_again_and_again_is_restarted_more_and_more_slowly(site: Site) -> None:
    for starts in (3, 4, 5):
        os.kill(site.pids()[-1], signal.SIGKILL)  # the youngest
        site.until_logged("worker started", starts)
    delays = [entry["delay"] for entry in site.logged("worker died, starting another")]
    assert delays == [0.2, 0.4, 0.8]


def test_a_server_that_is_stopped_while_a_worker_is_being_made_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_process = asyncio.create_subprocess_exec

    async def stop_meanwhile(*command: str, **options: Any) -> asyncio.subprocess.Process:
        process = await make_process(*command, **options)
        supervisors[0]._stop()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", stop_meanwhile)
    site = Site(tmp_path / "home", "workers = 1\n")
    clock = SystemClock()
    supervisors: list[Supervisor] = []

    async def supervise() -> int:
        log = MailLog(LogStream(os.open(os.devnull, os.O_WRONLY)), clock)
        supervisors.append(Supervisor(site.config, "all", log, clock))
        async with asyncio.timeout(10):
            return await supervisors[0].run()

    assert asyncio.run(supervise()) == 0


def test_workers_end_when_their_supervisor_is_killed_and_another_server_takes_over(site: Site) -> None:
    supervisor, *workers = site.pids()
    os.kill(supervisor, signal.SIGKILL)
    site.wait()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), "the end of the workers")
    site.start()
    assert site.terminate() == 0


def test_connections_wait_for_a_dead_worker_instead_of_being_refused(site: Site) -> None:
    for pid in site.pids()[1:]:
        os.kill(pid, signal.SIGKILL)
    with ExitStack() as connections:
        assert greetings(site, connections, 20) == {b"220": 20}
