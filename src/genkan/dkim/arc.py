# SPDX-License-Identifier: Apache-2.0
"""The chain of ARC sets that forwarders leave on a message, and whether it holds (RFC 8617, 5.2).

A chain that holds says only who has sealed what; whether a sealer is believed is for others to decide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

from genkan.dkim.checking import check_signature
from genkan.dkim.key_record import NoKey
from genkan.dkim.signature import (
    MOST_INSTANCES,
    Seal,
    Signature,
    SignatureError,
    field_tags,
    parse_instance,
    parse_message_signature,
    parse_seal,
)
from genkan.dkim.taglist import TagListError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.dkim.checking import Message
    from genkan.dkim.header_section import HeaderField, HeaderSection

_T = TypeVar("_T")

_SEAL: Final = b"arc-seal"
_SIGNATURE: Final = b"arc-message-signature"
_RESULTS: Final = b"arc-authentication-results"

# RFC 8617, 4.1.1: the instance stands first. The second group are the results proper.
_match_results: Final = re.compile(
    rb"[ \t\r\n]*+i[ \t\r\n]*+=[ \t\r\n]*+([0-9]{1,2})[ \t\r\n]*+;(.*)", re.DOTALL
).fullmatch
_FOLD: Final = re.compile(rb"\r?\n")


@dataclass(frozen=True, slots=True)
class ArcResult:
    """What is known of the chain. `domains` have sealed it, from the newest to the oldest set; when it fails, so they only say.

    `oldest_pass`, of a chain that holds, is the oldest set from which on the message was not changed, 0 when it never was
    (RFC 8617, 5.2, step 5). `results` are what the newest sealer says he found, as in an Authentication-Results field. `reason`
    says in a few words why the chain fails; it begins with "temperror" when a key could not be had and may come later.
    """

    outcome: Literal["none", "pass", "fail"]
    sets: int = 0
    domains: tuple[str, ...] = ()
    oldest_pass: int | None = None
    results: str = ""
    reason: str = ""


NO_CHAIN: Final = ArcResult("none")


class _ArcSet(NamedTuple):
    """The three fields of one instance, and what two of them say; `None` for a message signature that is worth nothing."""

    results_field: HeaderField
    results: bytes
    signature_field: HeaderField
    signature: Signature | None
    seal_field: HeaderField
    seal: Seal


class ArcChain:
    """The sets of one message, read before its body is known."""

    __slots__ = ("_count", "_flaw", "_sets")

    def __init__(self, header: HeaderSection) -> None:
        self._sets: tuple[_ArcSet, ...] = ()
        self._flaw = ""
        self._count = max(header.count(name) for name in (_SEAL, _SIGNATURE, _RESULTS))
        try:
            self._sets = _read_sets(header) if self._count else ()
            _check_validations(self._sets)
        except (TagListError, SignatureError) as error:
            self._flaw = str(error)

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """The message signatures that will be looked at."""
        return () if self._flaw else tuple(one.signature for one in self._sets if one.signature)

    @property
    def seals(self) -> tuple[Seal, ...]:
        """The seals that will be looked at."""
        return () if self._flaw else tuple(one.seal for one in self._sets)

    def result(self, message: Message) -> ArcResult:
        """Judge the chain once the whole message is known."""
        if not self._count:
            return NO_CHAIN
        reason = self._flaw or _message_flaw(message, self._sets[-1]) or _seal_flaw(message, self._sets)
        if not self._sets:
            return ArcResult("fail", self._count, reason=reason)
        domains = tuple(one.seal.domain for one in reversed(self._sets))
        results = _FOLD.sub(b"", self._sets[-1].results).strip(b" \t").decode("utf-8", "replace")
        oldest = None if reason else _oldest_pass(message, self._sets)
        return ArcResult("fail" if reason else "pass", self._count, domains, oldest, results, reason)


def _read_sets(header: HeaderSection) -> tuple[_ArcSet, ...]:
    """The sets from the oldest on, one at least. Raises `SignatureError`, `TagListError` for what is no chain."""
    names = (_RESULTS, _SIGNATURE, _SEAL)
    if len({header.count(name) for name in names}) != 1:
        raise SignatureError("the sets are not complete")
    if header.count(_SEAL) > MOST_INSTANCES:
        raise SignatureError("there are too many sets")
    results = _by_instance(_read_results(field) for field in header.named(_RESULTS))
    signatures = _by_instance(_read_signature(field) for field in header.named(_SIGNATURE))
    seals = _by_instance(_read_seal(field) for field in header.named(_SEAL))
    return tuple(
        _ArcSet(*results[instance], *signatures[instance], *seals[instance]) for instance in range(1, len(seals) + 1)
    )


def _by_instance(found: Iterable[tuple[int, _T]]) -> dict[int, _T]:
    """What stands behind each instance, which are those from 1 on without a gap."""
    pairs = list(found)
    values = dict(pairs)
    if set(values) != set(range(1, len(pairs) + 1)):
        raise SignatureError("the sets are not complete")
    return values


def _read_results(field: HeaderField) -> tuple[int, tuple[HeaderField, bytes]]:
    match = _match_results(field.body)
    if match is None:
        raise SignatureError("the results do not begin with i=")
    return int(match[1]), (field, match[2])


def _read_signature(field: HeaderField) -> tuple[int, tuple[HeaderField, Signature | None]]:
    tags = field_tags(field.body)
    try:
        signature = parse_message_signature(tags)
    except SignatureError:
        signature = None
    return parse_instance(tags), (field, signature)


def _read_seal(field: HeaderField) -> tuple[int, tuple[HeaderField, Seal]]:
    seal = parse_seal(field_tags(field.body))
    return seal.instance, (field, seal)


def _check_validations(sets: tuple[_ArcSet, ...]) -> None:
    """Raises `SignatureError` unless each sealer found the chain before him good (RFC 8617, 5.2, steps 2 and 3C)."""
    for one in sets:
        if one.seal.validation == "fail":
            raise SignatureError("a seal says that the chain has failed before")
        if (one.seal.validation == "none") is not (one.seal.instance == 1):
            raise SignatureError("a seal has a cv= that cannot be")


def _message_flaw(message: Message, newest: _ArcSet) -> str:
    """Why the newest message signature is not good (step 4); "" when it is."""
    if newest.signature is None:
        return "the newest message signature cannot be used"
    found = check_signature(message, newest.signature, newest.signature_field)
    return "" if found.outcome == "pass" else f"{found.outcome} of the newest message signature: {found.reason}"


def _seal_flaw(message: Message, sets: tuple[_ArcSet, ...]) -> str:
    """Why one of the seals is not good (step 6); "" when all are."""
    for one, digest in zip(sets, _seal_digests(sets), strict=True):
        seal = one.seal
        try:
            keys = message.keys_of(seal)
        except NoKey as flaw:
            return f"{flaw.outcome} of seal {seal.instance}: {flaw}"
        if not any(key.verifies(seal.value, digest) for key in keys):
            return f"fail of seal {seal.instance}: it is not of these sets"
    return ""


def _seal_digests(sets: tuple[_ArcSet, ...]) -> Iterator[bytes]:
    """The hash that each seal is made of: all sets up to its own, itself without its value (RFC 8617, 5.1.1)."""
    hashed = sha256()
    for one in sets:
        hashed.update(one.results_field.canonical("relaxed"))
        hashed.update(one.signature_field.canonical("relaxed"))
        own = hashed.copy()
        own.update(one.seal_field.canonical_unsigned("relaxed"))
        yield own.digest()
        hashed.update(one.seal_field.canonical("relaxed"))


def _oldest_pass(message: Message, sets: tuple[_ArcSet, ...]) -> int:
    """The oldest set from which on every message signature is good, 0 if all are; the newest is known to be."""
    for one in reversed(sets[:-1]):
        signature = one.signature
        if signature is None or check_signature(message, signature, one.signature_field).outcome != "pass":
            return one.seal.instance + 1
    return 0
