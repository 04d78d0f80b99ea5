# SPDX-License-Identifier: Apache-2.0
"""The check of SPF at MAIL (setting `spf.mode`): whether the domain of a foreign reverse-path permits the client.

For the null reverse-path it is the domain of HELO that is asked (RFC 7208, 2.4).

The product's add-on for that is documented by its reply alone; which results defer, who gets in at last, and who is not
asked about, is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.dns.spf import SpfResult
from genkan.policy.client import is_known
from genkan.policy.facts import SpfFinding
from genkan.policy.networks import Networks
from genkan.policy.verdict import Verdict
from genkan.smtp import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from genkan.config_authenticity import Spf
    from genkan.policy.facts import TransactionFacts
    from genkan.policy.rulebook import Rulebook
    from genkan.policy.world import World

SPF: Final = "spf"  # the fact that has the result
GREY: Final = "spf grey"  # the fact whether one that is to be deferred has come again late enough


class SpfCheck:
    """A client that the sender's domain does not permit is deferred, where the setting says so; else only the fact is noted.

    Not asked: about accounts, clients that effect.dat trusts and exempt ones. Never deferred: local reverse-paths. An error in
    the record defers nobody, one of the DNS only by the setting `spf.dns_failure`.
    """

    name = "spf"

    def __init__(self, settings: Spf, rulebook: Rulebook, world: World) -> None:
        """The rulebook has effect.dat, the world asks the DNS."""
        self._exempt = Networks(settings.exempt)
        self._rulebook = rulebook
        self._world = world
        results = ("fail", "softfail") if settings.softfail else ("fail",)
        self._deferred = results if settings.mode == "defer" else ()
        self._wants_dns = settings.mode == "defer" and settings.dns_failure == "defer"
        self._grey = settings.grey
        self.needed = settings.mode != "off"

    def check(self, transaction: TransactionFacts) -> Verdict | Awaitable[Verdict | None] | None:
        """Ask, and defer a client that is not permitted."""
        if is_known(self._rulebook, self._exempt, transaction):
            return None
        client, hello, path = transaction.connection.client_address, transaction.hello_domain, transaction.reverse_path
        sender = "" if path is None else f"{path.local_part}@{path.domain}"
        result = self._world.spf(client, sender, hello)
        if result is None or isinstance(result, SpfResult):
            return self._judge(transaction, result)
        return self._wait(transaction, result)

    async def _wait(self, transaction: TransactionFacts, result: Awaitable[SpfResult | None]) -> Verdict | None:
        return self._judge(transaction, await result)

    def _judge(self, transaction: TransactionFacts, found: SpfResult | None) -> Verdict | None:
        if found is None:
            return None
        path = transaction.reverse_path
        domain = found.domain or (transaction.hello_domain if path is None else path.domain)
        transaction.facts[SPF] = found.result
        transaction.spf = SpfFinding(found.result, "smtp.helo" if path is None else "smtp.mailfrom", domain)
        if transaction.sender_is_local:  # who may use our domains is for other checks to say; DMARC wants to know
            return None
        if found.result == "temperror" and self._wants_dns:
            return Verdict(self.name, replies.SPF_UNAVAILABLE, detail=found.reason)
        if found.result not in self._deferred or self._is_patient(transaction):
            return None
        client, reason = transaction.connection.client_address, f" ({found.reason})" if found.reason else ""
        detail = f"{found.result}: {domain} does not permit {client}{reason}"
        return Verdict(self.name, replies.SPF_DEFERRED, detail=detail)

    def _is_patient(self, transaction: TransactionFacts) -> bool:
        """Whether one that is to be deferred is let in after all (setting `spf.grey`)."""
        if not self._grey:
            return False
        path = transaction.reverse_path
        sender = transaction.hello_domain if path is None else f"{path.local_part}@{path.domain}"
        patient = self._world.is_patient(transaction.connection.client_address, sender)
        transaction.facts[GREY] = patient
        return patient
