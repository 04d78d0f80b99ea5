# SPDX-License-Identifier: Apache-2.0
"""Whether a signature over header and body is good: its time, its key, the body's hash, the value itself (RFC 6376, 6.1).

The same for DKIM-Signature and ARC-Message-Signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from genkan.dkim.key_record import NoKey, keys_for
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genkan.dkim.body_hash import BodyDigests
    from genkan.dkim.canonical import Form
    from genkan.dkim.header_section import HeaderField, HeaderSection
    from genkan.dkim.key_record import KeyText, PublicKey
    from genkan.dkim.signature import Proof, Signature

Outcome = Literal["pass", "fail", "neutral", "permerror", "temperror", "policy"]
"""What becomes of a signature, in the words of RFC 8601, 2.7.1. "neutral": it cannot be read; "permerror": nobody can verify it;
"temperror": perhaps later; "fail": it is not of this message; "policy": it is, but does not count, since its key is too short or
too long, or anybody may have added to the body (l=)."""


class Message(NamedTuple):
    """All that signatures may be of; `bodies` has the forms that some signature asks for. `now` is in seconds since 1970."""

    header: HeaderSection
    bodies: Mapping[Form, BodyDigests]
    keys: Mapping[str, KeyText]
    now: int

    def keys_of(self, proof: Proof) -> tuple[PublicKey, ...]:
        """The keys that may verify it, one at least. Raises `NoKey`."""
        return keys_for(self.keys.get(proof.question), proof.algorithm)


class Finding(NamedTuple):
    """What came out, why in a few words, and the key, once there was one."""

    outcome: Outcome
    reason: str = ""
    key: PublicKey | None = None


def check_signature(message: Message, signature: Signature, own: HeaderField) -> Finding:
    """Judge the signature that stands in the field `own`."""
    if signature.expires is not None and signature.expires < message.now:
        return Finding("permerror", "the signature has expired")
    try:
        keys = message.keys_of(signature)
    except NoKey as flaw:
        return Finding(flaw.outcome, str(flaw))
    key = keys[0]
    if key.strict and fold_domain(signature.identity.rpartition("@")[2]) not in ("", signature.domain):
        return Finding("permerror", "the key is only for i= in d= itself", key)
    return _check_values(message, signature, own, keys)


def _check_values(message: Message, signature: Signature, own: HeaderField, keys: tuple[PublicKey, ...]) -> Finding:
    """Whether the hash of the body and the signature proper are good."""
    body = message.bodies[signature.body_form]
    body_hash = body.of(signature.length)
    if body_hash is None:
        return Finding("permerror", "l= is more than the body has", keys[0])
    if body_hash != signature.body_hash:
        return Finding("fail", "the body has been changed", keys[0])
    digest = message.header.digest(signature.names, signature.header_form, own)
    good = next((key for key in keys if key.verifies(signature.value, digest)), None)
    if good is None:
        return Finding("fail", "the signature is not of this header", keys[0])
    unsigned = 0 if signature.length is None else body.size - signature.length
    return (
        Finding("policy", f"{unsigned} octets stand behind what l= covers", good)
        if unsigned
        else Finding("pass", "", good)
    )
