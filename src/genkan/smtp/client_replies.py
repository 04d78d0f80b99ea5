# SPDX-License-Identifier: Apache-2.0
"""What another server says, read by us as its client: octets in, replies out (RFC 5321, 4.2; RFC 2034).

No I/O. What comes is bounded whatever the server sends; what is no SMTP ends in `ProtocolError`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from genkan.smtp.reply import safe_field

MAX_SERVER_LINE: Final = 4096  # octets without the line end; RFC 5321, 4.5.3.1.5 has 512, and servers say more
MAX_SERVER_LINES: Final = 100  # of one reply
MAX_SERVER_REPLY: Final = 16384  # octets of one reply, without line ends
SERVICE_CLOSES: Final = 421  # the server is about to close the connection; RFC 5321, 3.8

# RFC 5321, 4.2: the blank behind the code may be missing when no text follows. RFC 2034, 4 and RFC 3463, 2: an enhanced
# code is one only if its class is the code's first digit, and 3 is no class.
_match_line: Final = re.compile(
    rb"(([2-5])[0-9][0-9])(?:([ -]) *((?!3)\2\.[0-9]{1,3}\.[0-9]{1,3}(?![^ ]))? *(.*))?", re.DOTALL
).fullmatch


class ProtocolError(Exception):
    """The server left the protocol; the message is a sentence for the log, and the connection is of no more use."""


class ServerReply(NamedTuple):
    """One reply: its texts are printable, without the codes; `text` is all of them in one line.

    `enhanced` is "" when there is none, or none whose class fits the code (RFC 2034, 4).
    """

    code: int
    enhanced: str
    text: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        """The reply in one line, as a log and the Diagnostic-Code field of a DSN show it (RFC 3464, 2.3.6)."""
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)

    @property
    def accepts(self) -> bool:
        """2yz: done (RFC 5321, 4.2.1)."""
        return self.code < 300

    @property
    def goes_on(self) -> bool:
        """3yz: the server waits for more of the same command."""
        return 300 <= self.code < 400

    @property
    def defers(self) -> bool:
        """4yz: the same may succeed later."""
        return 400 <= self.code < 500

    @property
    def refuses(self) -> bool:
        """5yz: the same will never succeed."""
        return self.code >= 500

    @property
    def closes(self) -> bool:
        """421: the connection ends with this reply."""
        return self.code == SERVICE_CLOSES


class ReplyReader:
    """The replies of one connection: `receive` what was read, then `next_reply` until it gives `None`.

    Parsing happens in `next_reply` alone, so where a read ended changes nothing.
    """

    __slots__ = ("_code", "_data", "_enhanced", "_size", "_start", "_texts")

    def __init__(self) -> None:
        self._data = b""
        self._start = 0
        self._code = b""
        self._enhanced = ""
        self._texts: list[str] = []  # of a reply that is not complete
        self._size = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come beyond the replies given; after the one to STARTTLS it must be so (RFC 3207, 6)."""
        return self._start == len(self._data) and not self._texts

    def receive(self, octets: bytes) -> None:
        """Append octets from the server."""
        self._data = octets if self._start == len(self._data) else self._data[self._start :] + octets
        self._start = 0

    def next_reply(self) -> ServerReply | None:
        """The next whole reply, `None` when more octets are needed. Raises `ProtocolError`."""
        while (line := self._next_line()) is not None:
            match = _match_line(line)
            if match is None:
                msg = f"the server sent a line that is no reply: {_printable(line[:80])}"
                raise ProtocolError(msg)
            code, _, separator, enhanced, octets = match.groups(b"")
            text = _printable(octets)
            if separator == b"-" or self._texts:
                self._size += len(line)
                reply = self._take_line(code, enhanced.decode(), text, is_last=separator != b"-")
                if reply is None:
                    continue
                return reply
            return ServerReply(int(code), enhanced.decode(), text, (text,))  # nearly always
        return None

    def _next_line(self) -> bytes | None:
        end = self._data.find(b"\n", self._start)
        line = self._data[self._start : end if end >= 0 else len(self._data)]
        if len(line) > MAX_SERVER_LINE and len(line.removesuffix(b"\r")) > MAX_SERVER_LINE:
            msg = f"the server sent a line of more than {MAX_SERVER_LINE} octets"
            raise ProtocolError(msg)
        if end < 0:
            return None
        self._start = end + 1
        return line.removesuffix(b"\r")

    def _take_line(self, code: bytes, enhanced: str, text: str, *, is_last: bool) -> ServerReply | None:
        """The reply of several lines when this is its last."""
        if not self._texts:
            self._code, self._enhanced = code, enhanced
        elif code != self._code:  # RFC 5321, 4.2.1
            msg = f"the server changed the code within a reply, from {self._code.decode()} to {code.decode()}"
            raise ProtocolError(msg)
        elif enhanced != self._enhanced:  # RFC 2034, 4 wants the same on each line; what is not is text
            text = f"{enhanced} {text}".strip(" ")
        self._texts.append(text)
        if len(self._texts) > MAX_SERVER_LINES or self._size > MAX_SERVER_REPLY:
            msg = f"the server sent a reply of more than {MAX_SERVER_LINES} lines or {MAX_SERVER_REPLY} octets"
            raise ProtocolError(msg)
        if not is_last:
            return None
        lines, self._texts, self._size = tuple(self._texts), [], 0
        return ServerReply(int(code), self._enhanced, " ".join(filter(None, lines)), lines)


def _printable(octets: bytes) -> str:
    text = octets.decode("utf-8", "replace")
    if not text.isprintable():
        text = safe_field(text.replace("\t", " "), utf8=True)
    return text.strip(" ")
