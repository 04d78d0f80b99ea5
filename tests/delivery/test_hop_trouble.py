# SPDX-License-Identifier: Apache-2.0
"""Next hops that cannot be reached, or are slow: what they cost, and what becomes of their mail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from genkan.delivery.carrier import CarrierLost
from genkan.delivery.hop import FIRST_REST, LONGEST_REST, MANY, HopLimits
from genkan.delivery.outcome import Deferred, Failed
from tests.delivery.places import DEAD, DONE, SECONDS, Office, Place, identifier
from tests.delivery.relaying import no_socket_left, run, turned_until
from tests.support.server import START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with no_socket_left():
        yield


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


# Hops that cannot be reached.


def test_a_dead_hop_is_tried_once_for_all_its_mail(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place(dead=DEAD)
        office.put(place, 100)
        assert await office.settled() == [DEAD] * 100
        assert place.tried == 1
        office.close()

    run(carry())
    assert log.read_text().count('"event":"next hop rests"') == 1


def test_mail_for_a_hop_that_rests_waits_until_it_is_tried_again(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place(dead=DEAD)
        office.put(place)
        await office.settled()
        office.clock.advance(FIRST_REST - timedelta(seconds=1))
        office.put(place, 2)
        reason = "hop.test is not tried before 12:00:30 UTC: nobody is there"
        resting = replace(DEAD, reason=reason, retry_at=START + FIRST_REST, attempted=False)
        assert (await office.settled())[1:] == [resting] * 2
        assert place.tried == 1
        office.close()

    run(carry())


def test_a_hop_rests_longer_each_time_and_is_back_when_it_can_be_reached(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place(dead=DEAD)
        rests = []
        for _ in SECONDS:
            office.put(place, 2)
            await office.settled()
            office.put(place)
            outcome = (await office.settled())[-1]
            assert isinstance(outcome, Deferred)
            assert outcome.retry_at is not None
            rests.append(round((outcome.retry_at - office.clock.now()).total_seconds()))
            office.clock.advance(timedelta(seconds=rests[-1]))
        assert rests == SECONDS
        assert rests[-1] == LONGEST_REST.total_seconds()
        place.dead = None
        office.put(place, 10)
        assert (await office.settled())[-10:] == [DONE] * 10
        place.dead = DEAD
        office.put(place)
        await office.settled()
        office.clock.advance(FIRST_REST)
        place.dead = None
        office.put(place)
        assert (await office.settled())[-1] == DONE
        office.close()

    run(carry())


def test_a_resting_hop_that_is_spoken_to_otherwise_is_tried_at_once(log: Path) -> None:
    async def carry() -> None:
        office, wrong, right = Office(log), Place(dead=DEAD), Place()
        office.put(wrong)
        await office.settled()
        office.put(wrong)
        office.put(right)
        await office.settled()
        assert (wrong.tried, right.carried) == (1, [identifier(2)])
        office.close()

    run(carry())


def test_what_fails_for_ever_fails_for_all_and_does_not_let_the_hop_rest(log: Path) -> None:
    async def carry() -> None:
        failed = Failed("takes no mail", status="5.1.10")
        office, place = Office(log), Place(dead=failed)
        office.put(place, 10)
        assert await office.settled() == [failed] * 10
        place.dead = None
        office.put(place)
        assert (await office.settled())[-1] == DONE
        office.close()

    run(carry())


def test_a_hop_that_dies_while_connections_are_open_rests_when_all_are_gone(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place()

        async def act(_mail: Consignment) -> list[Outcome]:
            if len(place.carried) < 50:
                return [DONE]
            place.dead = DEAD
            raise CarrierLost

        place.act = act
        office.put(place, 200)
        outcomes = await office.settled()
        assert set(outcomes) == {DONE, DEAD}
        assert outcomes.count(DONE) == 50
        assert place.tried <= 15
        office.close()

    run(carry())
    assert log.read_text().count('"event":"next hop rests"') == 1


def test_hops_without_mail_are_forgotten_when_there_are_many(log: Path) -> None:
    async def carry() -> None:
        office = Office(log)
        office.hops._room = 10
        dead, alive, place = Place(dead=DEAD), Place(), Place()
        for number in range(5):
            office.put(alive, name=f"alive{number}.test")
        for number in range(4):
            office.put(dead, name=f"dead{number}.test")
        await office.settled()
        for number in range(3):
            office.put(place, name=f"new{number}.test")
        await office.settled()
        assert sorted(office.hops._queues) == [
            *(f"dead{number}.test" for number in range(4)),
            *(f"new{number}.test" for number in range(3)),
        ]
        for number in range(100):
            office.put(dead, name=f"other{number}.test")
            await office.settled()
        assert len(office.hops._queues) <= 10
        office.close()

    run(carry())


# Hops that are slow.


def test_mail_that_waits_too_long_is_put_back(log: Path) -> None:
    async def carry() -> None:
        office, go = Office(log, HopLimits(100, 0.02, longest_wait=0.1)), asyncio.Event()

        async def act(_mail: Consignment) -> list[Outcome]:
            await go.wait()
            return [DONE]

        office.put(Place(act), 10, connections=2)
        await turned_until(lambda: len(office.told) == 8)
        go.set()
        outcomes = await office.settled()
        assert outcomes[:2] == [DONE] * 2
        for outcome in outcomes[2:]:
            assert isinstance(outcome, Deferred)
            assert outcome.reason.startswith("hop.test is slow, ")
            later = START + timedelta(seconds=0.1)
            assert (outcome.retry_at, outcome.status, outcome.attempted) == (later, "4.4.5", False)
        office.close()

    run(carry())


def test_each_message_may_wait_as_long_as_others(log: Path) -> None:
    async def carry() -> None:
        office, go = Office(log, HopLimits(100, 0.02, longest_wait=0.2)), asyncio.Event()
        loop = asyncio.get_running_loop()

        async def act(_mail: Consignment) -> list[Outcome]:
            await go.wait()
            return [DONE]

        place = Place(act)
        office.put(place, 2, connections=1)
        later = loop.time() + 0.1
        await turned_until(lambda: loop.time() > later)
        office.put(place, connections=1)
        await turned_until(lambda: len(office.told) == 1)
        assert len(office.hops.waiting()) == 1
        await turned_until(lambda: len(office.told) == 2)
        go.set()
        await office.settled()
        office.close()

    run(carry())


def test_mail_that_would_wait_too_long_is_put_back_at_once(log: Path) -> None:
    async def carry() -> None:
        office = Office(log, HopLimits(100, 0.02, longest_wait=1.0))
        release = asyncio.Semaphore(0)

        async def act(_mail: Consignment) -> list[Outcome]:
            await release.acquire()
            return [DONE]

        office.put(Place(act), connections=1)
        await turned_until(lambda: asyncio.get_running_loop().time() - begun > 0.1)
        release.release()
        await turned_until(lambda: len(office.told) == 1)  # so slow are they
        office.put(Place(act), MANY + 1, connections=1)
        assert len(office.told) == 1
        office.put(Place(act), 5, connections=1)
        assert len(office.told) == 6
        for _, outcome in office.told[1:]:
            assert isinstance(outcome, Deferred)
            assert outcome.retry_at is not None
            assert outcome.retry_at > START + timedelta(seconds=1)
            assert (outcome.status, outcome.attempted) == ("4.4.5", False)
            assert outcome.reason == f"hop.test is slow, {MANY + 1} messages wait for it"
        for _ in range(MANY + 1):
            release.release()
        await office.settled()
        office.close()

    begun = 0.0

    async def timed() -> None:
        nonlocal begun
        begun = asyncio.get_running_loop().time()
        await carry()

    run(timed())


def test_a_fast_hop_may_have_much_mail_waiting(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place()
        office.put(place, 5000, connections=2)
        assert await office.settled() == [DONE] * 5000
        office.close()

    run(carry())
