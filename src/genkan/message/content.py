# SPDX-License-Identifier: Apache-2.0
"""Looks at a header section while it arrives: how many hops, how many octets, who it says it is from (RFC 5322, 2.2).

Pure and bounded: a few KiB are kept however long the lines are, and how the content is cut into chunks changes nothing.
No parsing of structured fields here: on hostile mail that costs seconds.
"""

from __future__ import annotations

import re
from typing import Final

MAX_FROM: Final = 4096  # octets of the From field body that are remembered

# The name and the white space of obs-optional (RFC 5322, 4.5) end within _UNDECIDED octets of their line's start.
_FIELD: Final = re.compile(rb"\n(?:(from)|received)[ \t]{0,80}:", re.IGNORECASE)
_UNDECIDED: Final = 100
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_FIELD_END: Final = re.compile(rb"\n[^ \t]")
_LINE_END: Final = re.compile(rb"\r?\n")


class HeaderScan:
    """Counts and remembers while content is fed to it; after the blank line that ends the header section it rests.

    `received` is the number of Received fields, `from_fields` that of From fields (RFC 5322, 3.6 wants one),
    `header_octets` the octets of the header section so far, without the blank line; `ended` is whether that was seen.
    """

    __slots__ = ("_from_body", "_from_open", "_rest", "ended", "from_fields", "header_octets", "received")

    def __init__(self) -> None:
        self.received = 0
        self.from_fields = 0
        self.header_octets = 0
        self.ended = False
        self._rest = b"\n"  # an undecided line so far, with the LF before it; the first line is given one too
        self._from_body = b""
        self._from_open = False

    @property
    def from_field(self) -> bytes:
        """The body of the first From field, unfolded and cut after `MAX_FROM` octets; b"" when there is none."""
        return _LINE_END.sub(b"", self._from_body[:MAX_FROM]).strip(b" \t\r")

    def feed(self, octets: bytes) -> None:
        """Take the next chunk of content; costs nothing once `ended`."""
        if self.ended:
            return
        if self._from_open:
            self._extend_from(octets)
        data = self._rest + octets
        blank = _BLANK_LINE.search(data)
        if blank is None:
            self.header_octets += len(octets)
            self._scan(data, len(data))
            self._keep_undecided(data)
        else:
            self.header_octets += blank.start() + 1 - len(self._rest)
            self._scan(data, blank.start())
            self._rest = b""
            self.ended = True

    def _scan(self, data: bytes, end: int) -> None:
        for field in _FIELD.finditer(data, 0, end):
            if field[1] is None:
                self.received += 1
                continue
            self.from_fields += 1
            if self.from_fields == 1:
                self._extend_from(data[field.end() : field.end() + MAX_FROM + 2])

    def _extend_from(self, octets: bytes) -> None:
        """Add to the From field's body until a line begins without white space (RFC 5322, 2.2.3)."""
        body = self._from_body + octets[: MAX_FROM + 2]
        end = _FIELD_END.search(body, max(0, len(self._from_body) - 1))
        self._from_open = end is None and len(body) <= MAX_FROM
        self._from_body = body[: end.start() if end else MAX_FROM + 2]

    def _keep_undecided(self, data: bytes) -> None:
        """Keep the last line's start while it may still turn out to be a field we count, or the blank line."""
        last = data.rfind(b"\n")
        undecided = last >= 0 and len(data) - last <= _UNDECIDED and b":" not in data[last:]
        self._rest = data[last:] if undecided else b""
