# SPDX-License-Identifier: Apache-2.0
"""The server is killed or stopped under load, and what it had acknowledged must all be there, once."""

from __future__ import annotations

import os
import signal
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.support.load import Client, Load, assert_nothing_lost, content, loading

if TYPE_CHECKING:
    from tests.support.site import MakeSite


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_server_has_every_acknowledged_message_exactly_once(make_site: MakeSite, workers: int) -> None:
    site = make_site(f"workers = {workers}")
    numbers = count(1)
    acknowledged: set[int] = set()
    for _ in range(3):
        site.start()
        load = Load(site.port, numbers=numbers)
        load.start()
        load.until_acknowledged(300)
        site.kill()
        load.stop()
        acknowledged |= load.acknowledged
    site.start()
    assert_nothing_lost(site.config, acknowledged)
    assert site.terminate() == 0


def test_a_killed_worker_comes_back_by_itself_and_nobody_is_refused(make_site: MakeSite) -> None:
    site = make_site("workers = 2")
    site.start()
    with loading(site.port) as load:
        for deaths in range(2):
            load.until_acknowledged(len(load.acknowledged) + 200)
            supervisor, _, other = site.pids()
            os.kill(site.pids()[1], signal.SIGKILL)
            site.until_logged("worker started", 3 + deaths)
            assert site.pids()[:2] == [supervisor, other]
        load.until_acknowledged(len(load.acknowledged) + 200)
    assert load.errors["ConnectionRefusedError"] == 0
    assert load.replies == {}
    assert_nothing_lost(site.config, load.acknowledged)
    assert site.terminate() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_loses_nothing_and_ends_with_status_0(make_site: MakeSite, workers: int) -> None:
    site = make_site(f"workers = {workers}")
    site.start()
    with loading(site.port) as load:
        load.until_acknowledged(300)
        assert site.terminate() == 0
    assert load.replies.keys() <= {"421 4.3.2"}
    shutting_down, *others = sorted(load.errors)
    assert shutting_down.startswith("421 4.3.2")
    assert set(others) <= {"ConnectionRefusedError", "ConnectionResetError"}  # reset: came too late to be greeted
    site.start()
    assert_nothing_lost(site.config, load.acknowledged)
    assert site.terminate() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_an_open_transaction_may_finish_before_the_server_ends(make_site: MakeSite, workers: int) -> None:
    site = make_site(f"workers = {workers}")
    site.start()
    with Client(site.port) as finishing:
        finishing.command(b"MAIL FROM:<carol@example.net>\r\n")
        finishing.command(b"RCPT TO:<ann@in.test>\r\n")
        site.signal(signal.SIGTERM)
        site.until_logged("worker stopping", workers)
        finishing.expect("354", finishing.command(b"DATA\r\n"))
        assert finishing.command(content(1) + b".\r\n")[:3] == "250"
        assert finishing.reply()[:9] == "421 4.3.2"
    assert site.wait() == 0
    site.start()
    assert_nothing_lost(site.config, {1})
    assert site.terminate() == 0


def test_a_transaction_that_does_not_finish_ends_with_421(make_site: MakeSite) -> None:
    site = make_site('[limits]\nshutdown = "1s"\n')
    site.start()
    with Client(site.port) as dawdling:
        dawdling.command(b"MAIL FROM:<carol@example.net>\r\n")
        site.signal(signal.SIGTERM)
        assert dawdling.reply()[:9] == "421 4.3.2"
    assert site.wait() == 0
