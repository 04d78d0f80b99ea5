# SPDX-License-Identifier: Apache-2.0
"""HTTP servers for webhooks, in the test's loop: one that keeps what comes, and any that misbehave."""

from __future__ import annotations

import asyncio
import ssl
from base64 import urlsafe_b64decode
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import uvloop
from aiohttp import web

from genkan.delivery.outcome import Delivered
from genkan.delivery.webhook import Webhook, WebhookOpener
from genkan.dns.resolver import Resolver
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from genkan.clock import Clock
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome

    Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
    Speaking = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

SECRET: Final = "correct horse"
PATIENT: Final = timedelta(seconds=20)
TAKEN: Final = Delivered(by="127.0.0.1: 200 OK")


@dataclass
class Receiver:
    """An HTTP server in the test's loop that keeps what came."""

    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    envelopes: list[bytes] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)

    async def take(self, request: web.Request) -> None:
        self.headers.append(dict(request.headers))
        if request.content_type == "message/rfc822":
            self.envelopes.append(urlsafe_b64decode(request.headers["Genkan-Envelope"]))
            self.messages.append(await request.read())
            return
        form = await request.post()
        envelope, message = form["envelope"], form["message"]
        assert isinstance(envelope, bytearray)
        assert isinstance(message, web.FileField)
        assert (message.filename, message.content_type) == ("B0000000007.eml", "message/rfc822")
        self.envelopes.append(bytes(envelope))
        self.messages.append(message.file.read())


@asynccontextmanager
async def receiver(answer: Answering | None = None) -> AsyncIterator[Receiver]:
    """A receiver that takes all and answers 200, or what `answer` says."""
    found = Receiver()

    async def answering(request: web.Request) -> web.StreamResponse:
        if answer is not None:
            return await answer(request)
        await found.take(request)
        return web.Response(text="thank you")

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/mail", answering)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mail?token=hidden"
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speaker(speak: Speaking) -> AsyncIterator[str]:
    """The URL of a server that speaks so on each connection, and is made to stop at the end."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with suppress(ConnectionError, EOFError, asyncio.CancelledError):
            await speak(reader, writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mail?token=hidden"
    finally:
        server.close()
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections)
        await asyncio.sleep(0)


def opener(url: str, clock: Clock | None = None, **settings: Any) -> WebhookOpener:
    clock = clock or StoppedClock()
    webhook = replace(Webhook(url, PATIENT), **settings)
    return WebhookOpener(webhook, ssl.create_default_context(), Resolver((), PATIENT, clock), clock)


async def carried(given: WebhookOpener, mail: Consignment) -> list[Outcome]:
    carrier = await given()
    try:
        return await carrier.carry(mail)
    finally:
        await carrier.close()


def sent(mail: Consignment, **settings: Any) -> Receiver:
    """What a receiver has got that takes everything."""

    async def send() -> Receiver:
        async with receiver() as found:
            assert await carried(opener(found.url, **settings), mail) == [TAKEN] * len(mail.leased)
            return found

    return uvloop.run(send())
