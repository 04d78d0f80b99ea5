# SPDX-License-Identifier: Apache-2.0
"""Looks at a header section while it arrives: how many hops, how many octets, who it says it is from (RFC 5322, 2.2).

Pure and bounded: what is kept has a bound however long the lines are, and how the content is cut into chunks changes nothing.
No parsing of structured fields here: on hostile mail that costs seconds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BODY: Final = 4096  # octets of the body of a From or Subject field that are remembered

# The name and the white space of obs-optional (RFC 5322, 4.5) end within _UNDECIDED octets of their line's start; with more
# of it than anybody means the field counts before its colon has come.
_FIELD: Final = re.compile(rb"\n(?:(from)|(subject)|received)(?:[ \t]{0,80}:|[ \t]{81})", re.IGNORECASE)
_UNDECIDED: Final = 100
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_FIELD_END: Final = re.compile(rb"\n[^ \t]")
_LINE_END: Final = re.compile(rb"\r?\n")
_KEPT: Final = MAX_BODY + 3  # with which it shows whether the body ends where it is cut


class _Body:
    """The body of a field, as far as it has come: it goes on until a line begins without white space (RFC 5322, 2.2.3)."""

    __slots__ = ("octets", "open")

    def __init__(self, octets: bytes) -> None:
        self.octets = b""
        self.open = True
        self.extend(octets)

    def extend(self, octets: bytes) -> None:
        body = self.octets + octets[:_KEPT]
        end = _FIELD_END.search(body, max(0, len(self.octets) - 1))
        self.open = end is None and len(body) < _KEPT
        self.octets = body[: end.start() if end else _KEPT]

    @property
    def is_cut(self) -> bool:
        return len(self.octets.rstrip(b"\r")) > MAX_BODY

    @property
    def unfolded(self) -> bytes:
        return _LINE_END.sub(b"", self.octets[:MAX_BODY]).strip(b" \t\r")


class BodyReader(Protocol):
    """Somebody who looks at the body of a message while it arrives."""

    def feed(self, octets: bytes, /) -> None:
        """Take the next octets."""
        ...


class Parting:
    """Parts content into header section and body: `begin` is given the one when it is complete, and says who reads the other."""

    __slots__ = ("_begin", "_begun", "_header", "_reader")

    def __init__(self, header: HeaderScan, begin: Callable[[bytes], BodyReader | None]) -> None:
        """`header` keeps the header section, and is fed here and nowhere else."""
        self._header = header
        self._begin = begin
        self._begun = False
        self._reader: BodyReader | None = None

    def feed(self, octets: bytes) -> None:
        """Take the next octets of the content."""
        before = self._header.feed(octets)
        if before:
            if not self._header.ended:
                return
            self._begin_body()
            octets = octets[before:]
        if self._reader is not None:
            self._reader.feed(octets)

    def finish(self) -> None:
        """The content is complete; it may have had no body."""
        if not self._begun:
            self._begin_body()

    def _begin_body(self) -> None:
        self._begun = True
        self._reader = self._begin(self._header.section)


class HeaderScan:
    """Counts and remembers while content is fed to it; after the blank line that ends the header section it rests.

    `received` is the number of Received fields, `from_fields` that of From fields (RFC 5322, 3.6 wants one),
    `header_octets` and `header_lines` what there is of the header section so far, without the blank line; `ended` is whether
    that was seen.
    """

    __slots__ = (
        "_author",
        "_keep",
        "_kept",
        "_rest",
        "_subject",
        "ended",
        "from_fields",
        "header_lines",
        "header_octets",
        "received",
    )

    def __init__(self, keep: int = 0) -> None:
        """`keep` is the most octets that `section` will have."""
        self.received = 0
        self.from_fields = 0
        self.header_octets = 0
        self.header_lines = 0
        self.ended = False
        self._keep = keep
        self._kept = bytearray()
        self._rest = b"\n"  # an undecided line so far, with the LF before it; the first line is given one too
        self._author: _Body | None = None
        self._subject: _Body | None = None

    @property
    def from_field(self) -> bytes:
        """The body of the first From field, unfolded and cut after `MAX_BODY` octets; b"" when there is none."""
        return b"" if self._author is None else self._author.unfolded

    @property
    def only_from_field(self) -> bytes | None:
        """The body of the one From field; `None` when there is none, several, or one that was cut: who knows what follows."""
        return None if self.from_fields != 1 or self._author is None or self._author.is_cut else self.from_field

    @property
    def subject(self) -> bytes:
        """The body of the first Subject field, as `from_field`."""
        return b"" if self._subject is None else self._subject.unfolded

    @property
    def section(self) -> bytes:
        """The header section so far, without the blank line: as many octets of it as are to be kept."""
        return self.start(self._keep)

    def start(self, octets: int) -> bytes:
        """The first octets of `section`, so many at most."""
        return bytes(self._kept[: min(octets, self.header_octets)])

    def feed(self, octets: bytes) -> int:
        """Take the next chunk of content. How many of its octets come before the body: none once `ended`."""
        if self.ended:
            return 0
        for body in (self._author, self._subject):
            if body is not None and body.open:
                body.extend(octets)
        before = self._read(octets)
        if len(self._kept) < self._keep:
            self._kept += octets[: min(before, self._keep - len(self._kept))]
        return before

    def _read(self, octets: bytes) -> int:
        """See `feed`."""
        data = self._rest + octets
        blank = _BLANK_LINE.search(data)
        if blank is None:
            self.header_octets += len(octets)
            self.header_lines += octets.count(b"\n")
            self._scan(data, len(data))
            self._keep_undecided(data)
            return len(octets)
        self.header_octets += blank.start() + 1 - len(self._rest)
        self._scan(data, blank.start())
        before = blank.end() - len(self._rest)
        self.header_lines += octets.count(b"\n", 0, before) - 1
        self._rest = b""
        self.ended = True
        return before

    def _scan(self, data: bytes, end: int) -> None:
        for field in _FIELD.finditer(data, 0, end):
            kind = field.lastindex
            if kind is None:
                self.received += 1
            elif kind == 1:
                self.from_fields += 1
                if self._author is None:
                    self._author = _Body(data[field.end() : field.end() + _KEPT])
            elif self._subject is None:
                self._subject = _Body(data[field.end() : field.end() + _KEPT])

    def _keep_undecided(self, data: bytes) -> None:
        """Keep the last line's start while it may still turn out to be a field we count, or the blank line."""
        last = data.rfind(b"\n")
        undecided = last >= 0 and len(data) - last <= _UNDECIDED and b":" not in data[last:]
        self._rest = data[last:] if undecided else b""
