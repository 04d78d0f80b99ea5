# SPDX-License-Identifier: Apache-2.0
"""What DKIM-Signature, ARC-Message-Signature and ARC-Seal fields say (RFC 6376, 3.5 and 6.1.1; RFC 8617, 4.1).

From tags to values, with every rule that needs neither key nor body nor time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from genkan.dkim.taglist import TagListError, decode_value, parse_tags, split_value
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genkan.dkim.canonical import Form

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]
ChainValidation = Literal["none", "pass", "fail"]

MOST_NAMES: Final = 1000  # in an h= tag
MOST_INSTANCES: Final = 50  # RFC 8617, 4.2.1
LONGEST_IDENTITY: Final = 320  # characters of an i= tag
LONGEST_BODY: Final = 2**63 - 1  # octets of an l= tag

_ALGORITHMS: Final[dict[str, Algorithm]] = {"rsa-sha256": "rsa-sha256", "ed25519-sha256": "ed25519-sha256"}
_FORMS: Final[dict[str, Form]] = {"simple": "simple", "relaxed": "relaxed"}
_VALIDATIONS: Final[dict[str, ChainValidation]] = {"none": "none", "pass": "pass", "fail": "fail"}
_LONGEST_NAME: Final = 253

_match_domain: Final = re.compile(
    r"(?!-)[a-z0-9_-]{1,63}+(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}+(?<!-))*+", re.ASCII
).fullmatch
_match_number: Final = re.compile(r"[0-9]{1,76}", re.ASCII).fullmatch  # RFC 6376, 3.5: l= has no more digits


class SignatureError(ValueError):
    """A signature that nobody can verify; the message says in a few words why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What all three have: `value` is b=, `domain` and `selector`, in lower-case A-labels, say where the key is."""

    algorithm: Algorithm
    domain: str
    selector: str
    value: bytes

    @property
    def question(self) -> str:
        """The name of the TXT record that holds the key (RFC 6376, 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class Signature(Proof):
    """A signature over header fields and body, of DKIM or of ARC.

    `names` are those of h= in lower case; `identity` is i= as written, "" in ARC; `length` is l= in octets, `expires` x= in
    seconds since 1970.
    """

    body_hash: bytes
    header_form: Form
    body_form: Form
    names: tuple[bytes, ...]
    identity: str
    length: int | None
    expires: int | None


@dataclass(frozen=True, slots=True)
class Seal(Proof):
    """A signature over the ARC sets up to its own; `validation` is what its maker found of those before."""

    instance: int
    validation: ChainValidation


def field_tags(body: bytes) -> dict[str, str]:
    """The tags of a field's body. Raises `TagListError`, also for what is not UTF-8 (RFC 8616, 4)."""
    try:
        return parse_tags(body.decode())
    except UnicodeDecodeError:
        raise TagListError("the tag list is not in UTF-8") from None


def parse_signature(tags: Mapping[str, str]) -> Signature:
    """What a DKIM-Signature says. Raises `SignatureError`."""
    if _needed(tags, "v") != "1":
        raise SignatureError("v= is not 1")
    return _signature(tags, _identity(tags))


def parse_message_signature(tags: Mapping[str, str]) -> Signature:
    """What an ARC-Message-Signature says, in which i= is no identity and v= nothing. Raises `SignatureError`."""
    signature = _signature(tags, "")
    if b"arc-seal" in signature.names:
        raise SignatureError("h= covers ARC-Seal")
    return signature


def parse_seal(tags: Mapping[str, str]) -> Seal:
    """What an ARC-Seal says; one with an h= is no seal (RFC 8617, 4.1.3). Raises `SignatureError`."""
    if "h" in tags:
        raise SignatureError("the seal has an h=")
    validation = _VALIDATIONS.get(_needed(tags, "cv"))
    if validation is None:
        raise SignatureError("cv= is not known")
    _number(tags, "t")
    return Seal(*_proof(tags), parse_instance(tags), validation)


def parse_instance(tags: Mapping[str, str]) -> int:
    """The i= of an ARC field (RFC 8617, 4.2.1). Raises `SignatureError`."""
    text = _needed(tags, "i")
    if not _match_number(text) or not 1 <= int(text) <= MOST_INSTANCES:
        raise SignatureError(f"i= is not from 1 to {MOST_INSTANCES}")
    return int(text)


def parse_domain(tags: Mapping[str, str], tag: Literal["d", "s"]) -> str:
    """The domain or selector in lower-case A-labels. Raises `SignatureError`."""
    text = _needed(tags, tag)
    name = fold_domain(text) if len(text) <= _LONGEST_NAME else text
    if len(name) > _LONGEST_NAME or not _match_domain(name):
        raise SignatureError(f"{tag}= is no name")
    return name


def _signature(tags: Mapping[str, str], identity: str) -> Signature:
    if "dns/txt" not in split_value(tags.get("q", "dns/txt")):
        raise SignatureError("q= has no way to the key that is known")
    signed, expires = _number(tags, "t"), _number(tags, "x")
    if signed is not None and expires is not None and expires <= signed:
        raise SignatureError("x= is not after t=")
    body_hash = _octets(tags, "bh")
    if len(body_hash) != 32:
        raise SignatureError("bh= is no hash")
    length = _number(tags, "l")
    if length is not None and length > LONGEST_BODY:
        raise SignatureError("l= is more than any body has")
    header_form, body_form = _forms(tags)
    names = _names(tags)
    if b"from" not in names:
        raise SignatureError("h= does not cover From")
    return Signature(
        *_proof(tags),
        body_hash=body_hash,
        header_form=header_form,
        body_form=body_form,
        names=names,
        identity=identity,
        length=length,
        expires=expires,
    )


def _proof(tags: Mapping[str, str]) -> tuple[Algorithm, str, str, bytes]:
    """The values of a `Proof`."""
    return _algorithm(tags), parse_domain(tags, "d"), parse_domain(tags, "s"), _octets(tags, "b")


def _needed(tags: Mapping[str, str], tag: str) -> str:
    if tag not in tags:
        raise SignatureError(f"there is no {tag}=")
    return tags[tag]


def _octets(tags: Mapping[str, str], tag: str) -> bytes:
    octets = decode_value(_needed(tags, tag))
    if not octets:
        raise SignatureError(f"{tag}= is not in base64")
    return octets


def _number(tags: Mapping[str, str], tag: str) -> int | None:
    text = tags.get(tag)
    if text is None:
        return None
    if not _match_number(text):
        raise SignatureError(f"{tag}= is no number")
    return int(text)


def _algorithm(tags: Mapping[str, str]) -> Algorithm:
    text = _needed(tags, "a")
    algorithm = _ALGORITHMS.get(text)
    if algorithm is None:
        old = text == "rsa-sha1"  # RFC 8301, 3.1
        raise SignatureError("a= is rsa-sha1, which no longer counts" if old else "a= is not known")
    return algorithm


def _forms(tags: Mapping[str, str]) -> tuple[Form, Form]:
    """The forms of header and body; the latter is simple where only one is named (RFC 6376, 3.5)."""
    header, slash, body = tags.get("c", "simple").partition("/")
    forms = _FORMS.get(header), _FORMS.get(body if slash else "simple")
    if forms[0] is None or forms[1] is None:
        raise SignatureError("c= is not known")
    return forms[0], forms[1]


def _names(tags: Mapping[str, str]) -> tuple[bytes, ...]:
    names = split_value(_needed(tags, "h"))
    if len(names) > MOST_NAMES:
        raise SignatureError("h= has too many names")
    return tuple(name.lower().encode() for name in names)


def _identity(tags: Mapping[str, str]) -> str:
    """The i=, whose domain has to be that of d= or below it."""
    domain = parse_domain(tags, "d")
    identity = tags.get("i", f"@{domain}")
    if len(identity) > LONGEST_IDENTITY:
        raise SignatureError("i= is too long")
    host = fold_domain(identity.rpartition("@")[2])
    if "@" not in identity or (host != domain and not host.endswith(f".{domain}")):
        raise SignatureError("i= is not within d=")
    return identity
