# SPDX-License-Identifier: Apache-2.0
"""The domain that `genkan doctor` looks at: how it is asked about, and what several checks look at, looked up once for all.

Whoever runs the domain decides what its names lead to, so hosts and addresses are bounded. Nothing is judged here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self

from genkan.admin.doctor_handshake import Handshake, Visitor, shake_hands
from genkan.dns.answer import Status

if TYPE_CHECKING:
    from genkan.admin.dkim_operations import KeyEntry
    from genkan.delivery.mx import OwnNames
    from genkan.dns.resolver import Resolver
    from genkan.findings import Finding

MOST_HOSTS: Final = 10  # of a domain; the best are looked at
MOST_ADDRESSES: Final = 8  # of a host


@dataclass(frozen=True, slots=True)
class Home:
    """What of this installation the DNS is compared with, for a domain of ours.

    `sources` are the addresses that it is set to send from, `certificate` is what is wrong with the configured file.
    """

    hostname: str
    own: OwnNames
    sources: tuple[str, ...]
    keys: tuple[KeyEntry, ...]
    signs: bool
    certificate: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A domain in lower-case A-labels, and how to ask about it; `home` is `None` for a domain of others.

    `selectors` are those of DKIM keys to look at beside our own. `https_port` is 443 but in tests.
    """

    domain: str
    resolver: Resolver
    visitor: Visitor
    home: Home | None = None
    selectors: tuple[str, ...] = ()
    https_port: int = 443


@dataclass(frozen=True, slots=True)
class Host:
    """A name and its addresses; `alias` is the name that a CNAME leads to, `trouble` why not all of it could be had."""

    name: str
    addresses: tuple[str, ...] = ()
    alias: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class MxHosts:
    """The hosts that take a domain's mail, the best first; `count` is how many records there are.

    "null": a null MX, beside which nothing should stand (RFC 7505, 3); "implicit": no record, so the domain itself is the
    host (RFC 5321, 5.1).
    """

    kind: Literal["explicit", "implicit", "null"]
    hosts: tuple[Host, ...]
    count: int


class Examination:
    """What several checks of one case look at; each thing is looked up once, and the hosts visited when a check wants that.

    Use it as a context: what is under way at its end is given up.
    """

    def __init__(self, case: Case) -> None:
        """Make it on the event loop."""
        self.case: Final = case
        self._mx = asyncio.create_task(look_up_mx(case.resolver, case.domain))
        self._own = asyncio.create_task(self._look_up_own())
        self._handshakes: asyncio.Task[dict[Host, Handshake]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [task for task in (self._mx, self._own, self._handshakes) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def mx(self) -> MxHosts:
        """The hosts that take the domain's mail."""
        return await asyncio.shield(self._mx)  # a check that runs out of time does not stop it for the others

    async def own_host(self) -> Host | None:
        """The addresses of our hostname, where the domain is ours."""
        return await asyncio.shield(self._own)

    async def handshakes(self) -> dict[Host, Handshake]:
        """What each MX host with an address shows at its port."""
        if self._handshakes is None:
            self._handshakes = asyncio.create_task(self._shake_hands())
        return await asyncio.shield(self._handshakes)

    async def _look_up_own(self) -> Host | None:
        home = self.case.home
        return None if home is None else await look_up_host(self.case.resolver, home.hostname.lower())

    async def _shake_hands(self) -> dict[Host, Handshake]:
        mx = await self.mx()
        hosts = [host for host in mx.hosts if host.addresses]
        visits = [shake_hands(self.case.visitor, host.name, host.addresses) for host in hosts]
        return dict(zip(hosts, await asyncio.gather(*visits), strict=True))


async def look_up_mx(resolver: Resolver, domain: str) -> MxHosts:
    """The MX hosts with their addresses; none where the DNS does not answer."""
    answer = await resolver.query(domain, "MX")
    names = list(dict.fromkeys(exchange.name for exchange in answer.exchanges))
    if not names:
        return MxHosts("implicit", (await look_up_host(resolver, domain),), 0)
    wanted = [name for name in names if name != "."][:MOST_HOSTS]
    hosts = await asyncio.gather(*(look_up_host(resolver, name) for name in wanted))
    return MxHosts("null" if "." in names else "explicit", tuple(hosts), len(names))


async def look_up_host(resolver: Resolver, name: str) -> Host:
    """A host's addresses, those of IPv4 first, and whether it is only an alias."""
    questions = [resolver.query(name, rdtype) for rdtype in ("A", "AAAA", "CNAME")]
    old, new, alias = [await question for question in questions]
    troubles = dict.fromkeys(answer.detail for answer in (old, new) if answer.status is Status.FAILED)
    addresses = (*old.texts, *new.texts)[:MOST_ADDRESSES]
    return Host(name, addresses, next(iter(alias.texts), ""), "; ".join(troubles))
