# SPDX-License-Identifier: Apache-2.0
"""The fields of a header section: found by name, unfolded, decoded (RFC 5322, 2.2).

Built when first asked and in one pass; nothing structured is parsed beyond the parameters of the MIME fields. How
many octets a header section may have is for the caller to bound.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import Final

from genkan.message.encoded_words import decode_words

# The first group is a field's name, the second its folded body. Each line is looked at twice at most.
_FIELD: Final = re.compile(rb"^([!-9;-~]++)[ \t]*+:((?:[^\n]*+\n[ \t])*+[^\n]*+)", re.MULTILINE)
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")
_BLANKS: Final = b" \t\r\n"

_PARAMETER: Final = re.compile(r';\s*([^\s=;"]{1,64})\s*=\s*(?:"((?:[^"\\]|\\.)*+)"?|([^\s;]*))', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_MAX_PARAMETERS: Final = 20
_MAX_STRUCTURED: Final = 4096  # octets of a Content-Type that are read


class HeaderFields:
    """The fields of one header section, names in any case; a line that is no field is skipped."""

    __slots__ = ("_bodies", "_texts", "octets")

    def __init__(self, octets: bytes) -> None:
        """`octets` is the header section, with or without the blank line behind it."""
        self.octets = octets
        self._bodies: dict[bytes, list[bytes]] | None = None
        self._texts: dict[str, tuple[str, ...]] = {}

    def has(self, name: bytes) -> bool:
        """Whether there is a field of that name, given in lower case; costs nearly nothing."""
        return name in self._index()

    def all(self, name: str, most: int | None = None) -> tuple[bytes, ...]:
        """The unfolded bodies of all fields of that name, in their order, or of the first so many."""
        return tuple(_unfolded(body) for body in self._index().get(_key(name), ())[:most])

    def first(self, name: str) -> bytes | None:
        """The unfolded body of the first field of that name, `None` when there is none."""
        bodies = self._index().get(_key(name))
        return _unfolded(bodies[0]) if bodies else None

    def texts(self, name: str) -> tuple[str, ...]:
        """The bodies of all fields of that name as Unicode, encoded words decoded; kept for the next time."""
        texts = self._texts.get(name)
        if texts is None:
            bodies = self._index().get(_key(name))
            texts = tuple(decode_words(_unfolded(body)) for body in bodies) if bodies else ()
            self._texts[name] = texts
        return texts

    def text(self, name: str) -> str:
        """The body of the first field of that name as Unicode, "" when there is none."""
        texts = self.texts(name)
        return texts[0] if texts else ""

    def _index(self) -> dict[bytes, list[bytes]]:
        if self._bodies is None:
            self._bodies = {}
            for name, body in _FIELD.findall(self.octets):
                self._bodies.setdefault(name.lower(), []).append(body)
        return self._bodies


def parse_structured(body: bytes | None) -> tuple[str, dict[str, str]]:
    """The value of a Content-Type and its like in lower case, and its parameters (RFC 2045, 5.1; RFC 2231).

    Of a parameter given twice the first counts. Pieces of a continued one (`name*0`) are joined as they come, and of
    an extended one (`name*=charset'language'value`) only the value stays.
    """
    if body is None:
        return "", {}
    text = body[:_MAX_STRUCTURED].decode("latin-1")
    value, semicolon, rest = text.partition(";")
    parameters: dict[str, str] = {}
    for found in islice(_PARAMETER.finditer(semicolon + rest), _MAX_PARAMETERS):
        name, star, section = found[1].lower().partition("*")
        content = found[3] if found[2] is None else _ESCAPED.sub(r"\1", found[2])
        if star and section in ("", "0*"):
            content = content.rpartition("'")[2]
        if star and name in parameters and section.strip("0*"):
            parameters[name] += content
        else:
            parameters.setdefault(name, content)
    return value.strip().lower(), parameters


@lru_cache(maxsize=1024)
def _key(name: str) -> bytes:
    return name.lower().encode("utf-8", "replace")


def _unfolded(body: bytes) -> bytes:
    return (_FOLD.sub(b"", body) if b"\n" in body else body).strip(_BLANKS)
