# SPDX-License-Identifier: Apache-2.0
"""Whoever runs the server learns that no name server replies, and that they do again, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.config_values import ListenAddress
from tests.listener.ruled import call, ruled
from tests.support.dns_server import Manner
from tests.support.server import free_port, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dns.asking import Asking


@pytest.fixture(autouse=True)
def _zone(asking: Asking) -> None:
    asking.server.add("a.test 300 A 192.0.2.1\n")


def test_silence_is_told_once_and_so_is_its_end(asking: Asking) -> None:
    told: list[str] = []
    hasty = asking.hasty(timeout=0.1, tell=told.append)
    hasty.ask("a.test")
    asking.server.treat(".", Manner(silent=True, times=8))
    for number in range(4):
        hasty.ask(f"{number}.test")
    assert told == ["no answer within 0.1 s"]
    hasty.ask("b.test")
    hasty.ask("c.test")
    assert told == ["no answer within 0.1 s", ""]


def test_a_port_where_nobody_listens_is_named(asking: Asking) -> None:
    told: list[str] = []
    nobody = ListenAddress("127.0.0.1", free_port())
    asking.hasty(nobody, tell=told.append).ask("a.test")
    assert told == [f"{nobody}: Connection refused"]


def test_a_zone_that_fails_is_not_the_servers_fault(asking: Asking) -> None:
    told: list[str] = []
    asking.server.treat("bad.test", Manner(rcode="SERVFAIL"))
    asking.hasty(tell=told.append).ask("bad.test")
    assert told == []


def test_one_of_two_servers_is_enough(asking: Asking) -> None:
    told: list[str] = []
    nobody = ListenAddress("127.0.0.1", free_port())
    asking.hasty(nobody, asking.server.address, tell=told.append).ask("a.test")
    assert told == []


def test_the_log_of_a_server_says_so(tmp_path: Path) -> None:
    settings = f'spf.mode = "mark"\ndns.servers = ["127.0.0.1:{free_port()}"]\n'
    with ruled(tmp_path, {}, settings) as server, call(server) as caller:
        assert caller.ask(b"MAIL FROM:<x@out.test>") == [250]
        until(lambda: "the DNS does not answer" in server.log, "the line in the log")
