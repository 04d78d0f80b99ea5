# SPDX-License-Identifier: Apache-2.0
"""Names in URLs, looked up by our own resolver, as the HTTP client wants to ask for them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from genkan.dns.resolver import Resolver

MOST_ADDRESSES: Final = 4  # of a server that are tried, of each family

_LOCALHOST: Final = ((socket.AF_INET, ("127.0.0.1",)), (socket.AF_INET6, ("::1",)))


class HttpNames(AbstractResolver):
    """Asks the DNS, and nothing else, for all names but `localhost`, which no name server is asked for (RFC 6761, 6.3)."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of both families, whatever is asked for. Raises `OSError` when there are none."""
        del family
        name = host.lower().removesuffix(".")
        is_local = name == "localhost" or name.endswith(".localhost")
        found = [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, addresses in (_LOCALHOST if is_local else await self._ask(host))
            for address in addresses[:MOST_ADDRESSES]
        ]
        if not found:
            raise OSError(f"the DNS has no address for {host}")
        return found

    async def close(self) -> None:
        """Nothing: the resolver is not the session's."""

    async def _ask(self, host: str) -> tuple[tuple[socket.AddressFamily, tuple[str, ...]], ...]:
        old, new = self._resolver.query(host, "A"), self._resolver.query(host, "AAAA")
        return (socket.AF_INET, (await old).texts), (socket.AF_INET6, (await new).texts)
