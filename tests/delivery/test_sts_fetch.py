# SPDX-License-Identifier: Apache-2.0
"""Fetching MTA-STS policies from a web server on loopback that is right, wrong, slow, foreign or endless."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
import trustme

from genkan.delivery.client_tls import ClientContexts
from genkan.delivery.sts import PolicyError
from genkan.delivery.sts_fetch import MOST_OCTETS, BadCertificate, PolicyFetcher
from genkan.dns.resolver import Resolver
from tests.dns.asking import PATIENT, run
from tests.support.dns_server import dns_server
from tests.support.server import StoppedClock, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT: Final = b"version: STSv1\r\nmode: none\r\nmax_age: 60\r\n"
AUTHORITY: Final = trustme.CA()
RIGHT: Final = AUTHORITY.issue_cert("mta-sts.example.test")
ZONE: Final = "mta-sts.example.test 60 A 127.0.0.1\nmta-sts.other.test 60 A 127.0.0.1"


def reply(content: bytes = TEXT, status: str = "200 OK", kind: str = "text/plain", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{more}\r\n"
    return head.encode() + content


class Site:
    """Who fetches, and the server that answers everything with the same octets."""

    def __init__(self, resolver: Resolver, contexts: ClientContexts) -> None:
        self.resolver = resolver
        self.contexts = contexts
        self.certificate = RIGHT
        self.heads: list[bytes] = []

    def fetch(self, answer: bytes | None, domain: str = "example.test", patience: float = 10.0) -> bytes:
        """What is fetched; `None`: the server says nothing."""

        async def run_both() -> bytes:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.certificate.configure_cert(context)

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                with suppress(OSError, asyncio.IncompleteReadError):
                    self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                    if answer is not None:
                        writer.write(answer)
                        await writer.drain()
                    await reader.read()
                writer.transport.abort()

            server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
            async with server:
                port = server.sockets[0].getsockname()[1]
                return await PolicyFetcher(self.resolver, self.contexts("verified"), port, patience)(domain)

        return run(run_both())

    def failure(self, answer: bytes | None, domain: str = "example.test", patience: float = 10.0) -> str:
        with pytest.raises(PolicyError) as caught:
            self.fetch(answer, domain, patience)
        return str(caught.value)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "authority.pem")
    with dns_server(ZONE) as server:
        resolver = Resolver((server.address,), PATIENT, StoppedClock())
        yield Site(resolver, ClientContexts(tmp_path / "authority.pem"))


@pytest.mark.parametrize("kind", ["text/plain", "text/plain; charset=utf-8", "Text/Plain"])
def test_a_policy_is_fetched_from_its_place(site: Site, kind: str) -> None:
    assert site.fetch(reply(kind=kind)) == TEXT
    (head,) = site.heads
    lines = head.split(b"\r\n")
    assert lines[0] == b"GET /.well-known/mta-sts.txt HTTP/1.1"
    assert lines[1].startswith(b"Host: mta-sts.example.test:")
    assert b"Accept-Encoding: identity" in lines


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(status="404 Not Found"), "the policy's server answers with 404"),
        (reply(status="301 Moved", more="Location: /x\r\n"), "the policy's server answers with 301"),
        (reply(status="204 No Content", content=b""), "the policy's server answers with 204"),
        (reply(kind="text/html"), "the policy is text/html, not text/plain"),
        (reply(b"a" * (MOST_OCTETS + 1)), f"the policy has more than {MOST_OCTETS} octets"),
    ],
)
def test_an_answer_without_policy_says_why(site: Site, answer: bytes, reason: str) -> None:
    assert site.failure(answer) == reason
    assert len(site.heads) == 1


def test_the_longest_policy_is_read_and_an_endless_one_is_not(site: Site) -> None:
    assert len(site.fetch(reply(b"a" * MOST_OCTETS))) == MOST_OCTETS
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"a" * 1_000_000
    assert site.failure(endless) == f"the policy has more than {MOST_OCTETS} octets"


def test_what_is_packed_is_not_unpacked(site: Site) -> None:
    assert site.fetch(reply(b"\x1f\x8b\x08", more="Content-Encoding: gzip\r\n")) == b"\x1f\x8b\x08"


@pytest.mark.parametrize(
    "answer", [b"220 mail\r\n", b"\0" * 100, b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50_000, reply(b"a") + b"\xff" * 50]
)
def test_any_octets_are_a_policy_or_a_failure(site: Site, answer: bytes) -> None:
    with suppress(PolicyError):
        assert site.fetch(answer, patience=2.0) == b"a"


def test_a_silent_server_is_left_at_the_deadline(site: Site) -> None:
    assert site.failure(None, patience=0.3) == "no policy within 0.3 s"


EXPIRED: Final = AUTHORITY.issue_cert(
    "mta-sts.example.test", not_before=datetime(2019, 1, 1, tzinfo=UTC), not_after=datetime(2020, 1, 1, tzinfo=UTC)
)
FOREIGN: Final = trustme.CA().issue_cert("mta-sts.example.test")


@pytest.mark.parametrize(
    ("certificate", "domain", "reason", "flaw"),
    [
        (RIGHT, "other.test", "certificate is not valid for 'mta-sts.other.test'", "another name"),
        (EXPIRED, "example.test", "certificate has expired", "expired"),
        (FOREIGN, "example.test", "unable to get local issuer certificate", "unproven"),
    ],
    ids=["another name", "expired", "unknown authority"],
)
def test_a_certificate_that_proves_nothing_is_none_and_its_flaw_is_told(
    site: Site, certificate: trustme.LeafCert, domain: str, reason: str, flaw: str
) -> None:
    site.certificate = certificate
    with pytest.raises(BadCertificate, match=f"^the policy cannot be fetched: .*{reason}$") as caught:
        site.fetch(reply(), domain)
    assert (caught.value.flaw, site.heads) == (flaw, [])


def test_a_name_without_address_is_not_connected_to(site: Site) -> None:
    reason = "the policy cannot be fetched: the DNS has no address for mta-sts.gone.test"
    assert site.failure(reply(), "gone.test") == reason


@pytest.mark.parametrize(
    "domain", ["example.test/x", "example.test:1", "a@example.test", "", "x y", "\u65e5.test", "[::1]"]
)
def test_text_that_is_no_host_is_not_fetched_from(site: Site, domain: str) -> None:
    assert site.failure(reply(), domain) == "the domain is no name of a host"
    assert site.heads == []


def test_a_closed_port_is_a_failure(site: Site) -> None:
    async def fetch() -> bytes:
        return await PolicyFetcher(site.resolver, site.contexts("verified"), free_port())("example.test")

    with pytest.raises(PolicyError, match="^the policy cannot be fetched: Connection refused$"):
        run(fetch())
