# SPDX-License-Identifier: Apache-2.0
"""Bind, accept, stop: one listening socket and the connections that came through it."""

from __future__ import annotations

import socket
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from genkan.listener.connection import Connection
from genkan.listener.proxy import ProxyError, receive_proxy_header

if TYPE_CHECKING:
    import asyncio
    import ssl

    from genkan.config import ListenAddress
    from genkan.config import Listener as ListenerSettings
    from genkan.listener.door import Door

BACKLOG: Final = 2048
_MOST_ACCEPTED: Final = 100  # connections in one turn of the event loop
_PAUSE: Final = 1.0  # seconds without accepting while there are too many open files
_HEADER_TIME: Final = 10.0  # seconds for a PROXY header to arrive
_HANDSHAKE_TIME: Final = 30.0


def bind(address: ListenAddress, *, shared: bool) -> socket.socket:
    """A listening socket; `shared`: several sockets of this address exist, one a worker. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address.host, address.port))
        sock.listen(BACKLOG)
        sock.setblocking(False)  # noqa: FBT003
    except BaseException:
        sock.close()
        raise
    return sock


class Listener:
    """Accepts connections on one socket and knows those that are open."""

    def __init__(
        self, settings: ListenerSettings, sock: socket.socket, door: Door, loop: asyncio.AbstractEventLoop
    ) -> None:
        """`door` is what the listener's connections share."""
        self.settings = settings
        self.door = door
        self._socket = sock
        self._loop = loop
        self._server: asyncio.AbstractServer | None = None
        self._pausing: asyncio.TimerHandle | None = None
        self._arriving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to accept."""
        if self.settings.proxy_protocol:
            self._loop.add_reader(self._socket, self._accept)
            return
        self._server = await self._loop.create_server(
            lambda: Connection(self.door),
            sock=self._socket,
            ssl=self._tls(),
            backlog=BACKLOG,
            ssl_handshake_timeout=None if self._tls() is None else _HANDSHAKE_TIME,
        )

    def stop(self) -> None:
        """Accept no more; open transactions may finish, all else gets a 421. A second time it does no harm."""
        self.door.stopping = True
        if self._server is not None:
            self._server.close()
        elif self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        if self._pausing is not None:
            self._pausing.cancel()
        for arrival in self._arriving:
            arrival.cancel()
        for connection in list(self.door.connections):
            connection.stop()

    def _tls(self) -> ssl.SSLContext | None:
        return self.door.certificates if self.settings.role == "submissions" else None

    def _accept(self) -> None:
        """Let in those who wait. A callback: a coroutine that is cancelled can lose whom it has just accepted."""
        try:
            for _ in range(_MOST_ACCEPTED):
                sock, peer = self._socket.accept()
                sock.setblocking(False)  # noqa: FBT003
                arrival = self._loop.create_task(self._arrive(sock, peer[0]))
                self._arriving.add(arrival)
                arrival.add_done_callback(partial(self._arrived, sock))
        except BlockingIOError:
            return
        except OSError as error:  # the table of open files is full: let some close
            self.door.house.log.server("cannot accept", error=str(error))
            self._loop.remove_reader(self._socket)
            self._pausing = self._loop.call_later(_PAUSE, self._loop.add_reader, self._socket, self._accept)

    def _arrived(self, sock: socket.socket, arrival: asyncio.Task[None]) -> None:
        self._arriving.discard(arrival)
        if arrival.cancelled():
            sock.close()

    async def _arrive(self, sock: socket.socket, peer: str) -> None:
        """Read the PROXY header from the raw socket, before TLS; only then does the connection begin."""
        client_address = ""
        try:
            if any(ip_address(peer) in network for network in self.settings.proxy_protocol):
                header = await receive_proxy_header(self._loop, sock, _HEADER_TIME)
                client_address = header.client_address or ""
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                lambda: Connection(self.door, client_address), sock, ssl=self._tls()
            )
        except (OSError, ProxyError) as error:
            self.door.house.log.refused(peer, "none", "proxy-header", detail=str(error))
            sock.close()
