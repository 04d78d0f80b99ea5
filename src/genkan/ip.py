# SPDX-License-Identifier: Apache-2.0
"""IP addresses of clients and hosts; one of IPv4 may be written as one of IPv6 (RFC 4291, 2.5.5.2), and is the same."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address


@lru_cache(1024)
def parse_address(text: str) -> IPv4Address | IPv6Address:
    """The address without its zone, an IPv4 one if it is written as ::ffff:a.b.c.d; raises `ValueError` for what is none."""
    return plain(ip_address(text.partition("%")[0]))


def plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address itself, or the IPv4 one that it maps."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
