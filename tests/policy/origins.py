# SPDX-License-Identifier: Apache-2.0
"""Mail of example.test whose origin is judged, and the DNS records that belong to it; it comes from x@out.test at 192.0.2.10."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.dkim.header_section import HeaderSection
from genkan.dkim.signing import Signer
from genkan.dns.answer import Answer, Status
from tests.support.policy_site import ACCEPTED
from tests.support.server import START
from tests.support.signed_mail import BODY, HEADER, body_hash, key_of

if TYPE_CHECKING:
    from genkan.policy.facts import ContentFacts
    from tests.support.policy_site import Client, Site

ANN: Final = "ann@in.test"
X: Final = "x@out.test"
CLIENT: Final = "192.0.2.10"
AUTHOR: Final = "example.test"
REFUSE: Final = '[dmarc]\nmode = "refuse"'
FAILED: Final = Answer(Status.FAILED, detail="SERVFAIL")
EXISTS: Final = Answer(Status.NO_DATA)


def txt(*texts: str) -> Answer:
    """The answer that has these records."""
    return Answer(Status.FOUND, texts)


def publish(site: Site, tags: str = "p=reject", domain: str = AUTHOR) -> None:
    """Let a domain have a DMARC record with these tags."""
    site.zone[f"_dmarc.{domain}"] = txt(f"v=DMARC1; {tags}")


def signed_by(site: Site, domain: str, header: bytes = HEADER, body: bytes = BODY) -> bytes:
    """The header with a signature of a domain whose key is published."""
    site.zone[f"sel._domainkey.{domain}"] = txt(key_of().record)
    now = int(START.timestamp())
    return Signer(domain, "sel", key_of().private).field(HeaderSection(header), body_hash(body), now) + header


def sealers(site: Site, count: int) -> None:
    """Publish the keys of the first sealers of `signed_mail.sealed`."""
    for number in range(1, count + 1):
        site.zone[f"sel._domainkey.d{number}.test"] = txt(key_of().record)


def coming(site: Site, settings: str = REFUSE, sender: str = X) -> Client:
    """A client that has named the reverse-path, and ann as recipient."""
    client = site.client(settings)
    assert client.send(sender, ANN) == ACCEPTED
    return client


def judged(site: Site, header: bytes = HEADER, settings: str = REFUSE, sender: str = X) -> tuple[str, ContentFacts]:
    """What the client is told at the end of its message, and what was found out."""
    return coming(site, settings, sender).judge_content(header + b"\r\n" + BODY)


def fate(site: Site, header: bytes = HEADER, settings: str = REFUSE, sender: str = X) -> str:
    """What becomes of a message: ACCEPTED, "held", or the name of the refusal."""
    told, content = judged(site, header, settings, sender)
    hold = content.handlings.hold
    if told != ACCEPTED or hold is None:
        return told
    assert hold.kind == "quarantine"
    return "held"
