# SPDX-License-Identifier: Apache-2.0
"""One question to one server: by UDP from a port of its own, by TCP when the reply was too long for that (RFC 7766).

A socket connected to the server takes datagrams from nowhere else, and hears at once that nobody listens there. There is no
time-out in here: the resolver's deadline ends it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Final

from genkan.dns.wire import read_reply

if TYPE_CHECKING:
    from genkan.config_values import ListenAddress
    from genkan.dns.wire import Query, Reply

_MOST_STRANGE: Final = 8  # datagrams that are no reply to our question, before we ask by TCP
_LARGEST: Final = 65535


class BadReply(OSError):
    """The server's reply by TCP is none to the question; the resolver catches it and asks another server."""


async def exchange(query: Query, server: ListenAddress) -> Reply:
    """The server's whole reply. Raises `OSError` when the server cannot be reached or breaks off."""
    loop = asyncio.get_running_loop()
    reply = await _by_datagram(query, server, loop)
    if reply is None or reply.truncated:
        reply = await _by_stream(query, server, loop)
    return reply


async def _by_datagram(query: Query, server: ListenAddress, loop: asyncio.AbstractEventLoop) -> Reply | None:
    """The reply; `None` when so much came that was none that somebody may be guessing our ids."""
    with _socket(server, socket.SOCK_DGRAM) as sock:
        sock.connect(server)
        sock.send(query.octets)
        for _ in range(_MOST_STRANGE):
            reply = read_reply(query, await loop.sock_recv(sock, _LARGEST))
            if reply is not None:
                return reply
    return None


async def _by_stream(query: Query, server: ListenAddress, loop: asyncio.AbstractEventLoop) -> Reply:
    octets = query.octets
    with _socket(server, socket.SOCK_STREAM) as sock:
        await loop.sock_connect(sock, server)
        await loop.sock_sendall(sock, struct.pack("!H", len(octets)) + octets)
        (length,) = struct.unpack("!H", await _read(sock, 2, loop))
        reply = read_reply(query, await _read(sock, length, loop))
    if reply is None or reply.truncated:
        raise BadReply("a reply by TCP that is none to the question")
    return reply


async def _read(sock: socket.socket, length: int, loop: asyncio.AbstractEventLoop) -> bytes:
    octets = b""
    while len(octets) < length:
        more = await loop.sock_recv(sock, length - len(octets))
        if not more:
            raise BadReply("the server closed the connection within its reply")
        octets += more
    return octets


def _socket(server: ListenAddress, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in server.host else socket.AF_INET, kind)
    sock.setblocking(False)  # noqa: FBT003
    return sock
