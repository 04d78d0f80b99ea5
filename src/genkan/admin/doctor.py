# SPDX-License-Identifier: Apache-2.0
"""`genkan doctor`: what the world sees of a domain's mail, and what to do about it. What is looked at is read in `CHECKS`.

It asks and never changes anything. What other servers do, it bears: each check ends by the deadline.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from genkan.admin.check_machine import check_certificate
from genkan.admin.dkim_operations import DkimOperations
from genkan.admin.doctor_case import Case, Examination, Home
from genkan.admin.doctor_certificate import check_certificates, check_dane
from genkan.admin.doctor_dkim import check_dkim
from genkan.admin.doctor_dmarc import check_dmarc
from genkan.admin.doctor_finding import error, warning
from genkan.admin.doctor_handshake import Visitor
from genkan.admin.doctor_mx import check_mx
from genkan.admin.doctor_reverse import check_reverse_names
from genkan.admin.doctor_spf import check_spf
from genkan.admin.doctor_sts import check_sts, check_tls_reports
from genkan.clock import SystemClock
from genkan.delivery.client_tls import ClientContexts
from genkan.delivery.mx import OwnNames
from genkan.dns.answer import Status
from genkan.dns.resolver import Resolver
from genkan.opening import open_directory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from genkan.admin.doctor_finding import CheckName, Observation
    from genkan.config import Config
    from genkan.directory import Directory

DEADLINE: Final = 30.0  # seconds for everything
LONGEST_QUESTION: Final = timedelta(seconds=5)  # whatever dns.timeout allows: a dead server leaves time for others

CHECKS: Final[dict[CheckName, Callable[[Examination], Awaitable[Iterable[Observation]]]]] = {
    "MX": check_mx,
    "reverse name": check_reverse_names,
    "SPF": check_spf,
    "DKIM": check_dkim,
    "DMARC": check_dmarc,
    "certificate": check_certificates,
    "MTA-STS": check_sts,
    "TLS-RPT": check_tls_reports,
    "DANE": check_dane,
}


def diagnose(config: Config, domain: str, selectors: tuple[str, ...] = ()) -> list[Observation]:
    """Look at a domain, in lower-case A-labels; `selectors` name DKIM keys beside our own. Raises `StorageError`."""
    clock, dns = SystemClock(), config.dns
    with open_directory(config) as directory:
        home = _home(config, directory, domain, clock)
    visitor = Visitor(config.hostname, ClientContexts(), clock)
    resolver = Resolver(dns.servers, min(dns.timeout, LONGEST_QUESTION), clock)
    return asyncio.run(examine(Case(domain, resolver, visitor, home, selectors)))


async def examine(case: Case, deadline: float = DEADLINE) -> list[Observation]:
    """All observations, in the order of the checks; where the domain is not there, that and nothing else."""
    until = asyncio.get_running_loop().time() + deadline
    answer = await case.resolver.query(case.domain, "MX")
    if answer.status is Status.NO_SUCH_NAME:
        return [
            error("MX", f"there is no domain {case.domain}", "correct its name, or register it and publish its zone")
        ]
    if answer.status is Status.FAILED:
        remedy = "correct its zone or name servers, or dns.servers if others can be asked for"
        return [error("MX", f"the DNS does not answer for {case.domain} ({answer.detail})", remedy)]
    async with Examination(case) as exam:
        found = await asyncio.gather(*(_within(name, check(exam), until, deadline) for name, check in CHECKS.items()))
    return [observation for observations in found for observation in observations]


async def _within(
    name: CheckName, check: Awaitable[Iterable[Observation]], until: float, deadline: float
) -> Iterable[Observation]:
    """What a check has seen; that it has not ended, where it has not."""
    try:
        async with asyncio.timeout_at(until):
            return await check
    except TimeoutError:
        return [warning(name, f"this was not known within {deadline:g} s", "look again later")]


def _home(config: Config, directory: Directory, domain: str, clock: SystemClock) -> Home | None:
    """What this installation says of a domain of its own; `None` for all others."""
    if not directory.domains.is_local(domain):
        return None
    places = frozenset((listener.address.host, listener.address.port) for listener in config.listener)
    return Home(
        hostname=config.hostname,
        own=OwnNames(frozenset({config.hostname.lower()}), places),
        sources=tuple(filter(None, (config.delivery.source_ipv4, config.delivery.source_ipv6))),
        keys=DkimOperations(directory, config).entries(domain),
        signs=config.dkim.sign,
        certificate=tuple(check_certificate(config, clock.now())),
    )
