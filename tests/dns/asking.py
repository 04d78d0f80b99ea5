# SPDX-License-Identifier: Apache-2.0
"""A resolver that asks a name server of the test and believes a stopped clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import uvloop

from genkan.dns.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import TypeVar

    from genkan.config_values import ListenAddress
    from genkan.dns.answer import Answer, RecordType
    from tests.support.dns_server import DnsServer
    from tests.support.server import StoppedClock

    T = TypeVar("T")

PATIENT: Final = timedelta(seconds=10)


@dataclass(frozen=True)
class Asking:
    """A resolver with one server, on an event loop that turns while something is asked."""

    server: DnsServer
    clock: StoppedClock
    resolver: Resolver

    def ask(self, name: str, rdtype: RecordType = "A") -> Answer:
        async def query() -> Answer:
            return await self.resolver.query(name, rdtype)

        return run(query())

    def hasty(
        self, *servers: ListenAddress, timeout: float = 0.2, tell: Callable[[str], None] = lambda _why: None
    ) -> Asking:
        """The same with a short deadline, and other servers if some are given."""
        resolver = Resolver(servers or (self.server.address,), timedelta(seconds=timeout), self.clock, tell=tell)
        return Asking(self.server, self.clock, resolver)

    def after(self, seconds: float) -> Asking:
        """The same, that much later."""
        self.clock.advance(timedelta(seconds=seconds))
        return self


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run it as the server does."""
    return uvloop.run(coroutine)
