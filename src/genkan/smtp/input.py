# SPDX-License-Identifier: Apache-2.0
"""What a client has sent and the session has not read yet: taken by lines or by octets (RFC 5321, 2.3.8 and 4.5.3.1).

Pure. Octets are found with `bytes.find` and copied once; what a line may hold is asked in `command.py`.
"""

from __future__ import annotations

from enum import Enum, auto

from genkan.smtp.maildata import BareNewline


class LineFault(Enum):
    """Why a line is not given; it has been taken all the same."""

    TOO_LONG = auto()
    BARE_NEWLINE = auto()


class InputBuffer:
    """Octets in the order they came; of an overlong line only the fact is kept."""

    __slots__ = ("_bare_newline", "_octets", "_overlong", "_position")

    def __init__(self, bare_newline: BareNewline) -> None:
        """`bare_newline` says whether an LF alone ends a line."""
        self._bare_newline = bare_newline
        self._octets = b""
        self._position = 0
        self._overlong = False

    def receive(self, octets: bytes) -> None:
        """Append octets."""
        if self._position < len(self._octets):
            octets = self._octets[self._position :] + octets
        self._octets = octets
        self._position = 0

    @property
    def size(self) -> int:
        """How many octets wait."""
        return len(self._octets) - self._position

    def next_line(self, limit: int) -> bytes | LineFault | None:
        """Take a line of at most `limit` octets and give it without its CRLF; `None` while its end has not come."""
        end = self._octets.find(b"\n", self._position)
        if end < 0:
            if self.size > limit + 1:
                self._overlong = True
                self._octets, self._position = b"", 0
            return None
        line = self._octets[self._position : end]
        self._position = end + 1
        if self._overlong or len(line) > limit + 1:
            self._overlong = False
            return LineFault.TOO_LONG
        if line.endswith(b"\r"):
            return line[:-1]
        return line if self._bare_newline is BareNewline.NORMALISE else LineFault.BARE_NEWLINE

    def take(self, count: int) -> bytes:
        """Take up to `count` octets, as many as there are."""
        start, end = self._position, self._position + count
        if end < len(self._octets):
            self._position = end
            return self._octets[start:end]
        octets = self._octets[start:] if start else self._octets
        self._octets, self._position = b"", 0
        return octets

    def put_back(self, octets: bytes) -> None:
        """Give back the end of what was taken; nothing else may wait."""
        self._octets, self._position = octets, 0
