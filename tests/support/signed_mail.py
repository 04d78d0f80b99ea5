# SPDX-License-Identifier: Apache-2.0
"""Mail with signatures of every kind, also such as a careful signer would not make, and what our verifier says of it."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from genkan.dkim.body_hash import BodyHash
from genkan.dkim.header_section import HeaderField, HeaderSection
from genkan.dkim.key_pair import make_key_pair, read_private_key
from genkan.dkim.signature import field_tags, parse_message_signature
from genkan.dkim.verification import Signatures, Verification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from genkan.dkim.canonical import Form
    from genkan.dkim.key_pair import KeyKind
    from genkan.dkim.key_record import KeyText
    from genkan.dkim.signature import Signature

NOW: Final = 1_700_000_000
MOST: Final = 10  # signatures that are looked at
QUESTION: Final = "sel._domainkey.example.test"
HEADER: Final = b"From: Ann <ann@example.test>\r\nTo: bob@in.test\r\nSubject: a  tale\r\n of two\tlines\r\n"
BODY: Final = b"Dear Bob,  \r\n\r\n\ttwo  lines \r\n\r\n\r\n"
TAGS: Final = "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=sel; h=from:to:subject"


class Key(NamedTuple):
    """A private key and the text of the record for its public half."""

    private: RSAPrivateKey | Ed25519PrivateKey
    record: str

    def sign(self, digest: bytes) -> bytes:
        """The signature of what has this SHA-256 hash."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, PKCS1v15(), Prehashed(SHA256()))
        return self.private.sign(digest)


@cache
def key_of(kind: KeyKind = "rsa") -> Key:
    """One key of each kind for all tests."""
    pair = make_key_pair(kind)
    return Key(read_private_key(pair.private_pem), pair.record)


def body_hash(body: bytes, form: Form = "relaxed", length: int | None = None) -> bytes:
    """The hash of a body as a bh= has it."""
    hashing = BodyHash(form, () if length is None else (length,))
    hashing.feed(body)
    found = hashing.finish().of(length)
    assert found is not None
    return found


def signed(tags: str = TAGS, header: bytes = HEADER, body: bytes = BODY, key: Key | None = None) -> bytes:
    """The header with a DKIM-Signature of these tags on top; bh= is made unless it is among them, b= always."""
    return _signature_field("DKIM-Signature", tags, header, body, key or key_of()) + header


def sealed(
    header: bytes,
    body: bytes = BODY,
    tags: str = "",
    cv: str = "",
    key: Key | None = None,
    says: str = "mx.test; dmarc=pass",
) -> bytes:
    """The header with one more ARC set on top, the first by d1.test, the second by d2.test and so on.

    `tags` are added to its message signature, `says` is what the sealer found.
    """
    key = key or key_of()
    instance = HeaderSection(header).count(b"arc-seal") + 1
    cv = cv or ("none" if instance == 1 else "pass")
    common = f"i={instance}; a={_algorithm(key)}; d=d{instance}.test; s=sel"
    results = f"ARC-Authentication-Results: i={instance}; {says}\r\n".encode()
    signature = _signature_field(
        "ARC-Message-Signature", f"{common}; c=relaxed/relaxed; h=from:to:subject{tags}", header, body, key
    )
    older = _arc_fields(header)
    seal = f"ARC-Seal: {common}; cv={cv}; b=".encode()
    own = HeaderField(b"arc-seal", seal).canonical_unsigned("relaxed")
    sets = b"".join(HeaderField(*field).canonical("relaxed") for field in older)
    new = b"".join(_only_field(octets).canonical("relaxed") for octets in (results, signature))
    value = b64encode(key.sign(sha256(sets + new + own).digest()))
    return seal + value + b"\r\n" + signature + results + header


def verify(header: bytes, body: bytes = BODY, keys: Mapping[str, KeyText] | None = None, now: int = NOW) -> Signatures:
    """What our verifier says; without `keys`, every question is answered with the record of the RSA test key."""
    verification = Verification(header, MOST)
    verification.feed(body)
    if keys is None:
        keys = dict.fromkeys(verification.questions, (key_of().record,))
    return verification.results(keys, now)


def _signature_field(name: str, tags: str, header: bytes, body: bytes, key: Key) -> bytes:
    if "bh=" not in tags:
        read = _read(f"{tags}; bh={'A' * 43}=")
        made = body_hash(body, read.body_form, read.length)
        tags = f"{tags}; bh={b64encode(made).decode()}"
    field = f"{name}: {tags}; b=".encode()
    signature = _read(tags)
    own = HeaderField(name.lower().encode(), field)
    digest = HeaderSection(header).digest(signature.names, signature.header_form, own)
    return field + b64encode(key.sign(digest)) + b"\r\n"


def _read(tags: str) -> Signature:
    """What the tags say; a q= that a verifier does not know is passed over."""
    return parse_message_signature(field_tags(f"{tags}; b=AAAA".replace("q=none", "q=dns/txt").encode()))


def _arc_fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of all sets, in the order in which seals cover them."""
    section = HeaderSection(header)
    names = (b"arc-authentication-results", b"arc-message-signature", b"arc-seal")
    columns = [section.named(name)[::-1] for name in names]
    return [(field.name, field.octets) for one in zip(*columns, strict=True) for field in one]


def _only_field(octets: bytes) -> HeaderField:
    return HeaderField(octets.partition(b":")[0].lower(), octets)


def _algorithm(key: Key) -> str:
    return "rsa-sha256" if isinstance(key.private, RSAPrivateKey) else "ed25519-sha256"
