# SPDX-License-Identifier: Apache-2.0
"""One connection to a next hop that speaks SMTP or LMTP: octets out, replies in, TLS. What they mean is not known here.

A server that floods us is not read faster than its replies are asked for; one that does not read holds up its own mail only.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from genkan.smtp.client_commands import QUIT
from genkan.smtp.client_replies import ProtocolError, ReplyReader

if TYPE_CHECKING:
    import ssl

    from genkan.smtp.client_replies import ServerReply

_MOST_UNASKED: Final = 64 * 1024  # octets of replies that nobody has asked for
_LEAVE: Final = 2.0  # seconds for the answer to QUIT


class SmtpConnection(asyncio.Protocol):
    """The connection's life. Every waiting ends by the reply, by `OSError`, or by `TimeoutError`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """To be given to the loop as the protocol of a new connection."""
        self._loop = loop
        self._reader = ReplyReader()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_full = False
        self._lost: OSError | None = None
        self._reading = True
        self._unasked = 0

    # What the carrier calls.

    @property
    def is_lost(self) -> bool:
        """Whether the server, or the network, has ended it."""
        return self._lost is not None

    @property
    def has_input(self) -> bool:
        """Whether octets have come that were not asked for."""
        return not self._reader.is_empty

    def write(self, octets: bytes) -> None:
        """Send; what cannot leave at once waits. Raises nothing: a lost connection shows at the next reply."""
        if self._transport is not None and octets:
            self._transport.write(octets)

    async def drain(self, patience: float) -> None:
        """Wait until the server has taken most of what was written, says something, or is lost. Raises `TimeoutError`."""
        if self._is_full:
            async with asyncio.timeout(patience):
                while self._is_full and self._lost is None and self._reader.is_empty:
                    await self._wait()

    async def reply(self, patience: float) -> ServerReply:
        """The next reply, within so many seconds. Raises `TimeoutError`, `OSError`, `ProtocolError`."""
        reply = self._reader.next_reply()
        if reply is not None:
            return reply
        async with asyncio.timeout(patience):
            while reply is None:
                if self._lost is not None:
                    raise self._lost
                self._resume()
                await self._wait()
                reply = self._reader.next_reply()
        return reply

    async def start_tls(self, context: ssl.SSLContext, server_name: str, patience: float) -> None:
        """The TLS handshake. Raises `OSError` (`ssl.SSLError` among them), `ProtocolError` for octets that came in clear."""
        assert self._transport is not None
        if not self._reader.is_empty:  # RFC 3207, 6: somebody between us and the server has put them there
            msg = "the server sent something in clear behind its answer to STARTTLS"
            raise ProtocolError(msg)
        transport = await self._loop.start_tls(
            self._transport, self, context, server_hostname=server_name, ssl_handshake_timeout=patience
        )
        if transport is None:
            raise ConnectionResetError("the server closed the connection in the TLS handshake")
        self._transport = transport

    def peer(self, name: str) -> object:
        """See `asyncio.BaseTransport.get_extra_info`."""
        return None if self._transport is None else self._transport.get_extra_info(name)

    async def leave(self) -> None:
        """Say QUIT, wait a moment for the answer, and end it (RFC 5321, 4.1.1.10). Not to be used within a transaction."""
        self.write(QUIT)
        try:
            with suppress(OSError, ProtocolError):
                await self.reply(_LEAVE)
        finally:
            self.abort()

    def abort(self) -> None:
        """End it at once; what was written may not have left. A server that does not read could keep us from it otherwise."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._reader.receive(data)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
            return
        self._unasked += len(data)
        if self._unasked > _MOST_UNASKED and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        reset = error if isinstance(error, OSError) else ConnectionResetError("the server closed the connection")
        self._lost = self._lost or reset
        self._wake()

    def eof_received(self) -> None:
        """See `asyncio.Protocol`. A server that says no more will not accept anything either."""
        self.connection_lost(None)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_full = True

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_full = False
        self._wake()

    # What both of them use.

    async def _wait(self) -> None:
        """Until something happens."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _resume(self) -> None:
        self._unasked = 0
        if not self._reading and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()
