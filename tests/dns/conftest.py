# SPDX-License-Identifier: Apache-2.0
"""A name server for each test, and who asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.dns.resolver import Resolver
from tests.dns.asking import PATIENT, Asking
from tests.support.dns_server import dns_server
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def asking() -> Iterator[Asking]:
    clock = StoppedClock()
    with dns_server() as server:
        yield Asking(server, clock, Resolver((server.address,), PATIENT, clock))
