# SPDX-License-Identifier: Apache-2.0
"""What a webhook sends: the envelope as JSON, the two bodies, and the signature by which the receiver knows us.

Pure but for the random boundary; the content is never in memory, only its digest.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from contextlib import aclosing
from datetime import UTC
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from genkan.delivery.whole import whole_content, whole_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from datetime import datetime

    from genkan.delivery.consignment import Consignment
    from genkan.spool.queue import Leased

WebhookFormat = Literal["multipart", "raw"]

MOST_RECIPIENTS: Final = 100  # of a message in one request
MOST_IN_HEADER: Final = 6000  # octets of an envelope in a header field; many servers take 8 KB of one


class Request(NamedTuple):
    """A request but for its content: the octets around it, and the header fields."""

    headers: dict[str, str]
    before: bytes
    after: bytes


def groups(consignment: Consignment, body: WebhookFormat) -> Iterator[tuple[Leased, ...]]:
    """The recipients, in order, as they go together in one request."""
    group: list[Leased] = []
    for leased in consignment.leased:
        together = (*group, leased)
        if group and (len(together) > MOST_RECIPIENTS or (body == "raw" and not _fits(consignment, together))):
            yield tuple(group)
            group.clear()
        group.append(leased)
    yield tuple(group)


def envelope_octets(consignment: Consignment, group: tuple[Leased, ...]) -> bytes:
    """The envelope as JSON, in ASCII, with these recipients; `size` is that of the message as it is sent."""
    envelope = consignment.envelope
    document = {
        "id": envelope.message_id,
        "accepted_at": _rfc3339(envelope.accepted_at),
        "reverse_path": "" if consignment.reverse_path is None else str(consignment.reverse_path),
        "recipients": [_recipient(leased) for leased in group],
        "client_address": envelope.client_address,
        "hello_domain": envelope.hello_domain,
        "account": envelope.account,
        "protocol": envelope.protocol,
        "body": envelope.body,
        "smtputf8": envelope.smtputf8,
        "size": whole_size(consignment),
    }
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def make_request(consignment: Consignment, group: tuple[Leased, ...], body: WebhookFormat) -> Request:
    """The request for these recipients, without its signature."""
    message_id = consignment.envelope.message_id
    numbers = ",".join(str(leased.number) for leased in group)
    envelope = envelope_octets(consignment, group)
    before = after = b""
    headers = {"Genkan-Id": message_id, "Idempotency-Key": f"{message_id}:{numbers}"}
    if body == "raw":
        headers |= {"Content-Type": "message/rfc822", "Genkan-Envelope": _base64url(envelope)}
    else:
        boundary = secrets.token_hex(16)  # whoever writes a message cannot know it
        headers |= {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        before, after = _around(envelope, message_id, boundary)
    headers["Content-Length"] = str(len(before) + whole_size(consignment) + len(after))
    return Request(headers, before, after)


async def content_digest(consignment: Consignment) -> str:
    """SHA-256 of the message as it is sent, in hex. Raises `OSError`."""
    digest = hashlib.sha256()
    async with aclosing(whole_content(consignment)) as content:
        async for block in content:
            digest.update(block)
    return digest.hexdigest()


def signature(secret: str, moment: datetime, message_id: str, envelope: bytes, digest: str) -> str:
    """The value of `Genkan-Signature`: a moment, and an HMAC-SHA256 (RFC 2104) over it, id, envelope and message.

    What is signed is `t.id.sha256(envelope).sha256(message)`: of one form for both bodies, each part of known shape, and
    known to the receiver as soon as the last octet has come, whatever he keeps.
    """
    seconds = int(moment.timestamp())
    signed = f"{seconds}.{message_id}.{hashlib.sha256(envelope).hexdigest()}.{digest}"
    return f"t={seconds},v1={hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()}"


class Body:
    """The octets of a request as they are sent; remembers what kept it from reading the content."""

    def __init__(self, request: Request, consignment: Consignment) -> None:
        self._request = request
        self._consignment = consignment
        self.error: OSError | None = None
        self.ended = False

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """All of it, once."""
        if self._request.before:
            yield self._request.before
        async with aclosing(whole_content(self._consignment)) as content:
            while (block := await self._next(content)) is not None:
                yield block
        if self._request.after:
            yield self._request.after
        self.ended = True

    async def _next(self, content: AsyncIterator[bytes]) -> bytes | None:
        try:
            return await anext(content, None)
        except OSError as error:
            self.error = error
            raise


def _fits(consignment: Consignment, group: tuple[Leased, ...]) -> bool:
    return len(_base64url(envelope_octets(consignment, group))) <= MOST_IN_HEADER


def _recipient(leased: Leased) -> dict[str, str | int]:
    recipient = leased.recipient
    return {
        "number": leased.number,
        "forward_path": str(recipient.forward_path),
        "mailbox": str(recipient.mailbox),
        "notify": recipient.notify,
        "original": recipient.original,
        "attempt": leased.attempt,
    }


def _around(envelope: bytes, message_id: str, boundary: str) -> tuple[bytes, bytes]:
    """What stands before and after the message in a multipart body (RFC 7578, 4)."""
    before = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="envelope"\r\n'
        "Content-Type: application/json\r\n\r\n"
        f"{envelope.decode('ascii')}\r\n"
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="message"; filename="{message_id}.eml"\r\n'
        "Content-Type: message/rfc822\r\n\r\n"
    )
    return before.encode("ascii"), f"\r\n--{boundary}--\r\n".encode("ascii")


def _base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode("ascii")


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
