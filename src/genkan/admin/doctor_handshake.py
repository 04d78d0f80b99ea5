# SPDX-License-Identifier: Apache-2.0
"""Goes to an MX host as a sender would, says EHLO and STARTTLS, and looks at its certificate (RFC 3207, RFC 9525).

No mail is sent. A host that is slow or floods us ends within a bound.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, cast

from genkan.admin.doctor_finding import quoted
from genkan.delivery.dane import presented_certificates
from genkan.delivery.outcome import words_of
from genkan.delivery.smtp_connection import SmtpConnection
from genkan.smtp.client_commands import STARTTLS, hello_line
from genkan.smtp.client_extensions import parse_extensions
from genkan.smtp.client_replies import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genkan.clock import Clock
    from genkan.delivery.client_tls import ClientContexts

MOST_TRIED: Final = 4  # addresses of a host
PATIENCE: Final = 15.0  # seconds for a host; senders wait longer
CONNECT: Final = 4.0  # seconds for one address


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who goes to the hosts: what it says its name is, whom it trusts, and what time it is. `port` is 25 but in tests."""

    hello_domain: str
    contexts: ClientContexts
    clock: Clock
    port: int = 25
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True)
class Handshake:
    """How far we came with a host.

    "unreached": no connection, or it would not talk to us; "clear": no STARTTLS; "broken": TLS fails; "doubtful": TLS with a
    certificate that does not prove who it is; "proven". `detail` is why not; `certificates` are in DER, the host's own first.
    """

    kind: Literal["unreached", "clear", "broken", "doubtful", "proven"]
    detail: str = ""
    certificates: tuple[bytes, ...] = ()


class _TurnedAway(Exception):
    """The host would not talk to us; caught here."""


async def shake_hands(visitor: Visitor, host: str, addresses: Sequence[str]) -> Handshake:
    """Try the addresses in their order, until one answers. Raises nothing, whatever the host does."""
    troubles: dict[str, None] = {}
    try:
        async with asyncio.timeout(visitor.patience):
            for address in addresses[:MOST_TRIED]:
                try:
                    return await _visit(visitor, host, address)
                except TimeoutError:
                    troubles[f"[{address}]: no connection within {CONNECT:g} s"] = None
                except (OSError, ProtocolError, _TurnedAway) as error:
                    troubles[f"[{address}]: {_reason(error)}"] = None
    except TimeoutError:
        troubles[f"no answer within {visitor.patience:g} s"] = None
    return Handshake("unreached", "; ".join(troubles))


def _reason(error: Exception) -> str:
    """The system's words for an error of its own: those of the event loop name the address again."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else words_of(error)


async def _visit(visitor: Visitor, host: str, address: str) -> Handshake:
    """Insist on a good certificate; where there is none, look at the bad one."""
    try:
        return await _talk(visitor, host, address, "verified")
    except ssl.SSLCertVerificationError as error:
        flaw = error.verify_message.rstrip(".")
    found = await _talk(visitor, host, address, "opportunistic")
    return replace(found, kind="doubtful", detail=flaw) if found.kind == "proven" else found


async def _talk(visitor: Visitor, host: str, address: str, kind: Literal["verified", "opportunistic"]) -> Handshake:
    """One connection. Raises `SSLCertVerificationError`, `OSError`, `ProtocolError`, `_TurnedAway`."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT):
        _, connection = await loop.create_connection(lambda: SmtpConnection(loop), address, visitor.port)
    try:
        if not await _offers_tls(connection, visitor):
            await connection.leave()
            return Handshake("clear")
        connection.write(STARTTLS)
        reply = await connection.reply(visitor.patience)
        if not reply.accepts:
            return Handshake("broken", f"STARTTLS is answered with {quoted(str(reply))}")
        try:
            await connection.start_tls(visitor.contexts(kind), host, visitor.patience)
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, ValueError, ProtocolError) as error:  # ValueError: a name that no certificate can have
            return Handshake("broken", words_of(error))
        certificates = presented_certificates(cast("ssl.SSLObject", connection.peer("ssl_object")))
        await connection.leave()
        return Handshake("proven", certificates=certificates)
    finally:
        connection.abort()


async def _offers_tls(connection: SmtpConnection, visitor: Visitor) -> bool:
    """Greeting and EHLO. Raises as `_talk`."""
    greeting = await connection.reply(visitor.patience)
    if not greeting.accepts:
        raise _TurnedAway(f"it greets with {quoted(str(greeting))}")
    connection.write(hello_line("EHLO", visitor.hello_domain))
    hello = await connection.reply(visitor.patience)
    if hello.accepts:
        return parse_extensions(hello).starttls
    if hello.refuses:  # one that knows only HELO has no TLS
        return False
    raise _TurnedAway(f"it answers EHLO with {quoted(str(hello))}")
