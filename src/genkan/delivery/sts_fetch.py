# SPDX-License-Identifier: Apache-2.0
"""Fetches the text of MTA-STS policies by HTTPS (RFC 8461, 3.3), with names looked up by our own resolver.

The server is chosen by whoever runs the domain: so there is a deadline and a size, nothing is followed and nothing unpacked.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)

from genkan.delivery.http_names import HttpNames
from genkan.delivery.sts import PolicyError

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from genkan.dns.resolver import Resolver

HTTPS_PORT: Final = 443
PATH: Final = "/.well-known/mta-sts.txt"
MOST_OCTETS: Final = 64 * 1024  # RFC 8461, 3.3
MOST_FETCHES: Final = 16  # at a time
PATIENCE: Final = 10.0  # seconds for one

_match_host: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*").fullmatch


CertificateFlaw = Literal["expired", "another name", "unproven"]

_FLAWS: Final[dict[int, CertificateFlaw]] = {10: "expired", 62: "another name"}  # X509_V_ERR_ of OpenSSL


class BadCertificate(PolicyError):
    """The policy's server has a certificate that does not prove who it is; `flaw` tells what kind of remedy there is."""

    def __init__(self, reason: str, flaw: CertificateFlaw) -> None:
        super().__init__(reason)
        self.flaw: Final = flaw


class PolicyFetcher:
    """Fetches policies; each in a connection of its own, since no server is asked twice in a while."""

    def __init__(
        self, resolver: Resolver, context: ssl.SSLContext, port: int = HTTPS_PORT, patience: float = PATIENCE
    ) -> None:
        """`context` has to verify certificates and names (`ClientContexts`, "verified")."""
        self._resolver = resolver
        self._context = context
        self._port = port
        self._patience = patience
        self._room = asyncio.Semaphore(MOST_FETCHES)

    async def __call__(self, domain: str) -> bytes:
        """The octets of the domain's policy. Raises `PolicyError`."""
        try:
            async with self._room, asyncio.timeout(self._patience):
                return await self._fetch(domain)
        except TimeoutError as error:
            raise PolicyError(f"no policy within {self._patience:g} s") from error
        except ClientConnectorCertificateError as error:
            raise _bad_certificate(error.certificate_error) from error
        except ClientConnectorError as error:
            raise PolicyError(f"the policy cannot be fetched: {_reason(error.os_error)}") from error
        except (ClientError, OSError, ValueError) as error:
            raise PolicyError(f"the policy cannot be fetched: {error}") from error

    async def _fetch(self, domain: str) -> bytes:
        if not _match_host(domain):  # or it could hold another host, or a path
            raise PolicyError("the domain is no name of a host")
        connector = TCPConnector(
            resolver=HttpNames(self._resolver), ssl=self._context, use_dns_cache=False, force_close=True
        )
        async with (
            ClientSession(
                connector=connector,
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=self._patience),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            ) as session,
            session.get(f"https://mta-sts.{domain}:{self._port}{PATH}", allow_redirects=False) as response,
        ):
            return await _content(response)


def _bad_certificate(error: Exception) -> BadCertificate:
    """The words of OpenSSL alone: those around them are long, and the reason stands at their end."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return BadCertificate(f"the policy cannot be fetched: {error}", "unproven")
    reason = error.verify_message.rstrip(".")
    return BadCertificate(f"the policy cannot be fetched: {reason}", _FLAWS.get(error.verify_code, "unproven"))


def _reason(error: OSError) -> str:
    """The system's words: those of the event loop name the address again."""
    return os.strerror(error.errno) if error.errno else str(error)


async def _content(response: ClientResponse) -> bytes:
    if response.status != 200:
        raise PolicyError(f"the policy's server answers with {response.status}")
    if response.content_type != "text/plain":
        raise PolicyError(f"the policy is {response.content_type}, not text/plain")
    octets = bytearray()
    async for block in response.content.iter_any():
        octets += block
        if len(octets) > MOST_OCTETS:
            raise PolicyError(f"the policy has more than {MOST_OCTETS} octets")
    return bytes(octets)
