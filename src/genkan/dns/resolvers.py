# SPDX-License-Identifier: Apache-2.0
"""A resolver for each name server that a rule names, beside the one for all other questions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from genkan.config_values import ListenAddress
from genkan.dns.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from genkan.clock import Clock

PORT: Final = 53


class Resolvers:
    """Made when first asked for, and kept with their caches."""

    def __init__(
        self,
        servers: Sequence[ListenAddress],
        timeout: timedelta,
        clock: Clock,
        tell: Callable[[str, str], None] = lambda _server, _why: None,
    ) -> None:
        """`servers` are the usual ones (setting `dns.servers`), `timeout` is for a whole question.

        `tell` is as in `Watch`, with the server first, "" for the usual ones.
        """
        self._servers = servers
        self._timeout = timeout
        self._clock = clock
        self._tell = tell
        self._of: dict[str, Resolver] = {}

    def __call__(self, server: str = "") -> Resolver:
        """The resolver that asks the name server at this IP address, or the usual ones."""
        resolver = self._of.get(server)
        if resolver is None:
            servers = (ListenAddress(server, PORT),) if server else self._servers
            resolver = self._of[server] = Resolver(
                servers, self._timeout, self._clock, tell=partial(self._tell, server)
            )
        return resolver
