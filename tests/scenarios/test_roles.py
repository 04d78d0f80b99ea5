# SPDX-License-Identifier: Apache-2.0
"""One process receives and another delivers, over one storage: each may be away, or die, and no mail is lost or doubled."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import apsw
import pytest

from genkan.spool.reading import list_queued
from tests.support.load import Client, assert_nothing_lost, loading, until_queue_is_empty
from tests.support.next_hop import next_hop
from tests.support.server import DEADLINE, ServerProcess, maildir, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.site import MakeSite, Site

MAIL = b"Subject: x\r\n\r\nhello\r\n"


class Role(ServerProcess):
    """A server of one role for a site's configuration."""

    def __init__(self, site: Site, role: str) -> None:
        super().__init__(site.config.file, site.port)
        self.role = role
        self.output = site.config.home / f"output-{role}"
        self._workers = site.config.workers

    def start(self) -> None:
        before = self.output.read_text().count('"worker started"') if self.output.exists() else 0
        self._spawn("--role", self.role)
        assert self._process is not None
        process = self._process
        wanted = before + self._workers

        def started() -> bool:
            assert process.poll() is None, self.output.read_text()
            return self.output.read_text().count('"worker started"') >= wanted

        until(started, f"the start of {self.role}; see {self.output}")


@contextmanager
def running(site: Site, role: str) -> Iterator[Role]:
    server = Role(site, role)
    server.start()
    try:
        yield server
    finally:
        if server._process is not None and server._process.poll() is None:
            server.terminate()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_one_process_accepts_the_other_delivers(make_site: MakeSite, workers: int) -> None:
    site = make_site(f"workers = {workers}\n")
    with running(site, "receive"), running(site, "deliver"):
        with loading(site.port) as load:
            load.until_acknowledged(300)
        until_queue_is_empty(site.config)
        assert_nothing_lost(site.config, load.acknowledged)


def test_mail_waits_while_nobody_delivers_and_is_delivered_while_nobody_receives(make_site: MakeSite) -> None:
    site = make_site()
    with running(site, "receive"), Client(site.port) as client:
        for _ in range(5):
            assert client.send(MAIL, ["ann@in.test"])[:3] == "250"
    queued = list(list_queued(site.config.storage_folder, datetime.now(UTC)))
    assert [message.recipients[0].state for message in queued] == ["due"] * 5
    with running(site, "deliver"):
        until_queue_is_empty(site.config)
    assert len(maildir(site.config, "ann@in.test")) == 5


def test_the_space_of_what_the_other_delivered_is_used_again(make_site: MakeSite) -> None:
    site = make_site('[spool]\nsegment_size = "1MB"\n')
    segments = site.config.storage_folder / "spool" / "1" / "segments"
    with running(site, "receive"), running(site, "deliver"), Client(site.port) as client:
        for number in range(40):
            content = b"Subject: %d\r\n\r\n" % number + b"x" * 70 + b"\r\n"
            assert client.send(content * 6000, ["ann@in.test"])[:3] == "250"
            if number % 4 == 3:
                until_queue_is_empty(site.config)
                until(lambda: _no_changes_wait(site), "the receiver to take notice")
    assert len(list(segments.iterdir())) < 20


def _no_changes_wait(site: Site) -> bool:
    connection = apsw.Connection(str(site.config.storage_folder / "spool" / "1" / "spool.db"))
    try:
        return not connection.execute("SELECT 1 FROM extent_change").fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("dies", ["receive", "deliver"])
def test_either_may_die_at_any_moment(make_site: MakeSite, dies: str) -> None:
    site = make_site()
    with running(site, "receive") as receiver, running(site, "deliver") as deliverer:
        victim = receiver if dies == "receive" else deliverer
        with loading(site.port) as load:
            load.until_acknowledged(50)
            victim.kill()
            if dies == "deliver":
                load.until_acknowledged(100)
        victim.start()
        until_queue_is_empty(site.config)
        assert_nothing_lost(site.config, load.acknowledged)


def test_the_deliverer_relays_and_reports(make_site: MakeSite) -> None:
    site = make_site('[auth]\nunauthenticated_accounts = "anywhere"\n')
    with next_hop({"RCPT eve@example.org": "550 5.1.1 nobody"}) as hop:
        assert site.genkan("route", "add", "example.org", f"smtp:127.0.0.1:{hop.port}").returncode == 0
        with running(site, "receive"), running(site, "deliver"), Client(site.port) as client:
            client.expect("250", client.command(b"MAIL FROM:<ann@in.test>\r\n"))
            for name in (b"dan", b"eve"):
                client.expect("250", client.command(b"RCPT TO:<%s@example.org>\r\n" % name))
            client.expect("354", client.command(b"DATA\r\n"))
            client.expect("250", client.command(MAIL + b".\r\n"))
            hop.until_taken(1)
            until(lambda: len(maildir(site.config, "ann@in.test")) == 1, "a bounce")
            until_queue_is_empty(site.config)
    assert hop.taken[0].recipients == ["dan@example.org"]
    assert b"550 5.1.1 nobody" in maildir(site.config, "ann@in.test")[0]


@pytest.mark.parametrize(("first", "second"), [("all", "receive"), ("deliver", "deliver"), ("deliver", "all")])
def test_two_processes_of_the_same_role_are_refused(make_site: MakeSite, first: str, second: str) -> None:
    site = make_site()
    with running(site, first):
        command = [sys.executable, "-m", "genkan", "-c", str(site.config.file), "serve", "--role", second]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False, env=os.environ)
    assert done.returncode == 1
    assert "is in use: another genkan serves it" in done.stderr
