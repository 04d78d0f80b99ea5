# SPDX-License-Identifier: Apache-2.0
"""A header section as signatures see it: its fields as they came, taken from the bottom up (RFC 6376, 5.4.2), and their hash.

The order and every octet count, unlike in `genkan.message.header`; what is a field is the same there, so that no field is
shown to a reader that a signature does not see.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from genkan.dkim.canonical import relaxed_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.dkim.canonical import Form

# A whole field with its line end, and its name. Each line is looked at twice at most.
_FIELD: Final = re.compile(rb"^(([!-9;-~]++)[ \t]*+:(?:[^\n]*+\n[ \t])*+[^\n]*+\n?)", re.MULTILINE)
_SIGNATURE_VALUE: Final = re.compile(rb"((?:\A|;)[ \t\r\n]*+b[ \t\r\n]*+=)[^;]*+")


class HeaderField:
    """One field; `name` in lower case, `octets` with its line end. The relaxed form is made once."""

    __slots__ = ("_relaxed", "name", "octets")

    def __init__(self, name: bytes, octets: bytes) -> None:
        self.name = name
        self.octets = octets
        self._relaxed: bytes | None = None

    @property
    def body(self) -> bytes:
        """What stands behind the colon, folded as it came, with its line end."""
        return self.octets.partition(b":")[2]

    def canonical(self, form: Form) -> bytes:
        """The field in that form, with its line end."""
        if form == "simple":
            return self.octets
        if self._relaxed is None:
            self._relaxed = relaxed_field(self.name, self.body)
        return self._relaxed

    def canonical_unsigned(self, form: Form) -> bytes:
        """The field as a signature in it was made: without the value of b=, and no line end behind it (RFC 6376, 3.7)."""
        name, _, body = self.octets.partition(b":")
        body = _SIGNATURE_VALUE.sub(rb"\1", body, count=1)
        canonical = name + b":" + body if form == "simple" else relaxed_field(self.name, body)
        return canonical.removesuffix(b"\n").removesuffix(b"\r")


class HeaderSection:
    """The fields of a header section, with or without the blank line behind it; lines that are no field are skipped."""

    __slots__ = ("_fields", "_octets")

    def __init__(self, octets: bytes) -> None:
        self._octets: dict[bytes, list[bytes]] = {}
        self._fields: dict[bytes, tuple[HeaderField, ...]] = {}
        for whole, name in _FIELD.findall(octets):
            self._octets.setdefault(name.lower(), []).append(whole)

    def count(self, name: bytes) -> int:
        """How many fields of that name, in lower case, there are."""
        return len(self._octets.get(name, ()))

    def named(self, name: bytes) -> tuple[HeaderField, ...]:
        """The fields of that name, in lower case, from the top down."""
        fields = self._fields.get(name)
        if fields is None:
            fields = tuple(HeaderField(name, octets) for octets in self._octets.get(name, ()))
            self._fields[name] = fields
        return fields

    def selected(self, names: Iterable[bytes], own: HeaderField | None = None) -> Iterator[HeaderField]:
        """The fields that an h= of these names covers: each time a name comes, the next of its fields from the bottom up.

        A name without a field left covers that there is none. `own` is the field that the h= stands in: it was not there yet
        when the others were signed.
        """
        left: dict[bytes, Iterator[HeaderField]] = {}
        for name in names:
            if name not in left:
                left[name] = reversed(self.named(name))
            field = next((field for field in left[name] if field is not own), None)
            if field is not None:
                yield field

    def digest(self, names: Iterable[bytes], form: Form, own: HeaderField) -> bytes:
        """The SHA-256 hash that the signature in `own`, whose h= has these names, is made of (RFC 6376, 3.7)."""
        hashed = sha256()
        for field in self.selected(names, own):
            hashed.update(field.canonical(form))
        hashed.update(own.canonical_unsigned(form))
        return hashed.digest()
