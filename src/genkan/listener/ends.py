# SPDX-License-Identifier: Apache-2.0
"""The two ends of a connection, as its transport knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def address_of(transport: asyncio.BaseTransport) -> str:
    """The client's IP address; one of IPv4 that came to an IPv6 socket is an IPv4 address, and a scope is left out."""
    peer = transport.get_extra_info("peername")
    address = str(peer[0]) if peer else "0.0.0.0"  # noqa: S104
    return address.removeprefix("::ffff:") if address.count(".") == 3 else address.partition("%")[0]


def port_of(transport: asyncio.BaseTransport) -> int:
    """The port of this server that the client came to."""
    own = transport.get_extra_info("sockname")
    return int(own[1]) if own else 0
