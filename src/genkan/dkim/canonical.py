# SPDX-License-Identifier: Apache-2.0
"""The two forms in which header fields and bodies are hashed, "simple" and "relaxed" (RFC 6376, 3.4).

A body passes through in chunks: however it is cut, the same octets come out, and little more than a chunk is ever held. Only
CRLF ends a line of a body; a CR or LF by itself is an octet like others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Form = Literal["simple", "relaxed"]

_CRLF: Final = b"\r\n"
_MOST_LINE_ENDS: Final = 16_384  # empty lines that are written at once
_line_ends_reversed: Final = re.compile(rb"(?:\n\r)*+").match


def relaxed_field(name: bytes, body: bytes) -> bytes:
    """A field with its CRLF in relaxed form (3.4.2); `name` in lower case without colon, `body` folded as it came."""
    return b"%b:%b\r\n" % (name, _collapsed(body.replace(b"\r\n", b"").replace(b"\n", b"")).strip(b" "))


class SimpleBody:
    """The body as it is, but with exactly one CRLF at its end (3.4.3).

    What `feed` and `finish` give has to be taken to its end.
    """

    __slots__ = ("_held", "_line_ends", "_started")

    def __init__(self) -> None:
        self._held = b""  # octets of an undecided end: a CR, in relaxed form also a space before it
        self._line_ends = 0  # seen and not given: they may be the last
        self._started = False

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The canonical octets that are certain by now."""
        octets = self._held + octets
        self._held = b"\r" if octets.endswith(b"\r") else b""
        return self._lines(octets[: len(octets) - len(self._held)])

    def finish(self) -> Iterator[bytes]:
        """The last canonical octets, after which nothing may be fed."""
        yield from self._lines(self._held)
        yield _CRLF

    def _lines(self, octets: bytes) -> Iterator[bytes]:
        """The octets but for the CRLFs at their end, which wait until something follows."""
        end = _content_end(octets)
        if end:
            self._started = True
            while self._line_ends:
                count = min(self._line_ends, _MOST_LINE_ENDS)
                self._line_ends -= count
                yield _CRLF * count
            yield octets[:end]
        self._line_ends += (len(octets) - end) // 2


class RelaxedBody(SimpleBody):
    """Each run of blanks as one space, none at the end of a line; one CRLF at the end unless the body is empty (3.4.4)."""

    __slots__ = ()

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The canonical octets that are certain by now."""
        octets = _collapsed(self._held + octets).replace(b" \r\n", b"\r\n")
        end = len(octets) - octets.endswith(b"\r")
        end -= octets.endswith(b" ", 0, end)
        self._held = octets[end:]
        return self._lines(octets[:end])

    def finish(self) -> Iterator[bytes]:
        """The last canonical octets, after which nothing may be fed."""
        if self._held != b" ":
            yield from self._lines(self._held)
        if self._started:
            yield _CRLF


def _collapsed(octets: bytes) -> bytes:
    """Each run of blanks as one space; halving takes a pass for each doubling of the longest run."""
    octets = octets.replace(b"\t", b" ")
    while b"  " in octets:
        octets = octets.replace(b"  ", b" ")
    return octets


def _content_end(octets: bytes) -> int:
    """Where the CRLFs at the end begin."""
    if not octets.endswith(_CRLF):
        return len(octets)
    tail = octets[len(octets.rstrip(_CRLF)) :]
    found = _line_ends_reversed(tail[::-1])
    return len(octets) - (found.end() if found else 0)
