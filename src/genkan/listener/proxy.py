# SPDX-License-Identifier: Apache-2.0
"""The PROXY header a load balancer sends before all else: version 1 and 2 of HAProxy's proxy-protocol.txt.

It is read from the raw socket before TLS begins and not one octet further: what stands behind it may be a ClientHello.
Who may send one at all (`listener.proxy_protocol`) is the listener's business.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from genkan.ip import plain

MAX_V1: Final = 107  # octets of a version 1 line with its CRLF; proxy-protocol.txt, 2.1
MAX_V2: Final = 536  # octets of a version 2 header with its extensions: what every TCP peer sends in one segment; 2
V1_START: Final = b"PROXY "
V2_START: Final = b"\r\n\r\n\x00\r\nQUIT\n"
V2_FIXED: Final = 16  # signature, version and command, family, length; proxy-protocol.txt, 2.2

V1_FAMILIES: Final[dict[bytes, type[IPv4Address | IPv6Address]]] = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}


class ProxyError(Exception):
    """No usable PROXY header came; the listener closes the connection without a word (the text is for the log)."""


class NeedMore(Enum):
    """The type of `NEED_MORE`: so far a header, but its end is not there; all octets given belong to it."""

    NEED_MORE = "need more"


NEED_MORE: Final = NeedMore.NEED_MORE


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a PROXY header says of the client.

    `client_address` is `None` when the proxy speaks for itself (LOCAL) or does not know (UNKNOWN): the socket's own peer
    counts then. An IPv4 address mapped into IPv6 is given as IPv4. `length` is the header's octets on the wire.
    """

    client_address: str | None
    client_port: int
    length: int


def parse_proxy_header(octets: bytes) -> ProxyHeader | NeedMore:
    """The header at the beginning of `octets`, or `NEED_MORE`; raises `ProxyError` as soon as it cannot become one."""
    if octets[:6] == V1_START[: len(octets)]:
        return _parse_v1(octets)
    if octets[:12] == V2_START[: len(octets)]:
        return _parse_v2(octets)
    raise ProxyError("the connection does not begin with a PROXY header; is this client a proxy?")


async def receive_proxy_header(loop: asyncio.AbstractEventLoop, sock: socket.socket, timeout: float) -> ProxyHeader:
    """Take exactly the PROXY header off a connected, non-blocking socket; nothing behind it is consumed.

    Raises `ProxyError` for anything else, for a client that closes, and after `timeout` seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _receive(loop, sock)
    except TimeoutError as error:
        raise ProxyError(f"no complete PROXY header within {timeout:g} s") from error
    except OSError as error:
        raise ProxyError(f"connection lost before the PROXY header ended: {error.strerror or error}") from error


async def _receive(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> ProxyHeader:
    taken = b""
    while True:
        seen = await _peek(loop, sock, MAX_V2 - len(taken))
        if not seen:
            raise ProxyError("the client closed before its PROXY header ended")
        header = parse_proxy_header(taken + seen)
        # An unfinished header owns all that was seen: taking it keeps the socket from being readable for nothing.
        wanted = len(seen) if header is NEED_MORE else header.length - len(taken)
        taken += sock.recv(wanted)
        if header is not NEED_MORE:
            return header


async def _peek(loop: asyncio.AbstractEventLoop, sock: socket.socket, size: int) -> bytes:
    """Wait until there is something to read and look at it; b"" when the peer has closed."""
    while True:
        try:
            return sock.recv(size, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            await _readable(loop, sock)


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    readable = asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sock)


def _parse_v1(octets: bytes) -> ProxyHeader | NeedMore:
    """PROXY TCP4|TCP6 SOURCE DESTINATION SOURCE-PORT DESTINATION-PORT, or PROXY UNKNOWN; proxy-protocol.txt, 2.1."""
    line, end, _ = octets[:MAX_V1].partition(b"\r\n")
    if not end:
        if len(octets) >= MAX_V1 or b"\n" in line:
            raise ProxyError(f"a version 1 PROXY header ends in CRLF within {MAX_V1} octets")
        return NEED_MORE
    length = len(line) + 2
    words = line.split(b" ")
    if words[1] == b"UNKNOWN":
        return ProxyHeader(None, 0, length)
    if len(words) != 6 or words[1] not in V1_FAMILIES:
        raise ProxyError("a version 1 PROXY header has TCP4 or TCP6, two addresses and two ports")
    family = V1_FAMILIES[words[1]]
    source, _destination = (_v1_address(word, family) for word in words[2:4])
    port, _destination_port = (_v1_port(word) for word in words[4:6])
    return ProxyHeader(source, port, length)


def _v1_address(word: bytes, family: type[IPv4Address | IPv6Address]) -> str:
    try:
        address = ip_address(word.decode("ascii"))
    except ValueError as error:
        raise ProxyError("an address in the PROXY header is none") from error
    if not isinstance(address, family) or b"%" in word:
        raise ProxyError("an address in the PROXY header is not of the family it names")
    return str(plain(address))


def _v1_port(word: bytes) -> int:
    if not (word.isdigit() and len(word) <= 5 and int(word) <= 65535) or (word[:1] == b"0" and word != b"0"):
        raise ProxyError("a port in the PROXY header is none")
    return int(word)


def _parse_v2(octets: bytes) -> ProxyHeader | NeedMore:
    """The binary header; extensions (TLVs) are skipped; proxy-protocol.txt, 2.2."""
    if len(octets) < V2_FIXED:
        return NEED_MORE
    version_and_command, family = octets[12], octets[13]
    length = V2_FIXED + int.from_bytes(octets[14:16])
    if version_and_command not in (0x20, 0x21):
        raise ProxyError(f"version or command 0x{version_and_command:02x} of the PROXY header is unknown")
    if length > MAX_V2:
        raise ProxyError(f"a PROXY header of {length} octets is refused; at most {MAX_V2}, send fewer extensions")
    if len(octets) < length:
        return NEED_MORE
    if version_and_command == 0x20:  # LOCAL: whatever family and addresses say must be ignored
        return ProxyHeader(None, 0, length)
    address, port = _v2_source(family, octets[V2_FIXED:length])
    return ProxyHeader(address, port, length)


def _v2_source(family: int, block: bytes) -> tuple[str | None, int]:
    match family:
        case 0x11 if len(block) >= 12:
            return str(IPv4Address(block[:4])), int.from_bytes(block[8:10])
        case 0x21 if len(block) >= 36:
            return str(plain(IPv6Address(block[:16]))), int.from_bytes(block[32:34])
        case 0x00 | 0x31:  # unspecified, UNIX socket: there is no address to tell
            return None, 0
        case 0x11 | 0x21:
            raise ProxyError("the PROXY header is too short for its addresses")
        case _:
            raise ProxyError(f"family 0x{family:02x} of the PROXY header is not TCP")
