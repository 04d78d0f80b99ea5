# SPDX-License-Identifier: Apache-2.0
"""Signs a message with all keys of its domain: one that passes through in pieces, or one that is there whole (RFC 6376, 5)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from genkan.dkim.body_hash import BodyHash
from genkan.dkim.header_section import HeaderSection
from genkan.dkim.key_pair import KeyFileError, read_private_key
from genkan.dkim.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_read_key = lru_cache(256)(read_private_key)


class StoredKey(Protocol):
    """A key as it is kept."""

    @property
    def domain(self) -> str:
        """Who signs."""
        ...

    @property
    def selector(self) -> str:
        """Where the public half is."""
        ...

    @property
    def private_key(self) -> bytes:
        """In PEM."""
        ...


class MessageSigner:
    """Signs one message: feed it the body, then ask for the fields of each header section that the message goes out with."""

    def __init__(self, signers: Sequence[Signer]) -> None:
        """One signature by each of the signers."""
        self._signers = signers
        self._body = BodyHash("relaxed")
        self._digest = b""

    def feed(self, octets: bytes) -> None:
        """Take the next octets of the body."""
        self._body.feed(octets)

    def fields(self, header: bytes, now: int) -> bytes:
        """The DKIM-Signature fields for this header section, `now` in seconds since 1970; the body is complete."""
        if not self._digest:
            self._digest = self._body.finish().whole
        section = HeaderSection(header)
        return b"".join(signer.field(section, self._digest, now) for signer in self._signers)


def signers_of(keys: Iterable[StoredKey], unusable: Callable[[StoredKey, KeyFileError], None]) -> list[Signer]:
    """The signers that these keys make; `unusable` is told of a key that cannot be signed with."""
    signers = []
    for key in keys:
        try:
            signers.append(Signer(key.domain, key.selector, _read_key(key.private_key)))
        except KeyFileError as error:
            unusable(key, error)
    return signers


def signed(mail: bytes, signers: Sequence[Signer], now: int) -> bytes:
    """A whole message with its signatures on top; it is as it was without signers."""
    header, blank, body = mail.partition(b"\r\n\r\n")
    signer = MessageSigner(signers)
    signer.feed(body)
    return signer.fields(header + b"\r\n", now) + header + blank + body
