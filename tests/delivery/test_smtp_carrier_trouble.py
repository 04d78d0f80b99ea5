# SPDX-License-Identifier: Apache-2.0
"""Servers that close, are silent, flood or talk nonsense at any place; and what that means for a connection of many messages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.delivery.carrier import CarrierLost
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.smtp_carrier import Patience
from tests.delivery.consignments import consignment
from tests.delivery.dialogues import (
    ALL_SETS,
    HASTY,
    LATE,
    LOST,
    RELAYED,
    TAKEN,
    THREE,
    WITHOUT_CHUNKING,
    of_blocks,
    outcomes_of,
    said,
    sent_by,
)
from tests.delivery.relaying import SERVER, carried, no_socket_left, opened, plan_to, run, turned_until
from tests.delivery.worlds import smtp_world
from tests.support.next_hop import CLOSE, FLOOD, FULL, SILENT, WAIT, Do, next_hop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.delivery.outcome import Outcome
    from tests.support.next_hop import Act, Script


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with no_socket_left():
        yield


# A server that ends it, is silent, floods or talks nonsense.

PLACES: Final = ["MAIL", "RCPT", "DATA", "early", "content"]


@pytest.mark.parametrize("place", PLACES)
def test_421_defers_and_ends_the_connection(place: str) -> None:
    outcomes, usable, hop = sent_by({place: "421 4.3.2 closing"}, *THREE, extensions=WITHOUT_CHUNKING)
    assert outcomes == [said("421 4.3.2 closing")] * 3
    assert not usable
    assert hop.taken == []


@pytest.mark.parametrize("extensions", [FULL, WITHOUT_CHUNKING, ()])
@pytest.mark.parametrize("place", PLACES)
def test_a_server_that_closes_defers(place: str, extensions: tuple[str, ...]) -> None:
    if place == "DATA" and "CHUNKING" in extensions:
        return
    outcomes, usable, hop = sent_by({place: CLOSE}, *THREE, extensions=extensions)
    assert [isinstance(outcome, Deferred) and outcome.status == "4.4.2" for outcome in outcomes] == [True] * 3
    assert not usable
    assert len(hop.taken) == (place == "content")  # there it is taken, and will come again


def test_recipients_that_were_answered_before_the_end_keep_their_answer() -> None:
    script: Script = {"RCPT ann@in.test": "550 5.1.1 no ann", "RCPT bob@in.test": CLOSE}
    assert outcomes_of(script, *THREE) == [said("550 5.1.1 no ann", Failed), LOST, LOST]


@pytest.mark.parametrize("extensions", [FULL, WITHOUT_CHUNKING, ()])
@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA", "content"])
def test_a_silent_server_is_waited_for_so_long(place: str, extensions: tuple[str, ...]) -> None:
    if place == "DATA" and "CHUNKING" in extensions:
        return
    outcomes, usable, _ = sent_by({place: SILENT}, extensions=extensions)
    assert outcomes == [LATE]
    assert not usable


@pytest.mark.parametrize("place", ["RCPT cy@in.test", "DATA", "early"])
def test_a_transaction_has_an_end_however_long_each_reply_may_take(place: str) -> None:
    async def send() -> list[Outcome]:
        carrier = await opened(plan_to(hop), smtp_world(patience=Patience(30, 30, 0.3)))
        try:
            return await carrier.carry(mail)
        finally:
            await carrier.close()

    mail = replace(of_blocks(*[b"x" * 65536] * 400), leased=consignment(*THREE).leased)
    with next_hop({place: SILENT}, extensions=()) as hop:
        assert run(send())[-1] == LATE


def test_the_last_reply_is_waited_for_beyond_the_end_of_the_transaction() -> None:
    async def send() -> list[Outcome]:
        carrier = await opened(plan_to(hop), smtp_world(patience=Patience(30, 30, 0.3)))
        asyncio.get_running_loop().call_later(0.6, hop.go.set)
        outcomes = await carrier.carry(consignment())
        await carrier.close()
        return outcomes

    with next_hop({"content": WAIT}) as hop:
        assert run(send()) == [TAKEN]


@pytest.mark.parametrize("extensions", [("CHUNKING",), ()])
def test_a_server_that_does_not_read_is_waited_for_so_long(extensions: tuple[str, ...]) -> None:
    mail = of_blocks(*[b"x" * 65536] * 400)
    outcomes, usable, _ = sent_by({"early": SILENT}, mail=mail, extensions=extensions)
    assert outcomes == [LATE]
    assert not usable


@pytest.mark.parametrize("extensions", [("CHUNKING",), ()])
@pytest.mark.parametrize("end", ["deaf", "raw"])
def test_an_early_refusal_ends_the_content(end: str, extensions: tuple[str, ...]) -> None:
    mail = of_blocks(*[b"x" * 65536] * 400)
    script: Script = {"early": Do(end, "552 5.3.4 too much\r\n")}
    outcomes, usable, hop = sent_by(script, mail=mail, extensions=extensions)
    assert outcomes == [said("552 5.3.4 too much", Failed)]
    assert not usable
    assert hop.taken == []


@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA", "content", "early"])
def test_a_flood_of_replies_ends_at_a_bound(place: str) -> None:
    (outcome,), usable, _ = sent_by({place: FLOOD}, extensions=("8BITMIME",))
    reason = "127.0.0.1: the server sent a reply of more than 100 lines or 16384 octets"
    assert outcome == Deferred(reason, status="4.5.0", remote=SERVER)
    assert not usable


def test_a_flood_that_nobody_asked_for_is_not_read() -> None:
    async def send() -> tuple[bool, int]:
        carrier: Any = await opened(plan_to(hop), HASTY)
        assert await carrier.carry(consignment()) == [TAKEN]
        connection = carrier._connection
        await turned_until(lambda: not connection._reading)
        await asyncio.sleep(0)
        usable, octets = carrier.usable, len(connection._reader._data)
        await carrier.close()
        return usable, octets

    with next_hop({"after": FLOOD}) as hop:
        usable, octets = run(send())
    assert not usable
    assert octets <= 1024 * 1024


@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA", "content"])
@pytest.mark.parametrize(
    "octets",
    ["HTTP/1.1 200 OK\r\n", "\r\n", "\0\0\xff\xff\r\n", "250-a\r\n550 b\r\n", "150 x\r\n", "9" * 5000, "25 x\r\n"],
)
def test_what_is_no_reply_defers(place: str, octets: str) -> None:
    (outcome,), usable, hop = sent_by({place: Do("raw", octets)}, extensions=("8BITMIME",))
    assert isinstance(outcome, Deferred)
    assert (outcome.status, outcome.remote) == ("4.5.0", SERVER)
    assert not usable
    assert len(hop.taken) == 0


@pytest.mark.parametrize(
    ("place", "text"), [("MAIL", "354 go on"), ("RCPT", "334 x"), ("DATA", "250 2.0.0 fine"), ("content", "354 go on")]
)
def test_a_reply_that_is_none_to_the_command_defers(place: str, text: str) -> None:
    (outcome,), usable, hop = sent_by({place: text}, extensions=("8BITMIME",))
    assert isinstance(outcome, Deferred)
    assert outcome.status == "4.5.0"
    assert not usable
    assert hop.taken == []


# One connection, many messages.


@pytest.mark.parametrize("extensions", ALL_SETS)
def test_a_connection_is_used_for_many_messages(extensions: tuple[str, ...]) -> None:
    with next_hop(extensions=extensions) as hop:
        outcomes = carried(hop, *[consignment(f"r{number}@in.test") for number in range(50)])
    assert outcomes == [[TAKEN if "DSN" in extensions else RELAYED]] * 50
    assert [taken.recipients for taken in hop.taken] == [[f"r{number}@in.test"] for number in range(50)]
    assert (hop.connections, hop.said("RSET")) == (1, [])


@pytest.mark.parametrize("extensions", ALL_SETS)
@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA", "content"])
def test_what_was_refused_does_not_touch_what_comes_behind_it(place: str, extensions: tuple[str, ...]) -> None:
    with next_hop({place: ["550 5.0.0 no", "250 2.0.0 yes"]}, extensions=extensions) as hop:
        if place == "DATA":
            hop.script[place] = ["550 5.0.0 no", "354 go on"]
        _, second = carried(hop, consignment("ann@in.test"), consignment("bob@in.test"))
    assert isinstance(second[0], Delivered)
    assert hop.taken[-1].recipients == ["bob@in.test"]
    assert hop.connections == 1


def test_a_server_that_forgets_nothing_gets_nothing_more() -> None:
    script: Script = {"RCPT": "550 5.1.1 no", "RSET": "500 5.5.1 what?"}
    with next_hop(script) as hop:
        outcomes = carried(hop, consignment(), consignment())
    reason = "127.0.0.1: the server would not forget the transaction before: 500 5.5.1 what?"
    assert outcomes == [[said("550 5.1.1 no", Failed)], [Deferred(reason, status="4.5.0", remote=SERVER)]]


def test_after_so_many_messages_a_connection_is_used_up() -> None:
    async def send() -> list[bool]:
        carrier = await opened(plan_to(hop), smtp_world(messages=2))
        usable = [carrier.usable]
        for _ in range(2):
            await carrier.carry(consignment())
            usable.append(carrier.usable)
        await carrier.close()
        return usable

    with next_hop() as hop:
        assert run(send()) == [True, True, False]
    assert hop.lines[-1] == "QUIT"


@pytest.mark.parametrize("octets", ["250 2.0.0 unasked\r\n", "2", "421 4.4.2 idle\r\n"])
def test_what_comes_unasked_makes_a_connection_unusable(octets: str) -> None:
    async def send() -> bool:
        carrier: Any = await opened(plan_to(hop))
        assert await carrier.carry(consignment()) == [TAKEN]
        await turned_until(lambda: carrier._connection.has_input)
        usable: bool = carrier.usable
        await carrier.close()
        return usable

    with next_hop({"after": Do("raw", octets)}) as hop:
        assert not run(send())


def lost_on_second(script: Script, extensions: tuple[str, ...] = FULL) -> str:
    """What `CarrierLost` says about a second message, when the first was taken."""

    async def send() -> str:
        carrier = await opened(plan_to(hop), HASTY)
        assert isinstance((await carrier.carry(consignment()))[0], Delivered)
        try:
            await carrier.carry(consignment())
        except CarrierLost as error:
            assert not carrier.usable
            await carrier.close()
            return str(error)
        raise AssertionError("it was carried")

    with next_hop(script, extensions=extensions) as hop:
        lost = run(send())
    assert len(hop.taken) == 1
    return lost


@pytest.mark.parametrize("extensions", ALL_SETS)
def test_a_connection_that_was_closed_between_two_messages_is_lost(extensions: tuple[str, ...]) -> None:
    assert lost_on_second({"MAIL": ["250 2.1.0 fine", CLOSE]}, extensions) == "the server closed the connection"


@pytest.mark.parametrize("extensions", ALL_SETS)
def test_421_to_the_first_command_of_a_later_message_means_that_the_connection_is_lost(
    extensions: tuple[str, ...],
) -> None:
    script: Script = {"MAIL": ["250 2.1.0 fine", "421 4.7.0 too many"]}
    assert lost_on_second(script, extensions) == "421 4.7.0 too many"


def test_421_later_in_a_later_message_is_an_answer_to_it() -> None:
    with next_hop({"RCPT": ["250 2.1.5 fine", "421 4.7.0 too many"]}) as hop:
        assert carried(hop, consignment(), consignment()) == [[TAKEN], [said("421 4.7.0 too many")]]


def test_421_or_silence_to_rset_carries_nothing() -> None:
    acts: list[Act] = ["421 4.3.2 closing", CLOSE]
    for act in acts:
        with next_hop({"RCPT": "550 5.1.1 no", "RSET": act}) as hop, pytest.raises(CarrierLost):
            carried(hop, consignment(), consignment())
    with next_hop({"RCPT": "550 5.1.1 no", "RSET": SILENT}) as hop:
        assert carried(hop, consignment(), consignment(), world=HASTY)[1] == [LATE]


def test_a_server_that_does_not_answer_quit_holds_nobody_up() -> None:
    async def send() -> float:
        carrier = await opened(plan_to(hop))
        assert await carrier.carry(consignment()) == [TAKEN]
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await carrier.close()
        return loop.time() - begun

    with next_hop({"QUIT": WAIT}) as hop:
        assert run(send()) < 5
