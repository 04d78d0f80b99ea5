# SPDX-License-Identifier: Apache-2.0
"""Client addresses in rules: `192.0.2.1`, `192.168.*.*`, `192.168.1.0/28`, `2001:db8::/32`, `*`; reading and finding them.

Any of them is some bits that must be equal, so looking a client up costs one dict a distinct mask, however many lines
there are. A client that comes over IPv6 with an IPv4-mapped address is judged as IPv4.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.ip import plain
from genkan.rules.reading import LineError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

NOWHERE: Final = sys.maxsize
"""The position of a rule that is not there: behind all others."""

_BITS: Final = {4: 32, 6: 128}
_REMEDY: Final = "write it as in 192.0.2.1, 192.168.*.*, 192.168.1.0/28, 2001:db8::/32 or *.*.*.*"
_MAPPED: Final = 0xFFFF << 32  # ::ffff:0:0, RFC 4291, 2.5.5.2


class ClientPattern(NamedTuple):
    """Which clients: those of an IP version whose bits under `mask` are `value`; version 0 is every client."""

    version: int
    value: int
    mask: int

    def __str__(self) -> str:
        """In the shortest writing that rules know."""
        if self.version == 0:
            return "*.*.*.*"
        if self.version == 4 and self._is_by_parts():
            parts = (self.value >> shift & 255 if self.mask >> shift & 255 else "*" for shift in (24, 16, 8, 0))
            return ".".join(map(str, parts))
        address = IPv4Address(self.value) if self.version == 4 else IPv6Address(self.value)
        return str(address) if self.is_one_address() else f"{address}/{self.prefix_length()}"

    def is_one_address(self) -> bool:
        """Whether it is a single client."""
        return self.version != 0 and self.prefix_length() == _BITS[self.version]

    def prefix_length(self) -> int:
        """How many leading bits it fixes; a wildcard at the front makes that 0."""
        if self.version == 0:
            return 0
        bits = _BITS[self.version]
        return bits - (self.mask ^ (1 << bits) - 1).bit_length()

    def _is_by_parts(self) -> bool:
        parts = [self.mask >> shift & 255 for shift in (24, 16, 8, 0)]
        return all(part in (0, 255) for part in parts) and 0 in parts and any(parts)


EVERY_CLIENT: Final = ClientPattern(0, 0, 0)


class ClientIndex:
    """Where the patterns of a document stand, to find the first that matches; positions count from 0."""

    __slots__ = ("_every", "_tables")

    def __init__(self, patterns: Iterable[tuple[int, ClientPattern]]) -> None:
        """Position and pattern, in file order."""
        self._every = NOWHERE
        tables: dict[tuple[int, int], dict[int, int]] = {}
        for position, pattern in patterns:
            if pattern.version == 0:
                self._every = min(self._every, position)
            else:
                tables.setdefault((pattern.version, pattern.mask), {}).setdefault(pattern.value, position)
        # The tables of a version in the order of their first line: behind a match the rest need not be asked.
        self._tables: dict[int, list[tuple[int, int, dict[int, int]]]] = {0: [], 4: [], 6: []}
        for (version, mask), table in tables.items():
            self._tables[version].append((min(table.values()), mask, table))

    def first(self, clients: ClientPattern) -> int:
        """The position of the first pattern that matches a client, or all of several; NOWHERE if there is none."""
        version, value, fixed = clients
        best = self._every
        for start, mask, table in self._tables[version]:
            if start >= best:
                break
            if mask & fixed == mask:
                position = table.get(value & mask, NOWHERE)
                if position < best:  # noqa: PLR1730  # min() would cost as much as all the rest
                    best = position
        return best

    def each(self, clients: ClientPattern) -> list[int]:
        """Where each different pattern that matches stands first, in no order."""
        version, value, fixed = clients
        found = [] if self._every == NOWHERE else [self._every]
        for _, mask, table in self._tables[version]:
            if mask & fixed == mask and (value & mask) in table:
                found.append(table[value & mask])
        return found


@lru_cache(maxsize=4096)  # one client is asked about several times in a session
def client_of(client_address: str) -> ClientPattern:
    """The pattern of just this client; what is no IP address is matched by the rules for every client only."""
    try:
        address = ip_address(client_address)
    except ValueError:
        return EVERY_CLIENT
    return _exactly(address)


def is_loopback(client: ClientPattern) -> bool:
    """Whether the client is a program of this machine."""
    return (client.version == 4 and client.value >> 24 == 127) or (client.version == 6 and client.value == 1)


def parse_client_pattern(text: str) -> ClientPattern:
    """What a rule names by address, wildcard or prefix; raises LineError."""
    if text in ("*", "*.*.*.*"):
        return EVERY_CLIENT
    address, slash, length = text.partition("/")
    pattern = _ipv6(address) if ":" in address else _ipv4(address)
    if not slash:
        return pattern
    return _network(pattern, length, text)


def _ipv4(text: str) -> ClientPattern:
    parts = text.split(".")
    if len(parts) != 4:
        raise LineError(f"has {shown(text)}, which is no IP address", _REMEDY)
    value = mask = 0
    for part in parts:
        value, mask = value << 8, mask << 8
        if part != "*":
            value, mask = value | _number(part, 255, text), mask | 255
    return ClientPattern(4, value, mask)


def _ipv6(text: str) -> ClientPattern:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise LineError(f"has {shown(text)}, which is no IPv6 address", _REMEDY) from None
    if address.scope_id is not None:
        raise LineError(f"has {shown(text)}, an address with the name of an interface", _REMEDY)
    return _exactly(address)


def _exactly(address: IPv4Address | IPv6Address) -> ClientPattern:
    address = plain(address)
    return ClientPattern(address.version, int(address), (1 << address.max_prefixlen) - 1)


def _network(pattern: ClientPattern, length: str, text: str) -> ClientPattern:
    if not pattern.is_one_address():
        raise LineError(f"has {shown(text)}, both with wildcards and with a prefix length", _REMEDY)
    version, value, mask = pattern
    if ":" in text and version == 4:  # IPv4-mapped, with a length that counts the 96 bits in front
        bits = _number(length, 128, text)
        if bits >= 96:
            return _cut(4, value, bits - 96)
        return _cut(6, _MAPPED | value, bits)
    return _cut(version, value, _number(length, mask.bit_length(), text))


def _cut(version: int, value: int, length: int) -> ClientPattern:
    bits = _BITS[version]
    mask = ((1 << length) - 1) << (bits - length)
    return ClientPattern(version, value & mask, mask)


def _number(text: str, most: int, whole: str) -> int:
    # A leading zero reads as octal to some programs and as decimal to others, so it is neither here.
    plain = 1 <= len(text) <= 3 and text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
    if not plain or int(text) > most:
        raise LineError(f"has {shown(whole)} with {shown(text)}, which is no number from 0 to {most}", _REMEDY)
    return int(text)
