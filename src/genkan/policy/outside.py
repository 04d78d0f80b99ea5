# SPDX-License-Identifier: Apache-2.0
"""The outside as the checks see it in a running server: the clock, the Maildirs, the DNS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from genkan.dns.blocklists import UNKNOWN, host_listed, listed, listed_now
from genkan.dns.spf import spf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from datetime import datetime

    from genkan.clock import Clock
    from genkan.directory.accounts import Account
    from genkan.dns.answer import Answer
    from genkan.dns.resolver import Resolver
    from genkan.dns.spf import SpfResult
    from genkan.rules.mail_hosts import Lookup


class Outside:
    """See `World`."""

    def __init__(
        self,
        clock: Clock,
        usage: Callable[[Account], Awaitable[int]],
        resolver: Callable[[str], Resolver],
        is_patient: Callable[[str, str], bool],
    ) -> None:
        """`usage` gives the octets in an account's mailbox, `resolver` that for a name server, "" for the usual ones.

        `is_patient` is as in `World`.
        """
        self._usage = usage
        self._resolver = resolver
        self._clock = clock
        self.is_patient: Final = is_patient

    def may_ask(self, _about: str) -> bool:
        """See `World`."""
        return True

    def now(self) -> datetime:
        """See `World`."""
        return self._clock.now()

    def mailbox_usage(self, account: Account) -> Awaitable[int]:
        """See `World`."""
        return self._usage(account)

    def listed(self, client_address: str, zones: Sequence[str]) -> str | Awaitable[str | None] | None:
        """See `World`."""
        resolver = self._resolver("")
        known = listed_now(resolver, client_address, zones)
        return listed(resolver, client_address, zones) if known is UNKNOWN else known

    def spf(self, client_address: str, sender: str, hello_domain: str) -> SpfResult | Awaitable[SpfResult]:
        """See `World`."""
        return spf(self._resolver(""), client_address, sender, hello_domain)

    def texts(self, name: str, client_address: str) -> asyncio.Future[Answer]:
        """See `World`."""
        return self._resolver("").query(name, "TXT", client_address)

    async def hosts_listed(self, lookups: Sequence[Lookup]) -> Collection[Lookup]:
        """See `World`. All are asked at once."""
        questions = [host_listed(self._resolver(lookup.server), lookup.host, lookup.zone) for lookup in lookups]
        answers = await asyncio.gather(*questions)
        return frozenset([lookup for lookup, answer in zip(lookups, answers, strict=True) if answer])
