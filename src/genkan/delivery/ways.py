# SPDX-License-Identifier: Apache-2.0
"""The ways out: for each destination that a route can name, who opens connections there, and how many at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from genkan.delivery.handler import FunctionOpener
from genkan.delivery.mx import SMTP_PORT
from genkan.delivery.pipe import PipeOpener
from genkan.delivery.smtp_opener import SmtpOpener, SmtpPlan
from genkan.delivery.webhook import Webhook as WebhookPlan
from genkan.delivery.webhook import WebhookOpener
from genkan.directory.destination import (
    ByMx,
    DmarcReports,
    LmtpHop,
    LmtpSocket,
    Pipe,
    PythonFunction,
    SmtpHop,
    Webhook,
)

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from genkan.delivery.carrier import Opener
    from genkan.delivery.smtp_opener import SmtpWorld
    from genkan.delivery.webhook_request import WebhookFormat
    from genkan.directory.directory import Directory
    from genkan.directory.hops import Hop, TlsPolicy

    Onward = ByMx | SmtpHop | LmtpHop | LmtpSocket | Webhook | PythonFunction | Pipe | DmarcReports

_FUNCTIONS: Final = 50  # calls of one Python function at a time
_MOST_KNOWN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Way:
    """A next hop by the name that its queue has. `together` recipients of a message at most go in one consignment."""

    name: str
    opener: Opener
    connections: int
    together: int


@dataclass(frozen=True, slots=True)
class WayLimits:
    """What the settings of `delivery` say for all next hops; `timeout` is for whoever does not speak SMTP or LMTP."""

    connections: int
    together: int
    tls: TlsPolicy
    timeout: timedelta
    webhook: WebhookFormat
    folder: Path


class Ways:
    """Makes ways, and remembers them until the directory changes."""

    def __init__(self, directory: Directory, world: SmtpWorld, limits: WayLimits, reports: Opener) -> None:
        """`directory` knows how each next hop is spoken to; `reports` leads to whoever reads DMARC reports."""
        self._hops = directory.hops
        self._world = world
        self._limits = limits
        self._reports = reports
        self._known: dict[tuple[Onward, str, bool], Way] = directory.new_cache()

    def to(self, destination: Onward, domain: str, *, requiretls: bool) -> Way:
        """The way to a destination, for mail to that domain; with `requiretls` under TLS that is checked (RFC 8689)."""
        by_mx = isinstance(destination, ByMx)
        key = (destination, domain if by_mx else "", requiretls)
        way = self._known.get(key)
        if way is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            way = self._known[key] = self._make(destination, domain, requiretls=requiretls)
        return way

    def _make(self, destination: Onward, domain: str, *, requiretls: bool) -> Way:
        match destination:
            case ByMx():
                hop = self._hops.find(domain, SMTP_PORT, domain)
                return self._smtp(f"MX of {domain}", SmtpPlan(domain=domain), hop, requiretls=requiretls)
            case SmtpHop(host, port) | LmtpHop(host, port):
                plan = SmtpPlan(host=host, port=port, lmtp=isinstance(destination, LmtpHop))
                return self._smtp(str(destination), plan, self._hops.find(host, port), requiretls=requiretls)
            case LmtpSocket(path):
                limits, plan = self._limits, SmtpPlan(socket=path, lmtp=True, tls="none")
                return Way(str(destination), SmtpOpener(self._world, plan), limits.connections, limits.together)
            case Webhook() | PythonFunction() | Pipe() | DmarcReports():
                return self._other(destination)
            case _:
                assert_never(destination)

    def _other(self, destination: Webhook | PythonFunction | Pipe | DmarcReports) -> Way:
        """A way to something that does not speak SMTP."""
        limits, name = self._limits, str(destination)
        match destination:
            case Webhook(url):
                hop = self._hops.find(*destination.place)
                webhook = WebhookPlan(url, limits.timeout, limits.webhook, hop.password or "")
                opener = WebhookOpener(
                    webhook, self._world.contexts("verified"), self._world.resolver, self._world.clock
                )
                return Way(name, opener, hop.connections or limits.connections, limits.together)
            case PythonFunction(module, function):
                return Way(name, FunctionOpener(module, function, limits.timeout), _FUNCTIONS, limits.together)
            case Pipe(program, arguments):
                return Way(name, PipeOpener(program, arguments, limits.timeout, limits.folder), limits.connections, 1)
            case DmarcReports():
                return Way(name, self._reports, 1, limits.together)

    def _smtp(self, name: str, plan: SmtpPlan, hop: Hop, *, requiretls: bool) -> Way:
        limits = self._limits
        plan = replace(
            plan,
            tls=hop.tls or limits.tls,
            requiretls=requiretls,
            source=hop.source,
            # Whoever the DNS names for a domain is not told a password: only hosts that the operator has named are.
            login="" if plan.domain else hop.username,
            password="" if plan.domain or not hop.username else hop.password or "",
        )
        name = f"{name} (REQUIRETLS)" if requiretls else name
        return Way(name, SmtpOpener(self._world, plan), hop.connections or limits.connections, limits.together)
