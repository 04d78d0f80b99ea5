# SPDX-License-Identifier: Apache-2.0
"""Counting sessions: in one process, and over a real socket between a worker and its supervisor."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import TYPE_CHECKING, Final, Self

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from genkan.listener.admission import (
    Admission,
    Entrance,
    LocalCount,
    RemoteCount,
    SessionLimits,
    Unlimited,
    WorkerCount,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANN, BOB = "192.0.2.1", "2001:db8::2"
BURST: Final = 5000  # more than a socket between two processes holds packets
PATIENCE: Final = 10.0  # seconds


def ask(admission: Admission, client_address: str = ANN) -> bool:
    """Whether the client is admitted, where that is decided at once."""
    return entrance(admission, client_address) is Entrance.YES


def entrance(admission: Admission, client_address: str = ANN) -> Entrance:
    """What a client is told, where that is decided at once."""
    decisions: list[Entrance] = []
    admission.admit(client_address, decisions.append)
    (decided,) = decisions
    return decided


class Moment:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def count(total: int = 0, per_client: int = 0) -> LocalCount:
    return LocalCount(SessionLimits(total, per_client), Moment())


@pytest.mark.parametrize(("total", "per_client", "unlimited"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_nothing_need_be_counted_only_where_there_is_no_limit(total: int, per_client: int, unlimited: bool) -> None:
    assert SessionLimits(total, per_client).unlimited is unlimited


def test_without_limits_everybody_comes_in() -> None:
    assert [ask(Unlimited()), ask(count())] == [True, True]


def test_so_many_come_in_as_the_limit_says_and_one_more_when_one_leaves() -> None:
    house = count(total=2)
    assert [ask(house, ANN), ask(house, BOB), ask(house, BOB)] == [True, True, False]
    house.leave(ANN)
    assert [ask(house, BOB), ask(house, ANN)] == [True, False]


def test_each_client_has_its_own_limit() -> None:
    house = count(per_client=2)
    assert [ask(house), ask(house), ask(house), ask(house, BOB)] == [True, True, False, True]
    house.leave(ANN)
    assert [ask(house), ask(house)] == [True, False]


def test_who_is_refused_for_the_clients_limit_takes_no_place_of_the_total() -> None:
    house = count(total=2, per_client=1)
    assert [ask(house, ANN), ask(house, ANN), ask(house, BOB)] == [True, False, True]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"))), st.integers(0, 4), st.integers(0, 3))
def test_the_count_is_exact_whatever_comes_and_goes(steps: list[tuple[bool, str]], total: int, per_client: int) -> None:
    house, inside = count(total, per_client), Counter[str]()
    for comes, client in steps:
        if comes:
            full = 0 < total <= inside.total() or 0 < per_client <= inside[client]
            assert ask(house, client) is not full
            inside[client] += not full
        elif inside[client]:
            house.leave(client)
            inside[client] -= 1


class Link:
    """A worker and its supervisor, both on one event loop, with a real socket between them."""

    def __init__(self, house: LocalCount) -> None:
        self.loop = uvloop.new_event_loop()
        theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for sock in (theirs, ours):
            sock.setblocking(False)
        self._theirs = theirs
        self.orphaned = 0
        self.worker = RemoteCount(theirs, self.loop, self._on_orphaned)
        self.supervisor = WorkerCount(ours, house, self.loop)
        self.decisions: list[Entrance] = []
        self._cut = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self.loop.close()
        self._theirs.close()

    def cut(self) -> None:
        """The supervisor's end is closed, as when one of the two has died."""
        if not self._cut:
            self.supervisor.close()
        self._cut = True

    def ask(self, *clients: str) -> list[bool]:
        """What is decided for these clients, all asked for at once."""
        self.decisions = []
        for client in clients:
            self.worker.admit(client, self.decisions.append)
        self.turn_until(lambda: len(self.decisions) == len(clients))
        return [decision is Entrance.YES for decision in self.decisions]

    def turn_until(self, condition: Callable[[], bool]) -> None:
        async def wait() -> None:
            async with asyncio.timeout(PATIENCE):
                while not condition():  # noqa: ASYNC110  (what is waited for does not know of this test)
                    await asyncio.sleep(0)

        self.loop.run_until_complete(wait())

    def _on_orphaned(self) -> None:
        self.orphaned += 1


@pytest.fixture
def house() -> LocalCount:
    return count(total=3, per_client=2)


@pytest.fixture
def link(house: LocalCount) -> Iterator[Link]:
    with Link(house) as opened:
        yield opened


def test_a_worker_is_told_what_its_supervisor_counts(link: Link, house: LocalCount) -> None:
    assert link.ask(ANN, ANN, ANN, BOB, BOB) == [True, True, False, True, False]
    link.worker.leave(ANN)
    assert link.ask(BOB, BOB) == [True, False]
    assert not ask(house, BOB)


def test_two_workers_share_one_count(link: Link, house: LocalCount) -> None:
    with Link(house) as other:
        assert link.ask(ANN, ANN) == [True, True]
        assert other.ask(ANN, BOB, BOB) == [False, True, False]


def test_what_a_dead_worker_had_is_given_back(link: Link, house: LocalCount) -> None:
    assert link.ask(ANN, ANN, BOB) == [True, True, True]
    link.cut()
    assert [ask(house, ANN), ask(house, ANN), ask(house, BOB)] == [True, True, True]


def test_when_the_supervisor_dies_the_worker_is_told_once_and_nobody_waits_for_an_answer(link: Link) -> None:
    link.worker.admit(ANN, link.decisions.append)
    link.cut()
    link.turn_until(lambda: link.orphaned > 0)
    assert (link.decisions, link.orphaned) == ([Entrance.FULL], 1)


def test_without_a_supervisor_nobody_comes_in(link: Link) -> None:
    link.cut()
    assert ask(link.worker) is False
    link.worker.leave(ANN)


def test_a_burst_is_answered_in_order_and_none_is_lost() -> None:
    house = count(total=BURST)
    with Link(house) as link:
        assert link.ask(*(str(number) for number in range(BURST))) == [True] * BURST
        assert link.ask(ANN) == [False]
        for number in range(BURST):
            link.worker.leave(str(number))
        assert link.ask(*[ANN] * BURST, BOB) == [True] * BURST + [False]


def test_who_comes_more_often_than_the_rate_allows_is_told_so_and_counted_anew() -> None:
    moment = Moment()
    house = LocalCount(SessionLimits(0, 0, rate=2, window=10.0), moment)
    assert [entrance(house) for _ in range(3)] == [Entrance.YES, Entrance.YES, Entrance.TOO_OFTEN]
    assert entrance(house) is Entrance.YES
    assert entrance(house, BOB) is Entrance.YES


def test_the_rate_counts_the_connections_of_its_window_only() -> None:
    moment = Moment()
    house = LocalCount(SessionLimits(0, 0, rate=2, window=10.0), moment)
    told = []
    for _ in range(6):
        told.append(entrance(house))
        moment.now += 5.0
    assert told == [Entrance.YES] * 6


def test_the_rate_is_told_to_a_worker_as_well() -> None:
    with Link(LocalCount(SessionLimits(0, 0, rate=1), Moment())) as link:
        link.ask(ANN, ANN)
        assert link.decisions == [Entrance.YES, Entrance.TOO_OFTEN]


def test_many_clients_leave_no_memory_behind() -> None:
    moment = Moment()
    house = LocalCount(SessionLimits(0, 0, rate=5, window=10.0), moment)
    for number in range(30_000):
        entrance(house, str(number))
        moment.now += 0.01
    assert len(house._arrivals) <= 20_001
