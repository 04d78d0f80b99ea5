# SPDX-License-Identifier: Apache-2.0
"""The other end as the queue of a next hop sees it, and a worker that has such queues."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from genkan.delivery.carrier import HopUnreachable
from genkan.delivery.hop import HopLimits, Hops
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.ways import Way
from genkan.maillog import LogStream, MailLog
from tests.delivery.consignments import consignment
from tests.delivery.relaying import turned_until
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from genkan.delivery.carrier import Opener
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome

DEAD: Final = Deferred("nobody is there", status="4.4.1", remote="hop.test")
DONE: Final = Delivered("hop.test: 250 taken")
SECONDS: Final = [30, 60, 120, 240, 480, 960, 1800, 1800]


@dataclass
class Place:
    """What is at the other end: opens carriers, unless it is dead, that do with mail what `act` does."""

    act: Callable[[Consignment], Awaitable[list[Outcome]]] | None = None
    dead: Deferred | Failed | Exception | None = None
    most: int = 1000  # connections that it takes
    tried: int = 0
    open: int = 0
    most_open: int = 0
    carried: list[str] = field(default_factory=list)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    async def __call__(self) -> PlaceCarrier:
        self.tried += 1
        await asyncio.sleep(0)
        if isinstance(self.dead, Exception):
            raise self.dead
        if self.dead is not None or self.open >= self.most:
            raise HopUnreachable(self.dead or DEAD)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        return PlaceCarrier(self)


class PlaceCarrier:
    """One of its carriers."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.usable = True
        self.is_open = True

    async def carry(self, mail: Consignment) -> list[Outcome]:
        assert self.is_open
        await asyncio.sleep(0)
        outcomes: list[Outcome] = [DONE] * len(mail.leased)
        if self.place.act is not None:
            outcomes = await self.place.act(mail)
        self.place.carried.append(mail.envelope.message_id)
        return outcomes

    async def close(self) -> None:
        assert self.is_open
        self.is_open = False
        self.place.open -= 1
        await asyncio.sleep(0)


class Office:
    """The hops of a worker, and what was told of their mail."""

    def __init__(self, log: Path, limits: HopLimits | None = None) -> None:
        self.clock = StoppedClock()
        self.told: list[tuple[str, Outcome]] = []
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        mail_log = MailLog(LogStream(self._log), self.clock)
        self.hops = Hops(limits or HopLimits(100, 0.02), self._carried, mail_log, self.clock)
        self.put_so_far = 0

    def put(self, opener: Opener, count: int = 1, *, name: str = "hop.test", connections: int = 5) -> None:
        for _ in range(count):
            self.hops.put(Way(name, opener, connections, 100), numbered(self.put_so_far))
            self.put_so_far += 1

    async def settled(self) -> list[Outcome]:
        """The outcomes of all that was put, in its order, when they are told and all connections closed."""
        await turned_until(lambda: len(self.told) >= self.put_so_far)
        await turned_until(lambda: all(queue.is_still for queue in self.hops._queues.values()))
        ids = [message_id for message_id, _ in self.told]
        assert sorted(ids) == [identifier(number) for number in range(self.put_so_far)]  # each once
        assert self.hops._slots._left == self.hops._limits.connections
        assert not self.hops._slots.are_wanted
        return [outcome for _, outcome in sorted(self.told, key=lambda each: each[0])]

    def close(self) -> None:
        os.close(self._log)

    def _carried(self, mail: Consignment, outcomes: Sequence[Outcome]) -> None:
        assert len(mail.leased) == len(outcomes)
        self.told += [(mail.envelope.message_id, outcome) for outcome in outcomes]


def identifier(number: int) -> str:
    return f"B{number:010}"


def numbered(number: int, *recipients: str) -> Consignment:
    mail = consignment(*recipients)
    envelope = mail.envelope._replace(message_id=identifier(number))
    return replace(mail, envelope=envelope, leased=tuple(replace(one, envelope=envelope) for one in mail.leased))
