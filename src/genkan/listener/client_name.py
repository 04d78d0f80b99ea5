# SPDX-License-Identifier: Apache-2.0
"""The domain of a client that the reverse tree names and that leads back to it, for the Received field and the logs.

It is asked for when the client comes, beside the block lists, and nothing waits for it but the first mail data, for what is
left of the DNS's deadline (setting `dns.timeout`): mostly nothing, since all commands before have taken their time. A field
without the name could not be mended later. A client without one, or whose name the DNS does not give, nobody refuses for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.dns.reverse import client_domain, client_domain_now
from genkan.policy.networks import LOOPBACK, Networks

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from genkan.config_values import Network
    from genkan.dns.resolver import Resolver


class ClientName:
    """The name of one connection's client: `domain` as far as it is known, else ""; `asking` while it is asked for."""

    __slots__ = ("asking", "domain")

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.domain = ""
        self.asking: asyncio.Task[None] | None = None


class ClientNames:
    """Looks names up, for all connections of a worker."""

    def __init__(self, resolver: Resolver | None, exempt: Sequence[Network], loop: asyncio.AbstractEventLoop) -> None:
        """Without a resolver (setting `dns.reverse`) nobody is asked about, else all but loopback and the `exempt`."""
        self._resolver = resolver
        self._exempt = Networks((*exempt, *LOOPBACK))
        self._loop = loop

    def look_up(self, name: ClientName, client_address: str) -> None:
        """Find the name out: at once where the DNS's answers are known, else in a task of its own, which ends in time."""
        resolver = self._resolver
        if resolver is None or self._exempt.hold(client_address):
            return
        known = client_domain_now(resolver, client_address)
        if known is not None:
            name.domain = known
            return
        name.asking = self._loop.create_task(_ask(name, resolver, client_address))


async def _ask(name: ClientName, resolver: Resolver, client_address: str) -> None:
    name.domain = await client_domain(resolver, client_address)
    name.asking = None
