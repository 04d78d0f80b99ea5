# SPDX-License-Identifier: Apache-2.0
"""What connections to next hops need, for tests: short patience, no MTA-STS, a resolver that has to be given."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from genkan.config_values import ListenAddress
from genkan.delivery.client_tls import ClientContexts
from genkan.delivery.mx import OwnNames
from genkan.delivery.smtp_carrier import Patience
from genkan.delivery.smtp_opener import SmtpWorld
from genkan.dns.resolver import Resolver
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


def smtp_world(servers: tuple[ListenAddress, ...] = (), authorities: Path | None = None, **changes: Any) -> SmtpWorld:
    """A world that asks these name servers; without any, nobody is asked but the own machine."""
    clock = StoppedClock()
    asked = servers or (ListenAddress("127.0.0.1", 9),)
    world = SmtpWorld(
        hostname="mx.in.test",
        resolver=Resolver(asked, timedelta(seconds=1), clock),
        own=OwnNames(frozenset({"mx.in.test"}), frozenset()),
        contexts=ClientContexts(authorities),
        policies=None,
        trusted_dns=False,
        families="ipv4",
        sources={4: "", 6: ""},
        connect=1.0,
        patience=Patience(0.5, 0.5),
        messages=1000,
        clock=clock,
    )
    return replace(world, **changes)
