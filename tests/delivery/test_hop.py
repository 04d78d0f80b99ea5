# SPDX-License-Identifier: Apache-2.0
"""The queues of next hops: how many connections they use, what a dead or slow hop costs, how they stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from genkan.delivery.hop import TURN, HopLimits
from genkan.delivery.outcome import Deferred, Delivered
from genkan.delivery.smtp_carrier import Patience
from genkan.delivery.smtp_opener import SmtpOpener
from genkan.delivery.ways import Way
from tests.delivery.places import DEAD, DONE, Office, Place, PlaceCarrier, identifier, numbered
from tests.delivery.relaying import no_socket_left, plan_to, run, turned_until
from tests.delivery.worlds import smtp_world
from tests.support.next_hop import CLOSE, WAIT, next_hop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from tests.support.next_hop import Script


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with no_socket_left():
        yield


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


# How many connections.


@pytest.mark.parametrize("connections", [1, 2, 5, 20])
def test_a_hop_has_as_many_connections_as_it_may(connections: int, log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place()
        office.put(place, 500, connections=connections)
        assert await office.settled() == [DONE] * 500
        assert (place.most_open, place.tried, place.open) == (connections, connections, 0)
        office.close()

    run(carry())


def test_all_hops_together_have_as_many_connections_as_they_may(log: Path) -> None:
    async def carry() -> None:
        office = Office(log, HopLimits(4, 0.02))
        together = [0]

        async def act(_mail: Consignment) -> list[Outcome]:
            together.append(sum(place.open for place in places))
            return [DONE]

        places = [Place(act) for _ in range(10)]
        for number, place in enumerate(places):
            office.put(place, 50, name=f"hop{number}.test")
        assert await office.settled() == [DONE] * 500
        assert max(together) == 4
        office.close()

    run(carry())


def test_a_hop_with_much_mail_lets_others_have_a_turn(log: Path) -> None:
    async def carry() -> None:
        office, busy, other = Office(log, HopLimits(1, 0.02)), Place(), Place()
        office.put(busy, 500, name="busy.test")
        office.put(other, 1, name="other.test")
        await turned_until(lambda: bool(other.carried))
        assert len(busy.carried) == TURN
        assert await office.settled() == [DONE] * 501
        office.close()

    run(carry())


def test_an_idle_connection_makes_room_for_a_hop_that_waits(log: Path) -> None:
    async def carry() -> None:
        office, first, second = Office(log, HopLimits(1, 60.0)), Place(), Place()
        office.put(first, 1, name="one.test")
        office.put(second, 1, name="two.test")
        await turned_until(lambda: bool(second.carried))
        await office.hops.stop(1)
        assert (first.open, second.open) == (0, 0)
        office.close()

    run(carry())


def test_a_slot_that_nobody_needs_any_more_goes_to_the_next(log: Path) -> None:
    async def carry() -> None:
        office, busy, recalled, other = Office(log, HopLimits(1, 0.02)), Place(), Place(), Place()
        office.put(busy, 1, name="busy.test")
        office.put(recalled, 1, name="recalled.test")
        office.put(other, 1, name="other.test")
        assert len(office.hops.recall({(1, 0)})) == 1
        await turned_until(lambda: bool(other.carried))
        assert (len(busy.carried), recalled.tried) == (1, 0)
        await turned_until(lambda: not other.open)
        office.close()

    run(carry())


def test_a_hop_that_takes_fewer_connections_than_it_might_get_keeps_its_mail(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place(most=3)
        office.put(place, 500, connections=20)
        assert await office.settled() == [DONE] * 500
        assert place.most_open == 3
        assert place.tried < 10
        office.close()

    run(carry())


def test_a_connection_is_kept_for_mail_that_comes_soon_and_closed_then(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log, HopLimits(100, 0.2)), Place()
        for _ in range(3):
            office.put(place)
            await turned_until(lambda: len(office.told) == office.put_so_far)
            assert place.open == 1
        assert await office.settled() == [DONE] * 3
        assert (place.tried, place.open) == (1, 0)
        office.put(place)
        assert await office.settled() == [DONE] * 4
        assert place.tried == 2
        office.close()

    run(carry())


def test_a_connection_that_is_used_up_is_opened_again(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place()
        carriers: list[PlaceCarrier] = []

        async def opener() -> PlaceCarrier:
            carriers.append(await place())
            return carriers[-1]

        async def act(_mail: Consignment) -> list[Outcome]:
            carriers[-1].usable = len(place.carried) % 10 != 9
            return [DONE]

        place.act = act
        office.put(opener, 50, connections=1)
        assert await office.settled() == [DONE] * 50
        assert (place.tried, place.most_open, place.open) == (5, 1, 0)
        office.close()

    run(carry())


def test_another_opener_counts_at_once(log: Path) -> None:
    async def carry() -> None:
        office, old, new = Office(log), Place(), Place()
        office.put(old)
        await turned_until(lambda: bool(office.told))
        assert old.open == 1
        office.put(new)
        assert await office.settled() == [DONE] * 2
        assert (len(old.carried), len(new.carried), old.open, new.open) == (1, 1, 0, 0)
        office.close()

    run(carry())


# Recalling, bugs, stopping.


def test_what_waits_can_be_recalled(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place()
        way = Way("hop.test", place, 1, 100)
        for number in range(3):
            office.hops.put(way, numbered(number, "ann@in.test", "bob@in.test"))
        assert len(office.hops.waiting()) == 6
        places = {(0, 1), (1, 0), (1, 1), (7, 0)}
        recalled = office.hops.recall(places)
        assert [one.place for one in recalled] == sorted(places)[:3]
        assert len(office.hops.waiting()) == 3
        await turned_until(lambda: len(office.told) == 3)
        assert [told[0] for told in office.told] == [identifier(0), identifier(2), identifier(2)]
        assert office.hops.waiting() == []
        await turned_until(lambda: not place.open)
        office.close()

    run(carry())


def test_what_is_under_way_cannot_be_recalled(log: Path) -> None:
    async def carry() -> None:
        office, go = Office(log), asyncio.Event()

        async def act(_mail: Consignment) -> list[Outcome]:
            await go.wait()
            return [DONE]

        place = Place(act)
        office.put(place)
        await turned_until(lambda: place.open == 1)
        assert office.hops.waiting() == []
        assert office.hops.recall({(0, 0)}) == []
        go.set()
        assert await office.settled() == [DONE]
        office.close()

    run(carry())


@pytest.mark.parametrize("where", ["opening", "carrying"])
def test_a_bug_defers_the_message_and_not_those_behind_it(where: str, log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place()

        async def act(mail: Consignment) -> list[Outcome]:
            if mail.envelope.message_id == identifier(1):
                raise RuntimeError("a bug")
            return [DONE]

        if where == "carrying":
            place.act = act
            office.put(place, 4, connections=1)
        else:
            place.dead = RuntimeError("a bug")
            office.put(place, 2, connections=1)
            await office.settled()
            place.dead = None
            office.put(place, 2, connections=1)
        bug = Deferred("internal error: RuntimeError('a bug')", status="4.3.0")
        expected = [DONE, bug, DONE, DONE] if where == "carrying" else [bug, bug, DONE, DONE]
        assert await office.settled() == expected
        assert place.open == 0
        office.close()

    run(carry())
    assert '"event":"failure"' in log.read_text()


def test_to_stop_lets_what_is_under_way_finish_and_begins_nothing(log: Path) -> None:
    async def carry() -> None:
        office, go = Office(log), asyncio.Event()

        async def act(_mail: Consignment) -> list[Outcome]:
            await go.wait()
            return [DONE]

        place = Place(act)
        office.put(place, 10, connections=2)
        await turned_until(lambda: place.open == 2)
        stopping = asyncio.create_task(office.hops.stop(10))
        await asyncio.sleep(0)
        office.put(place)
        go.set()
        await stopping
        assert (office.told, place.open) == ([(identifier(0), DONE), (identifier(1), DONE)], 0)
        office.close()

    run(carry())


def test_to_stop_ends_what_takes_too_long_and_idle_connections(log: Path) -> None:
    async def carry() -> None:
        office, place, idle = Office(log, HopLimits(100, 60.0)), Place(), Place()

        async def act(_mail: Consignment) -> list[Outcome]:
            await asyncio.Event().wait()
            return [DONE]

        place.act = act
        office.put(place, 10, connections=2)
        office.put(idle, name="idle.test")
        await turned_until(lambda: place.open == 2 and len(idle.carried) == 1)
        await office.hops.stop(0.05)
        assert (len(office.told), place.open, idle.open) == (1, 0, 0)
        office.close()

    run(carry())


def test_nobody_is_told_anything_of_mail_that_comes_after_the_stop(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log), Place(dead=DEAD)
        office.put(place)
        assert await office.settled() == [DEAD]
        await office.hops.stop(1)
        office.put(place)
        assert len(office.told) == 1
        office.close()

    run(carry())


def test_mail_that_comes_while_idle_connections_stop_is_not_begun(log: Path) -> None:
    async def carry() -> None:
        office, place = Office(log, HopLimits(100, 60.0)), Place()
        office.put(place)
        await turned_until(lambda: len(office.told) == 1)
        (queue,) = office.hops._queues.values()
        stopping = asyncio.create_task(queue.stop(1))
        await asyncio.sleep(0)
        office.put(place)
        await stopping
        assert (len(office.told), place.open) == (1, 0)
        office.close()

    run(carry())


# With a real server.


def relayed(log: Path, script: Script, count: int, connections: int = 5, messages: int = 1000) -> tuple[int, list[str]]:
    """So many messages through the queue: how many connections were used, and the recipients at the server."""

    async def carry() -> None:
        office = Office(log)
        world = smtp_world(patience=Patience(5, 5), messages=messages)
        office.put(SmtpOpener(world, plan_to(hop)), count, connections=connections)
        outcomes = await office.settled()
        assert [type(outcome) for outcome in outcomes] == [Delivered] * count
        office.close()

    with next_hop(script) as hop:
        run(carry())
    assert len(hop.taken) == count
    assert hop.most_at_once <= connections
    return hop.connections, hop.lines


def test_messages_go_over_few_connections_to_a_real_server(log: Path) -> None:
    connections, lines = relayed(log, {}, 200)
    assert connections <= 5
    assert lines.count("QUIT") == connections


def test_a_real_server_that_closes_after_each_message_gets_each_once(log: Path) -> None:
    connections, _ = relayed(log, {"after": CLOSE}, 40, connections=2)
    assert connections == 40


def test_a_real_server_that_says_421_after_some_messages_gets_each_once(log: Path) -> None:
    fine = "250 2.1.0 fine"
    relayed(log, {"MAIL": [fine, fine, "421 4.7.0 too many", fine, "421 4.7.0 too many", fine]}, 20, connections=1)


def test_so_many_messages_go_over_one_connection_to_a_real_server(log: Path) -> None:
    connections, _ = relayed(log, {}, 40, connections=1, messages=10)
    assert connections == 4


def test_a_real_server_within_a_message_is_left_at_once_when_stopping_takes_too_long(log: Path) -> None:
    async def carry() -> None:
        office = Office(log)
        office.put(SmtpOpener(smtp_world(patience=Patience(60, 60)), plan_to(hop)), 3, connections=1)
        await turned_until(lambda: bool(hop.said("MAIL")))
        await office.hops.stop(0.05)
        assert office.told == []
        office.close()

    with next_hop({"MAIL": WAIT}) as hop:
        run(carry())
    assert hop.said("QUIT") == []
