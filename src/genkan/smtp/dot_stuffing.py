# SPDX-License-Identifier: Apache-2.0
"""Mail data on its way out: dot transparency and the end of data (RFC 5321, 4.5.2 and 4.1.1.4).

Works on whole blocks; nothing here looks at one line after the other.
"""

from __future__ import annotations

from typing import Final

_DOT: Final = 0x2E


class DotStuffer:
    """Makes of content, lines that end in CRLF, what is sent after DATA; blocks may be cut anywhere."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"  # the last two octets; the first line begins behind the CRLF of DATA

    def put(self, block: bytes) -> bytes:
        """The next block with a dot before each line that begins with one."""
        if not block:
            return block
        tail = self._tail
        self._tail = block[-2:] if len(block) > 1 else tail[-1:] + block
        stuffed = block.replace(b"\r\n.", b"\r\n..")  # gives the block itself when there is no such line
        if block[0] == _DOT and tail == b"\r\n":
            return b"." + stuffed
        if tail[-1:] == b"\r" and block.startswith(b"\n."):
            return b"\n." + stuffed[1:]
        return stuffed

    def finish(self) -> bytes:
        """The end of data; it also ends a last line that has no CRLF."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"
