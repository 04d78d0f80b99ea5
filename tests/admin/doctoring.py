# SPDX-License-Identifier: Apache-2.0
"""A domain for `genkan doctor`, in a zone of the test: one check of it or all, as lines without the check's name."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from genkan.admin.doctor import examine
from genkan.admin.doctor_case import Case, Examination, Home
from genkan.admin.doctor_handshake import Visitor
from genkan.delivery.client_tls import ClientContexts
from genkan.delivery.mx import OwnNames
from genkan.dns.resolver import Resolver
from tests.dns.asking import PATIENT, run
from tests.support.dns_server import dns_server
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from pathlib import Path

    from genkan.admin.doctor_finding import Observation
    from tests.support.dns_server import DnsServer

HOME: Final = Home("mx.in.test", OwnNames(frozenset({"mx.in.test"}), frozenset()), (), (), signs=True, certificate=())


@dataclass(frozen=True)
class Patient:
    """What a test looks at, and the name server that tells of it."""

    server: DnsServer
    case: Case

    def changed(self, **changes: Any) -> Patient:
        """The same with other fields of its case."""
        return replace(self, case=replace(self.case, **changes))

    def visited(self, **changes: Any) -> Patient:
        """The same with other fields of who visits its hosts."""
        return self.changed(visitor=replace(self.case.visitor, **changes))

    def hasty(self, seconds: float = 0.2) -> Patient:
        """The same with a short deadline for each question."""
        return self.changed(
            resolver=Resolver((self.server.address,), timedelta(seconds=seconds), self.case.visitor.clock)
        )

    def found(self, check: Callable[[Examination], Awaitable[Iterable[Observation]]]) -> list[Observation]:
        """What one check sees."""

        async def look() -> list[Observation]:
            async with Examination(self.case) as exam:
                return [*await check(exam)]

        return run(look())

    def said(self, check: Callable[[Examination], Awaitable[Iterable[Observation]]]) -> list[str]:
        """The same as text: `LEVEL: sentence; remedy`, and records by themselves."""
        return [line for each in self.found(check) for line in lines_of(each)]

    def examined(self, deadline: float = 30.0) -> list[Observation]:
        """What all checks see."""
        return run(examine(self.case, deadline))


def lines_of(observation: Observation) -> list[str]:
    head = f"{observation.level}: {observation.seen}"
    first = f"{head}; {observation.remedy}" if observation.remedy else head
    return [first, observation.record] if observation.record else [first]


@contextmanager
def patient(zone: str, home: Home | None = None, authorities: Path | None = None) -> Iterator[Patient]:
    """The domain in.test by this zone; `home` makes it ours, `authorities` are the ones that count."""
    clock = StoppedClock()
    visitor = Visitor("mx.in.test", ClientContexts(authorities), clock)
    with dns_server(zone) as server:
        resolver = Resolver((server.address,), PATIENT, clock)
        yield Patient(server, Case("in.test", resolver, visitor, home))
