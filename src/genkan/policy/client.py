# SPDX-License-Identifier: Apache-2.0
"""Checks of the client address, before the greeting: the trial period, lock-outs, refused clients, DNS block lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.policy.networks import LOOPBACK, Networks
from genkan.policy.rulebook import met
from genkan.policy.verdict import Verdict
from genkan.rules.effect import EffectAction
from genkan.smtp import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import date

    from genkan.directory.directory import Directory
    from genkan.policy.facts import ConnectionFacts, TransactionFacts
    from genkan.policy.rulebook import Rulebook
    from genkan.policy.world import World
    from genkan.rules.ordb import OrdbRules

_LOOPBACK: Final = Networks(LOOPBACK)

BLOCK_LIST: Final = "block list"  # the fact that names the zone which lists the client, or ""


class TrialPeriod:
    """From the day `expires` on, nobody is served (setting `expires`; UTC)."""

    name = "trial-period"

    def __init__(self, expires: date | None, world: World) -> None:
        """`expires` is `None` where there is no such day."""
        self._expires = expires
        self._world = world
        self.needed = expires is not None

    def check(self, _connection: ConnectionFacts) -> Verdict | None:
        """Refuse once the period is over."""
        if self._expires is None or self._world.now().date() < self._expires:
            return None
        return Verdict(self.name, replies.TRIAL_EXPIRED, detail=f"expires = {self._expires}")


class LockOut:
    """Who is named in rejectsmtpip.dat, or was locked by the server itself, is cut off without a greeting.

    The server locks a client that failed to authenticate too often, or connected too often; such locks are lines of
    rejectsmtpip.dat, too (the product's page faq17-09). A line that exempts a client counts for them as well.
    """

    name = "lock-out"

    def __init__(self, directory: Directory, rulebook: Rulebook, world: World) -> None:
        """Locks lie in the directory, so that every worker sees them."""
        self._directory = directory
        self._rulebook = rulebook
        self._world = world

    def check(self, connection: ConnectionFacts) -> Verdict | None:
        """Cut off a refused or locked address."""
        now, client = self._world.now(), connection.client_address
        found = self._rulebook.rejectsmtpip().match(client, int(now.timestamp()))
        if found is not None:
            rule = met(found.origin, found)
            connection.rules.append(rule)
            return None if found.exempt else Verdict(self.name, None, detail=f"{rule.text} matches", rule=rule)
        until = self._directory.locks.locked_until(client, now)
        return None if until is None else Verdict(self.name, None, detail=f"locked until {until}")


class BlockLists:
    """A client that a DNS block list of ordb.dat names is refused (the product's pages faq01-50, bsd-05-24).

    Loopback, and clients that effect.dat has a line of their own for that trusts them, are not looked up. The time is the
    resolver's: a list that does not answer in time lists nobody.
    """

    name = "block-list"

    def __init__(self, rulebook: Rulebook, world: World) -> None:
        """The rulebook has the zones, the world asks them."""
        self._rulebook = rulebook
        self._world = world

    def check(self, connection: ConnectionFacts) -> Verdict | Awaitable[Verdict | None] | None:
        """Refuse a listed client."""
        rules = self._rulebook.ordb()
        if not rules.zones or is_trusted(self._rulebook, connection.client_address):
            return None
        answer = self._world.listed(connection.client_address, [zone.name for zone in rules.zones])
        if answer is None or isinstance(answer, str):
            return self._judge(connection, rules, answer)
        return self._wait(connection, rules, answer)

    async def _wait(
        self, connection: ConnectionFacts, rules: OrdbRules, answer: Awaitable[str | None]
    ) -> Verdict | None:
        return self._judge(connection, rules, await answer)

    def _judge(self, connection: ConnectionFacts, rules: OrdbRules, listed: str | None) -> Verdict | None:
        connection.facts[BLOCK_LIST] = listed or ""
        zone = next((zone for zone in rules.zones if zone.name == listed), None)
        if zone is None:
            return None
        rule = met(zone.origin, zone)
        connection.rules.append(rule)
        detail = f"{connection.client_address} is listed in {zone.name}"
        return Verdict(self.name, replies.CLIENT_LISTED, {"client_address": connection.client_address}, detail, rule)


def is_known(rulebook: Rulebook, exempt: Networks, transaction: TransactionFacts) -> bool:
    """Whether nobody need be asked who sends: an account, a client that is trusted, or one of the networks `exempt`."""
    if transaction.connection.account is not None or transaction.action is EffectAction.TRUE:
        return True
    client = transaction.connection.client_address
    return exempt.hold(client) or is_trusted(rulebook, client)


def is_trusted(rulebook: Rulebook, client_address: str) -> bool:
    """Whether nobody need be asked about a client: loopback, and whom effect.dat names in a line that trusts it."""
    if _LOOPBACK.hold(client_address):
        return True
    match = rulebook.effect().match_client(client_address)
    if match is None or not match.rule.names_client:
        return False
    return match.action in (EffectAction.TRUE, EffectAction.DEFAULT, EffectAction.ONLY)
