# SPDX-License-Identifier: Apache-2.0
"""Mail carried to a next hop of the test as a worker does it, on an event loop on which nothing may be left behind."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import uvloop

from genkan.delivery.carrier import HopUnreachable
from genkan.delivery.outcome import Delivered
from genkan.delivery.smtp_opener import SmtpOpener, SmtpPlan
from tests.delivery.consignments import consignment
from tests.delivery.worlds import smtp_world
from tests.support.server import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import TypeVar

    from genkan.delivery.carrier import Carrier
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Deferred, Failed, Outcome
    from genkan.delivery.smtp_opener import SmtpWorld
    from tests.support.next_hop import NextHop

    T = TypeVar("T")

SERVER: Final = "127.0.0.1"


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run it as the server does; no task may be left."""

    async def alone() -> T:
        result = await coroutine
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return uvloop.run(alone())


async def turned_until(condition: Callable[[], bool]) -> None:
    """Let the event loop turn until something has happened."""
    never = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.wait([never], timeout=0.0005)


@contextmanager
def no_socket_left() -> Iterator[None]:
    """What the block opens is closed when it ends, or a moment later."""
    before = _sockets()
    yield
    until(lambda: _sockets() <= before, "the end of all sockets")


def plan_to(hop: NextHop, **settings: Any) -> SmtpPlan:
    """The hop by its address and port."""
    return SmtpPlan(host=SERVER, port=hop.port, lmtp=hop.lmtp, **settings)


async def opened(plan: SmtpPlan, world: SmtpWorld | None = None) -> Carrier:
    return await SmtpOpener(world or smtp_world(), plan)()


def taken_by(plan: SmtpPlan, world: SmtpWorld | None = None) -> list[Outcome]:
    """What becomes of a message over the way that is opened."""

    async def send() -> list[Outcome]:
        carrier = await opened(plan, world)
        outcomes = await carrier.carry(consignment())
        await carrier.close()
        return outcomes

    return run(send())


def by(server: str) -> list[Outcome]:
    """What becomes of a message that a server takes which has DSN."""
    return [Delivered(f"{server}: 250 2.0.0 taken", "nothing")]


def unreachable(plan: SmtpPlan, world: SmtpWorld | None = None) -> Deferred | Failed:
    """What becomes of mail for a hop to which no way can be opened."""

    async def open_it() -> Deferred | Failed:
        try:
            carrier = await opened(plan, world)
        except HopUnreachable as error:
            return error.outcome
        await carrier.close()
        raise AssertionError("a way was opened")

    return run(open_it())


def carried(hop: NextHop, *mails: Consignment, world: SmtpWorld | None = None) -> list[list[Outcome]]:
    """What becomes of these, carried over one connection."""

    async def carry() -> list[list[Outcome]]:
        carrier = await opened(plan_to(hop), world)
        outcomes = [await carrier.carry(mail) for mail in mails]
        await carrier.close()
        return outcomes

    return run(carry())


def _sockets() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return {name for name in found if name.startswith("socket:")}
