# SPDX-License-Identifier: Apache-2.0
"""The check of SPF at MAIL (setting `spf.mode`): whether the domain of a foreign reverse-path permits the client.

For the null reverse-path it is the domain of HELO that is asked (RFC 7208, 2.4).

The product's add-on for that is documented by its reply alone; which results defer, and who is not asked about, is ours.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from genkan.policy.client import is_trusted
from genkan.policy.verdict import Verdict
from genkan.rules.effect import EffectAction
from genkan.smtp import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from genkan.config import Spf
    from genkan.policy.facts import TransactionFacts
    from genkan.policy.rulebook import Rulebook
    from genkan.policy.world import World

SPF: Final = "spf"  # the fact that has the result


class SpfCheck:
    """A client that the sender's domain does not permit is deferred, where the setting says so; else only the fact is noted.

    Not asked: about accounts, local reverse-paths, clients that effect.dat trusts and exempt ones. An error of the DNS or
    in the record defers nobody.
    """

    name = "spf"

    def __init__(self, settings: Spf, rulebook: Rulebook, world: World) -> None:
        """The rulebook has effect.dat, the world asks the DNS."""
        self._exempt = settings.exempt
        self._rulebook = rulebook
        self._world = world
        results = ("fail", "softfail") if settings.softfail else ("fail",)
        self._deferred = results if settings.mode == "defer" else ()
        self.needed = settings.mode != "off"

    def check(self, transaction: TransactionFacts) -> Awaitable[Verdict | None] | None:
        """Ask, and defer a client that is not permitted."""
        if transaction.sender_is_local or self._is_trusted(transaction):
            return None
        return self._ask(transaction)

    async def _ask(self, transaction: TransactionFacts) -> Verdict | None:
        client, hello, path = transaction.connection.client_address, transaction.hello_domain, transaction.reverse_path
        sender = "" if path is None else f"{path.local_part}@{path.domain}"
        result = await self._world.spf(client, sender, hello)
        if result is None:
            return None
        transaction.facts[SPF] = result
        if result not in self._deferred:
            return None
        domain = hello if path is None else path.domain
        return Verdict(self.name, replies.SPF_DEFERRED, detail=f"{result}: {domain} does not permit {client}")

    def _is_trusted(self, transaction: TransactionFacts) -> bool:
        """Whether the client is known: an account, exempt, or by effect.dat, as for block lists."""
        if transaction.connection.account is not None or transaction.action is EffectAction.TRUE:
            return True
        client = transaction.connection.client_address
        return is_trusted(self._rulebook, client) or any(ip_address(client) in network for network in self._exempt)
