# SPDX-License-Identifier: Apache-2.0
"""Mail for an HTTP server: one POST for each consignment, and what its answer says of the recipients.

The content is streamed, an answer bounded; nothing is followed, no cookie kept, no proxy of the environment used.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from aiohttp import (
    ClientConnectionResetError,
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from yarl import URL

from genkan.delivery.carrier import CarrierLost, HopUnreachable
from genkan.delivery.http_names import HttpNames
from genkan.delivery.outcome import Deferred, Failed, words_of
from genkan.delivery.webhook_answer import MOST_OCTETS, MOST_WORDS, Answer, outcomes
from genkan.delivery.webhook_request import (
    Body,
    Request,
    WebhookFormat,
    content_digest,
    envelope_octets,
    groups,
    make_request,
    signature,
)
from genkan.message.visible import visible

if TYPE_CHECKING:
    import ssl
    from datetime import timedelta

    from aiohttp import ClientResponse

    from genkan.clock import Clock
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from genkan.dns.resolver import Resolver
    from genkan.spool.queue import Leased

KEEP_ALIVE: Final = 1.0  # seconds; some servers close after two, and a request on its way is lost then
LONGEST_KNOCK: Final = 15.0  # seconds for a connection

# RFC 3463 and the registry of enhanced codes.
_NO_ANSWER: Final = "4.4.1"
_BROKEN_OFF: Final = "4.4.2"
_UNREADABLE: Final = "4.3.0"
_ENCRYPTION_NEEDED: Final = "5.7.10"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to and how. Without `secret` nothing is signed; `timeout` is for one request and its answer."""

    url: str
    timeout: timedelta
    body: WebhookFormat = "multipart"
    secret: str = field(default="", repr=False)


class WebhookOpener:
    """Opens ways to one HTTP server."""

    def __init__(self, webhook: Webhook, context: ssl.SSLContext, resolver: Resolver, clock: Clock) -> None:
        """`context` has to verify certificates and names (`ClientContexts`, "verified")."""
        self._webhook = webhook
        self._context = context
        self._names = HttpNames(resolver)
        self._clock = clock
        self._url = URL(webhook.url)

    async def __call__(self) -> WebhookCarrier:
        """See `Opener`. Knocks first, so that a server that is not there costs one attempt and not one for each message."""
        try:
            async with asyncio.timeout(min(LONGEST_KNOCK, self._webhook.timeout.total_seconds())):
                await self._knock()
        except OSError as error:  # TimeoutError is one
            reason = f"{self._url.host} cannot be reached: {_describe(error)}"
            raise HopUnreachable(Deferred(reason, status=_NO_ANSWER, remote=self._url.host or "")) from None
        connector = TCPConnector(
            resolver=self._names, ssl=self._context, use_dns_cache=False, keepalive_timeout=KEEP_ALIVE
        )
        session = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, sock_connect=LONGEST_KNOCK),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "Genkan"},
            trust_env=False,
        )
        return WebhookCarrier(self._webhook, session, self._clock)

    async def _knock(self) -> None:
        """See whether anybody listens on one of the addresses; raises `OSError`."""
        host, port = self._url.host or "", self._url.port or 0
        error: OSError | None = None
        for address in [host] if _is_address(host) else [one["host"] for one in await self._names.resolve(host)]:
            try:
                _, writer = await asyncio.open_connection(address, port)
            except OSError as failed:
                error = failed
            else:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
                return
        assert error is not None
        raise error


class WebhookCarrier:
    """Posts to one HTTP server, one request at a time."""

    def __init__(self, webhook: Webhook, session: ClientSession, clock: Clock) -> None:
        """Closes `session` when it is closed itself."""
        self._webhook = webhook
        self._session = session
        self._clock = clock
        self._url = URL(webhook.url)
        self._host = self._url.host or ""  # all that is told of the URL: the rest may hold a secret
        self._timeout = webhook.timeout.total_seconds()
        self._used = False
        self._usable = True

    @property
    def usable(self) -> bool:
        """See `Carrier`."""
        return self._usable

    async def close(self) -> None:
        """See `Carrier`."""
        self._usable = False
        await self._session.close()

    async def carry(self, consignment: Consignment) -> list[Outcome]:
        """See `Carrier`. Many recipients take several requests; after one that got no answer the others are not tried."""
        if consignment.envelope.requiretls and not _is_confidential(self._url):
            failed = Failed(
                f"the message requires TLS (RFC 8689), and the URL on {self._host} is not https",
                _ENCRYPTION_NEEDED,
                self._host,
            )
            return [failed] * len(consignment.leased)
        found: list[Outcome] = []
        for group in groups(consignment, self._webhook.body):
            found += await self._post(consignment, group) if self._usable else [found[-1]] * len(group)
            self._used = False  # from here on part of this consignment was answered
        self._used = True
        return found

    async def _post(self, consignment: Consignment, group: tuple[Leased, ...]) -> list[Outcome]:
        """One request: what became of these recipients."""
        request = make_request(consignment, group, self._webhook.body)
        body = Body(request, consignment)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._send(await self._signed(request, consignment, group), body)
        except (ClientConnectionResetError, ServerDisconnectedError) as error:
            if self._used and body.error is None:
                # It closed while we thought that it would wait. If it has taken the mail nevertheless, it knows the key.
                self._usable = False
                raise CarrierLost(type(error).__name__) from error
            outcome = self._trouble(error, body)
        except (ClientError, OSError) as error:
            outcome = self._trouble(error, body)
        else:
            return outcomes(answer, group, self._host, self._clock.now())
        return [outcome] * len(group)

    async def _signed(self, request: Request, consignment: Consignment, group: tuple[Leased, ...]) -> Request:
        """The request with its signature, for which the content is read once before it is sent."""
        if not self._webhook.secret:
            return request
        try:
            digest = await content_digest(consignment)
        except OSError as error:
            raise _ContentUnreadable(error.errno, words_of(error)) from error
        signed = signature(
            self._webhook.secret,
            self._clock.now(),
            consignment.envelope.message_id,
            envelope_octets(consignment, group),
            digest,
        )
        return request._replace(headers=request.headers | {"Genkan-Signature": signed})

    async def _send(self, request: Request, body: Body) -> Answer:
        async with self._session.post(
            self._url, data=body.blocks(), headers=request.headers, allow_redirects=False
        ) as response:
            octets = await _start(response)
            whole = len(octets) <= MOST_OCTETS
            if not whole or not body.ended:
                response.close()
            headers = response.headers
            return Answer(
                status=response.status,
                phrase=response.reason or "",
                content_type=headers.get("Content-Type", ""),
                retry_after=headers.get("Retry-After", ""),
                location=headers.get("Location", ""),
                octets=octets[:MOST_OCTETS],
                whole=whole,
            )

    def _trouble(self, error: Exception, body: Body) -> Deferred:
        """No answer: what kept it from coming. The way is not used again."""
        self._usable = False
        unreadable = error if isinstance(error, _ContentUnreadable) else body.error
        if unreadable is not None:
            return Deferred(f"the content cannot be read: {_describe(unreadable)}", status=_UNREADABLE)
        if isinstance(error, TimeoutError):
            reason = f"{self._host} did not answer within {self._timeout:g} s"
            return Deferred(reason, status=_NO_ANSWER, remote=self._host)
        reason = f"{self._host} broke off: {_describe(error)}"
        return Deferred(reason, status=_BROKEN_OFF, remote=self._host)


class _ContentUnreadable(OSError):
    """The spool's content, and not the connection, is what fails; caught in this module."""


async def _start(response: ClientResponse) -> bytes:
    """The body of an answer, or a little more than is wanted of it."""
    octets = bytearray()
    async for block in response.content.iter_any():
        octets += block
        if len(octets) > MOST_OCTETS:
            break
    return bytes(octets)


def _describe(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    words = words_of(error)
    return visible(words, MOST_WORDS) if "://" not in words else type(error).__name__  # a URL may hold secrets


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_confidential(url: URL) -> bool:
    """Whether nobody reads along: verified TLS, or no network in between."""
    host = url.host or ""
    return url.scheme == "https" or host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)
