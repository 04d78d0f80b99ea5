# SPDX-License-Identifier: Apache-2.0
"""From an address to names: its name in the reverse tree (RFC 1035, 3.5; RFC 3596, 2.5), and the domain it confirms."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from genkan.ip import parse_address

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from genkan.dns.answer import Answer, RecordType
    from genkan.dns.resolver import Resolver

MOST_NAMES: Final = 5  # names of one address that are looked at

_HOST_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


def reverse_name(client_address: str) -> str:
    """Where the PTR records of an address lie; raises `ValueError` for what is no address."""
    return parse_address(client_address).reverse_pointer


async def client_domain(resolver: Resolver, client_address: str) -> str:
    """The name that the reverse tree gives the client, if that name leads back to it; "" if none does in time.

    Whoever owns an address can give it any name; only the owner of the name can confirm it.
    """
    try:
        async with asyncio.timeout(resolver.timeout):
            return await _confirmed(resolver, client_address)
    except TimeoutError:
        return ""


def client_domain_now(resolver: Resolver, client_address: str) -> str | None:
    """As `client_domain`, from what is known already; `None` when something has to be asked before the answer is sure."""
    address = parse_address(client_address)
    pointers = resolver.cached(address.reverse_pointer, "PTR")
    if pointers is None:
        return None
    for name in _host_names(pointers):
        answer = resolver.cached(name, _address_type(address))
        if answer is None:
            return None
        if str(address) in answer.texts:
            return name
    return ""


async def _confirmed(resolver: Resolver, client_address: str) -> str:
    address = parse_address(client_address)
    names = _host_names(await resolver.query(address.reverse_pointer, "PTR", client_address))
    questions = [resolver.query(name, _address_type(address), client_address) for name in names]
    for name, question in zip(names, questions, strict=True):
        if str(address) in (await question).texts:
            return name
    return ""


def _host_names(pointers: Answer) -> list[str]:
    return [name for name in pointers.texts[:MOST_NAMES] if _HOST_NAME.fullmatch(name)]


def _address_type(address: IPv4Address | IPv6Address) -> RecordType:
    return "A" if address.version == 4 else "AAAA"
