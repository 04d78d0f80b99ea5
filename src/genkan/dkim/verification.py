# SPDX-License-Identifier: Apache-2.0
"""Verifies the DKIM signatures and the ARC chain of one message that passes through (RFC 6376, 6; RFC 8617, 5.2).

Header first, then the body in chunks, then the keys. A message without signatures costs one look through its header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from genkan.dkim.arc import NO_CHAIN, ArcChain, ArcResult
from genkan.dkim.body_hash import BodyHash
from genkan.dkim.checking import Message, Outcome, check_signature
from genkan.dkim.header_section import HeaderSection
from genkan.dkim.signature import Signature, SignatureError, field_tags, parse_domain, parse_signature
from genkan.dkim.taglist import TagListError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from genkan.dkim.canonical import Form
    from genkan.dkim.header_section import HeaderField
    from genkan.dkim.key_record import KeyText

_SIGNATURE: Final = b"dkim-signature"
_TELLING: Final = 8  # characters of b= that tell signatures apart; RFC 6008, 4

_NAMES: Final = rb"(?:dkim-signature|arc-(?:seal|message-signature|authentication-results))[ \t]*+:"
_starts_signed: Final = re.compile(_NAMES, re.IGNORECASE).match
_find_signed: Final = re.compile(rb"\n" + _NAMES, re.IGNORECASE).search


@dataclass(frozen=True, slots=True)
class DkimResult:
    """What became of one signature. Of one that cannot be read, what could not be read is "" or `None`.

    `domain` and `selector` are d= and s= in lower-case A-labels, `identity` is i= as written, `algorithm` a=. `key_bits` and
    `testing` (t=y) are of the key, 0 and `False` until there was one. `reason` says in a few words why it is no "pass".
    `header_b` are the first characters of b= (RFC 6008).
    """

    outcome: Outcome
    reason: str = ""
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    header_b: str = ""
    key_bits: int = 0
    testing: bool = False


class Signatures(NamedTuple):
    """What the signatures of a message say: those of DKIM from the top down, and the chain of ARC."""

    dkim: tuple[DkimResult, ...] = ()
    arc: ArcResult = NO_CHAIN


class _Read(NamedTuple):
    """A signature field that could be read."""

    field: HeaderField
    signature: Signature
    header_b: str


class Verification:
    """The verification of one message: make it with the header section, feed the body, then ask for the results once.

    Nothing that a message holds raises. `questions` are the names of the TXT records that the results need.
    """

    __slots__ = ("_bodies", "_chain", "_header", "_read", "questions")

    def __init__(self, header: bytes, most: int) -> None:
        """`most` DKIM signatures are looked at, those at the top."""
        self.questions: tuple[str, ...] = ()
        self._read: tuple[_Read | DkimResult, ...] = ()
        self._bodies: dict[Form, BodyHash] = {}
        self._header: HeaderSection | None = None
        if not _starts_signed(header) and not _find_signed(header):
            return
        self._header = HeaderSection(header)
        self._read = tuple(_read_field(field) for field in self._header.named(_SIGNATURE)[:most])
        self._chain = ArcChain(self._header)
        signatures = [one.signature for one in self._read if isinstance(one, _Read)]
        self._bodies = _body_hashes((*signatures, *self._chain.signatures))
        proofs = (*signatures, *self._chain.signatures, *self._chain.seals)
        self.questions = tuple(dict.fromkeys(proof.question for proof in proofs))

    def feed(self, octets: bytes) -> None:
        """Take the next octets of the body, cut anywhere; costs nothing when no signature asks for them."""
        for body in self._bodies.values():
            body.feed(octets)

    def results(self, keys: Mapping[str, KeyText], now: int) -> Signatures:
        """Judge, once the whole body has been fed; a question that `keys` has no answer to counts as one that failed.

        `now` is in seconds since 1970.
        """
        if self._header is None:
            return Signatures()
        bodies = {form: body.finish() for form, body in self._bodies.items()}
        message = Message(self._header, bodies, keys, now)
        dkim = tuple(one if isinstance(one, DkimResult) else _judge(message, one) for one in self._read)
        return Signatures(dkim, self._chain.result(message))


def _read_field(field: HeaderField) -> _Read | DkimResult:
    try:
        tags = field_tags(field.body)
    except TagListError as error:
        return DkimResult("neutral", str(error))
    header_b = "".join(tags.get("b", "")[: 2 * _TELLING].split())[:_TELLING]
    try:
        return _Read(field, parse_signature(tags), header_b)
    except SignatureError as error:
        domain, selector = _domain(tags, "d"), _domain(tags, "s")
        return DkimResult("permerror", str(error), domain, selector, header_b=header_b)


def _domain(tags: Mapping[str, str], tag: Literal["d", "s"]) -> str:
    try:
        return parse_domain(tags, tag)
    except SignatureError:
        return ""


def _body_hashes(signatures: Iterable[Signature]) -> dict[Form, BodyHash]:
    """One hash for each form, with all the lengths that signatures ask for."""
    lengths: dict[Form, list[int]] = {}
    for signature in signatures:
        asked = lengths.setdefault(signature.body_form, [])
        if signature.length is not None:
            asked.append(signature.length)
    return {form: BodyHash(form, asked) for form, asked in lengths.items()}


def _judge(message: Message, read: _Read) -> DkimResult:
    signature = read.signature
    finding = check_signature(message, signature, read.field)
    return DkimResult(
        outcome=finding.outcome,
        reason=finding.reason,
        domain=signature.domain,
        selector=signature.selector,
        identity=signature.identity,
        algorithm=signature.algorithm,
        header_b=read.header_b,
        key_bits=finding.key.bits if finding.key else 0,
        testing=finding.key is not None and finding.key.testing,
    )
