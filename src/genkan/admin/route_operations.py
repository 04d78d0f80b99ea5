# SPDX-License-Identifier: Apache-2.0
"""What can be done about routes and next hops, once: a command line or a page only shows what this returns.

Errors are those of `Operations`; their texts say what to do. No password ever leaves here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack, assert_never

from genkan.admin.check_routes import hop_findings, route_findings
from genkan.delivery.onward import Onward
from genkan.directory import Directory, Elsewhere, External, Local, MailingList, NotFound, Unknown
from genkan.directory.destination import Maildir
from genkan.directory.resolution import ListRole

if TYPE_CHECKING:
    from genkan.config import Config
    from genkan.directory.accounts import Account
    from genkan.directory.destination import Destination
    from genkan.directory.hops import Hop, HopFields
    from genkan.directory.routes import Route
    from genkan.findings import Finding
    from genkan.smtp.address import Mailbox


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """A route: its pattern folded, its destination as it is stored."""

    pattern: str
    destination: str


@dataclass(frozen=True, slots=True)
class HopEntry:
    """How a next hop is spoken to, without its password; "" and `None` leave it to the settings."""

    name: str
    tls: str
    source: str
    username: str
    password: bool
    connections: int | None


@dataclass(frozen=True, slots=True)
class WayEntry:
    """Where mail for an address goes now: the mailbox that decides, the destination, and what says so."""

    address: str
    mailbox: str
    destination: str
    reason: str


class RouteOperations:
    """An operator's hand on routes and next hops. Safe beside a running server."""

    def __init__(self, directory: Directory, config: Config) -> None:
        """Work with an open directory."""
        self._directory = directory
        self._config = config
        self._onward = Onward(directory, config.delivery.smarthost)

    def add_route(
        self, pattern: str, destination: str, *, replace: bool = False
    ) -> tuple[RouteEntry, tuple[Finding, ...]]:
        """Let mail for a pattern go to a destination, and say what is odd about that."""
        route = self._directory.routes.add(pattern, destination, replace=replace)
        return _route_entry(route), tuple(route_findings(route, self._directory, self._config))

    def list_routes(self, pattern: str | None = None) -> tuple[RouteEntry, ...]:
        """All routes, or the one of this pattern."""
        return tuple(map(_route_entry, self._directory.routes.list(pattern)))

    def remove_route(self, pattern: str) -> None:
        """Let mail for a pattern go where it goes without this route."""
        self._directory.routes.remove(pattern)

    def show_way(self, address: Mailbox) -> WayEntry:
        """Where mail for an address goes now; raises NotFound where nobody has it."""
        mailbox, (destination, reason) = self._way(address)
        return WayEntry(str(address), str(mailbox), str(destination), reason)

    def set_hop(self, name: str, **fields: Unpack[HopFields]) -> tuple[HopEntry, tuple[Finding, ...]]:
        """Change how a next hop is spoken to, and say what is odd about that."""
        hop = self._directory.hops.set(name, **fields)
        return _hop_entry(hop), tuple(hop_findings(hop, self._config))

    def list_hops(self) -> tuple[HopEntry, ...]:
        """All next hops that something is set for."""
        return tuple(map(_hop_entry, self._directory.hops.list()))

    def remove_hop(self, name: str) -> None:
        """Leave a next hop to the settings."""
        self._directory.hops.remove(name)

    def _way(self, address: Mailbox) -> tuple[Mailbox, tuple[Destination | str, str]]:
        handoff = self._config.delivery.handoff
        if handoff is not None:
            return address, (f"the folder {handoff}", "delivery.handoff")
        match self._directory.resolve(address):
            case Local(account):
                return account.address, self._to_account(account)
            case Elsewhere(mailbox):
                return mailbox, self._onward.way(mailbox.domain)
            case External():
                return address, self._onward.way(address.domain)
            case MailingList(address=list_address):
                raise NotFound(f"{address} is a mailing list; ask about its members: genkan list show {list_address}")
            case ListRole(mailing_list):
                raise NotFound(
                    f"{address} is for what is written to the list {mailing_list.address}, which takes it itself"
                )
            case Unknown():
                raise NotFound(f"nobody has the address {address}; see: genkan account list, genkan alias list")
            case never:
                assert_never(never)

    def _to_account(self, account: Account) -> tuple[Destination | str, str]:
        routes, address = self._directory.routes, account.address
        own = routes.of_address(address)
        if own is not None:
            return own.destination, own.origin
        domain = routes.of_domain(address.domain)
        end, reason = (Maildir(), f"account {address}") if domain is None else (domain.destination, domain.origin)
        forward = self._directory.forwards.find(account.id)
        if forward is None:
            return end, reason
        addresses = ", ".join(map(str, forward.addresses))
        return f"{addresses}, and {end}" if forward.keep else addresses, f"forward of {address}"


def _route_entry(route: Route) -> RouteEntry:
    return RouteEntry(route.pattern, str(route.destination))


def _hop_entry(hop: Hop) -> HopEntry:
    return HopEntry(hop.name, hop.tls, hop.source, hop.username, hop.password is not None, hop.connections)
