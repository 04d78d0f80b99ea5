# SPDX-License-Identifier: Apache-2.0
"""Mail data on its way in: where it ends, dot transparency, strict CRLF, size (RFC 5321, 4.1.1.4, 4.5.2, 2.3.8; RFC 3030).

Only CRLF.CRLF ends data. A bare CR or LF is never taken as a line end and never passed on: servers that disagree about that
are how mail is smuggled. Works on whole chunks with `bytes.find`; nothing here looks at one line after the other.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from genkan.smtp.reply import Reply

END_OF_DATA: Final = b"\r\n.\r\n"
_STUFFED: Final = b"\r\n."
_BARE: Final = re.compile(rb"\r\n|\r|\n")
_ALL_BUT_NEWLINES: Final = bytes(octet for octet in range(256) if octet not in b"\r\n")


class BareNewline(Enum):
    """What becomes of a CR or LF that stands alone."""

    REFUSE = auto()
    NORMALISE = auto()


class Fault(Enum):
    """What is wrong with mail data, told when it has ended; of several the first in this list counts."""

    BARE_NEWLINE = auto()
    TOO_BIG = auto()
    LINE_TOO_LONG = auto()


class ContentGate:
    """Checks content octets as they pass: line ends, line length, size. After a fault nothing passes any more.

    Which fault is told depends on the content, not on how it was cut into chunks.
    """

    __slots__ = ("_bare_newline", "_held_cr", "_line_limit", "_line_open", "_size_limit", "fault", "size")

    def __init__(self, bare_newline: BareNewline, size_limit: int, line_limit: int) -> None:
        """`size_limit` and `line_limit` in octets (a line without its CRLF); 0 is no limit."""
        self._bare_newline = bare_newline
        self._size_limit = size_limit
        self._line_limit = line_limit
        self._line_open = 0
        self._held_cr = False
        self.fault: Fault | None = None
        self.size = 0

    def put(self, octets: bytes) -> bytes:
        """What of `octets` passes; a CR at the very end waits for what follows it."""
        if self.fault is Fault.BARE_NEWLINE or not octets:
            return b""
        if self._held_cr:
            octets = b"\r" + octets
            self._held_cr = False
        if octets[-1] == 0x0D:
            octets = octets[:-1]
            self._held_cr = True
        return self._checked(octets)

    def finish(self) -> bytes:
        """The content has ended: what was held back, if it passes."""
        if not self._held_cr:
            return b""
        self._held_cr = False
        return self._checked(b"\r")

    def _checked(self, octets: bytes) -> bytes:
        if not has_only_crlf(octets):
            if self._bare_newline is BareNewline.REFUSE:
                self.fault = Fault.BARE_NEWLINE
                return b""
            octets = _BARE.sub(b"\r\n", octets)
        self.size += len(octets)
        if 0 < self._size_limit < self.size:
            self.fault = Fault.TOO_BIG
        elif self.fault is None and self._line_limit and self._has_long_line(octets):
            self.fault = Fault.LINE_TOO_LONG
        return b"" if self.fault is not None else octets

    def _has_long_line(self, octets: bytes) -> bool:
        """Look backwards for a line end once in every `line_limit` octets, so most octets are never looked at."""
        start, reach = -self._line_open, self._line_limit + 2
        while len(octets) - start > reach:
            newline = octets.rfind(b"\n", max(start, 0), start + reach)
            if newline < 0:
                return True
            start = newline + 1
        start = max(start, octets.rfind(b"\n") + 1) if b"\n" in octets else start
        self._line_open = len(octets) - start
        return False


class Chunk:
    """A BDAT chunk under way (RFC 3030, 2): octets still to come, and the refusal it gets if they are only skipped."""

    __slots__ = ("last", "refusal", "remaining", "size")

    def __init__(self, size: int, *, last: bool, refusal: Reply | None = None) -> None:
        """`size` is the number after BDAT."""
        self.size = self.remaining = size
        self.last = last
        self.refusal = refusal


def has_only_crlf(octets: bytes) -> bool:
    """Whether every CR is followed by LF and every LF preceded by CR: then there are two newline octets to each CRLF."""
    return octets.count(b"\r\n") * 2 == len(octets.translate(None, _ALL_BUT_NEWLINES))


class DotReader:
    """Finds the end of mail data sent with DATA and takes the transparency dots away."""

    __slots__ = ("_held", "_skip")

    def __init__(self) -> None:
        # The CRLF of the DATA command stands before the first line, so data that starts with a dot needs no case of its own.
        self._held = b"\r\n"
        self._skip = 2

    def read(self, octets: bytes) -> tuple[bytes, bytes | None]:
        """Give the content in `octets`, and what stands behind the end of data; `None` while that has not come."""
        data = self._held + octets if self._held else octets
        stuffed = data.find(_STUFFED)
        if stuffed < 0:
            return self._unfinished(data, stuffed), None
        end = data.find(END_OF_DATA, stuffed)
        if end < 0:
            return self._unfinished(data, stuffed), None
        return self._content(data[: end + 2], stuffed if stuffed < end else -1), data[end + 5 :]

    def _unfinished(self, data: bytes, stuffed: int) -> bytes:
        """Hold back the longest tail that could be the beginning of the end."""
        held = next((n for n in (4, 3, 2, 1) if data.endswith(END_OF_DATA[:n])), 0)
        self._held = END_OF_DATA[:held]
        return self._content(data[: len(data) - held] if held else data, stuffed)

    def _content(self, data: bytes, stuffed: int) -> bytes:
        if stuffed >= 0:
            data = data.replace(_STUFFED, b"\r\n")
        if self._skip and data:
            data = data[self._skip :]
            self._skip = 0
        return data
