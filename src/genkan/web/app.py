# SPDX-License-Identifier: Apache-2.0
"""The pages as one application, and how they are served: bounded, without cookies, behind a proxy that speaks HTTPS."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

from genkan.web.unsubscribe import Unsubscribe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp.typedefs import Handler

    from genkan.directory.directory import Directory
    from genkan.web.unsubscribe import Left

MAX_BODY: Final = 4096  # octets of a request
MAX_LINE: Final = 4096  # octets of a request line, and of a field
_IDLE: Final = 15.0  # seconds that a connection is kept for another request
_PATIENCE: Final = 5.0  # seconds for requests under way, at the end

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_app(open_directory: Callable[[], Directory], left: Left) -> web.Application:
    """The application; `open_directory` is called in a thread of its own, `left` on the event loop for each who left a list."""
    app = web.Application(middlewares=[_guarded], client_max_size=MAX_BODY)
    unsubscribe = Unsubscribe(open_directory, left)
    app.router.add_get("/list/unsubscribe/{token}", unsubscribe.ask)
    app.router.add_post("/list/unsubscribe/{token}", unsubscribe.leave)
    app.on_cleanup.append(unsubscribe.close)
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve the application as long as the block lasts; gives the port. Raises OSError when it is taken."""
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=_IDLE,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
        lingering_time=1.0,
        shutdown_timeout=_PATIENCE,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer, also that to a strange request, carries the same fields."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(HEADERS)
        raise
    response.headers.update(HEADERS)
    return response
