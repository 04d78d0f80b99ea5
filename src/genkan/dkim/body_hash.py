# SPDX-License-Identifier: Apache-2.0
"""The SHA-256 hashes of a body: of one canonical form, whole and of as many beginnings as signatures ask for (RFC 6376, 3.7).

All of them cost one pass, since each beginning is a state that the hash of the whole goes through.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from genkan.dkim.canonical import RelaxedBody, SimpleBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from genkan.dkim.canonical import Form


class BodyDigests(NamedTuple):
    """The hash of the whole canonical body of `size` octets, and those of its beginnings by their octets (the l= tag)."""

    whole: bytes
    size: int
    beginnings: Mapping[int, bytes]

    def of(self, length: int | None) -> bytes | None:
        """The hash of so many octets, `None` for all; there is none of more octets than the body has."""
        return self.whole if length is None else self.beginnings.get(length)


class BodyHash:
    """Hashes a body while it arrives in chunks of any size."""

    __slots__ = ("_beginnings", "_body", "_hash", "_lengths", "_size")

    def __init__(self, form: Form, lengths: Iterable[int] = ()) -> None:
        """`lengths` are the octets of the beginnings that are asked for."""
        self._body = RelaxedBody() if form == "relaxed" else SimpleBody()
        self._hash = sha256()
        self._size = 0
        self._lengths = sorted(set(lengths), reverse=True)
        self._beginnings: dict[int, bytes] = {}

    def feed(self, octets: bytes) -> None:
        """Take the next octets of the body."""
        for piece in self._body.feed(octets):
            self._add(piece)

    def finish(self) -> BodyDigests:
        """The hashes, once the whole body has been fed; call it once."""
        for piece in self._body.finish():
            self._add(piece)
        self._add(b"")
        return BodyDigests(self._hash.digest(), self._size, self._beginnings)

    def _add(self, octets: bytes) -> None:
        while self._lengths and self._lengths[-1] <= self._size + len(octets):
            length = self._lengths.pop()
            self._hash.update(octets[: length - self._size])
            octets = octets[length - self._size :]
            self._size = length
            self._beginnings[length] = self._hash.digest()
        self._hash.update(octets)
        self._size += len(octets)
