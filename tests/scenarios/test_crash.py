# SPDX-License-Identifier: Apache-2.0
"""The server is killed or stopped under load, and what it had acknowledged must all be there, once."""

from __future__ import annotations

import os
import signal
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.support.load import Load, assert_nothing_lost, loading
from tests.support.server import until

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
        for _ in range(2):
            load.until_acknowledged(len(load.acknowledged) + 200)
            supervisor, first, second = site.pids()
            os.kill(first, signal.SIGKILL)
            until(lambda: len(site.pids()) == 3 and first not in site.pids(), "another worker")
            assert site.pids()[0] == supervisor
            assert second in site.pids()
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
