# SPDX-License-Identifier: Apache-2.0
"""Where mail for a domain elsewhere goes, and what says so: the domain's route, gateway.dat, the smarthost, its MX hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.delivery.gateway import Gateway
from genkan.directory.destination import ByMx, SmtpHop, parse_destination

if TYPE_CHECKING:
    from genkan.directory.destination import Destination
    from genkan.directory.directory import Directory


class Onward:
    """The order, once; the delivery and the command `genkan route show` ask it."""

    def __init__(self, directory: Directory, smarthost: str) -> None:
        """`smarthost` is the setting `delivery.smarthost`."""
        self._routes = directory.routes
        self._gateway = Gateway(directory.documents)
        self._smarthost = parse_destination(f"smtp:{smarthost}") if smarthost else None

    def way(self, domain: str) -> tuple[Destination, str]:
        """The destination, and what says so. Raises `StorageError`."""
        route = self._routes.of_domain(domain)
        if route is not None:
            return route.destination, route.origin
        rule = self._gateway.match(domain)
        if rule is not None:
            return SmtpHop(rule.host, rule.port), str(rule.origin)
        if self._smarthost is not None:
            return self._smarthost, "delivery.smarthost"
        return ByMx(), "no route, no line of gateway.dat, no delivery.smarthost"
