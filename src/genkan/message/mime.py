# SPDX-License-Identifier: Apache-2.0
"""Reads the texts out of content while it arrives: parts, transfer encodings, charsets (RFC 2045, RFC 2046, 5.1).

Pure and bounded, and however the content is cut into chunks, the texts are the same. Where mailers and mail programs
disagree about broken content, more is read rather than less: a filter should see what somebody may see.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, NamedTuple

from genkan.message.charset import decode
from genkan.message.header import HeaderFields, parse_structured
from genkan.message.html_text import visible_text
from genkan.message.transfer import Base64Decoder, TransferDecoder, transfer_decoder

MAX_DEPTH: Final = 20  # multiparts within one another
MAX_PARTS: Final = 1000
MAX_HEADER: Final = 128 * 1024  # octets of the message's header section that are kept
MAX_PART_HEADER: Final = 16 * 1024
MAX_BOUNDARY: Final = 996  # RFC 2046, 5.1.1 has 70; a line has 998 (RFC 5322, 2.1.1)
ENCODED_PER_OCTET: Final = 4  # so many encoded octets are read for each octet of text; quoted-printable has three

# A line that may be a delimiter, from the LF before it to the one at its end, which it leaves to the next line.
_DELIMITER: Final = re.compile(rb"\n--([^\r\n]{1,%d}+)\r?(?=\n)" % (MAX_BOUNDARY + 2))
_HEADER_END: Final = re.compile(rb"\n(?:\r?\n|--([^\r\n]{1,%d}+)\r?(?=\n))" % (MAX_BOUNDARY + 2))
_UNDECIDED: Final = MAX_BOUNDARY + 6  # octets of a line, its LF before it and CR included, that may become a delimiter
_PIECES: Final = 64  # pieces of a section that are kept apart
_MESSAGES: Final = {"message/rfc822", "message/global", "message/news"}


class _State(Enum):
    HEADER = auto()
    TEXT = auto()
    SKIP = auto()
    DONE = auto()


class _Multipart(NamedTuple):
    """A multipart we are in: its boundary, and what its parts are when they do not say."""

    boundary: bytes
    default: str


class TextReader:
    """Takes content, header section first; after `finish` it has `texts`, `content_types` and `header`.

    `texts` are the decoded texts of all text/* parts in their order, HTML as it is and once more as visible text;
    `content_types` those of all parts, the message first; `header` the message's own fields.
    """

    def __init__(self, limit: int) -> None:
        """`limit` is how many octets of text are kept and decoded, over all parts, transfer encodings undone.

        Visible text is not counted twice.
        """
        self.texts: list[str] = []
        self.content_types: list[str] = []
        self.header = HeaderFields(b"")
        self._ended: list[tuple[bytes, str, bool]] = []  # octets, charset, whether HTML; as Unicode they may be larger
        self._text_left = limit
        self._encoded_left = limit * ENCODED_PER_OCTET
        self._multiparts: list[_Multipart] = []
        self._levels: dict[bytes, int] = {}
        self._parts = 0
        self._state = _State.HEADER
        self._kept: list[bytes] = []  # the end of the section
        self._joined = bytearray()  # what came before: many small pieces would take many times their size
        self._space = self._room = MAX_HEADER  # octets that may still be kept, and that may still come
        self._tail = b"\n"  # each section is read with the LF before its first line
        self._transfer: TransferDecoder | None = None
        self._charset = ""
        self._html = False

    def feed(self, octets: bytes) -> None:
        """Take the next chunk of content."""
        if self._state is _State.DONE:
            return
        data = self._tail + octets if self._tail else octets
        self._tail = b""
        self._read(data)

    def finish(self) -> None:
        """The content is complete; a delimiter may be its last line without a line end."""
        if self._tail.startswith(b"\n--"):
            self._read(self._tail + b"\n")
        else:
            self._keep(self._tail)
        self._tail = b""
        self._end_section(delimited=False)
        self._state = _State.DONE
        for octets, charset, html in self._ended:
            self._add_text(decode(octets, charset), html=html)
        self._ended = []

    def _read(self, data: bytes) -> None:
        """Go from one end of a section to the next; keep what is sure to belong to the last."""
        position = 0
        while self._state is _State.HEADER or self._multiparts:
            end = self._find_end(data, position)
            if end is None:
                undecided = _undecided(data, position)
                self._keep(data[position:undecided])
                self._tail = data[undecided:]
                return
            self._keep(data[position : end.start()])
            position = self._pass(end)
            if self._state is _State.DONE:
                return
        self._keep(data[position:] if position else data)

    def _find_end(self, data: bytes, position: int) -> re.Match[bytes] | None:
        pattern = _HEADER_END if self._state is _State.HEADER else _DELIMITER
        for line in pattern.finditer(data, position):
            if line[1] is None or line[1].rstrip(b" \t") in self._levels:
                return line
        return None

    def _pass(self, end: re.Match[bytes]) -> int:
        """Go over the end of a section; the position of the LF that the next one begins with."""
        if end[1] is None:
            self._end_header()
            return end.end() - 1
        self._end_section(delimited=True)
        line = end[1].rstrip(b" \t")
        level = self._levels[line]
        if len(self._multiparts) > level + 1:
            del self._multiparts[level + 1 :]
            self._index_delimiters()
        if line == self._multiparts[level].boundary:
            self._begin_part()
        else:
            self._state = _State.SKIP  # an epilogue; should parts follow all the same, they are read
        return end.end()

    def _begin_part(self) -> None:
        self._parts += 1
        self._state = _State.HEADER if self._parts < MAX_PARTS else _State.DONE
        self._space = self._room = MAX_PART_HEADER

    def _end_header(self) -> None:
        """Decide by the header section that was kept what the body is."""
        octets = self._take().removeprefix(b"\n")
        fields = HeaderFields(octets + b"\n" if octets.endswith(b"\r") else octets)  # the LF begins the blank line
        if not self.content_types:
            self.header = fields
        content_type, parameters = parse_structured(fields.first("content-type"))
        if "/" not in content_type:
            content_type = self._multiparts[-1].default if self._multiparts else "text/plain"
        self.content_types.append(content_type)
        boundary = parameters.get("boundary", "").encode("latin-1").rstrip(b" \t")
        if content_type.startswith("multipart/") and self._enter(content_type, boundary):
            self._state = _State.SKIP
        elif content_type in _MESSAGES:
            self._begin_part()
        elif content_type.startswith(("text/", "multipart/")) and self._text_left > 0:
            self._begin_text(fields, content_type, parameters.get("charset", ""))
        else:
            self._state = _State.SKIP

    def _enter(self, content_type: str, boundary: bytes) -> bool:
        """Go into a multipart, unless it cannot be one or is too deep."""
        if not 0 < len(boundary) <= MAX_BOUNDARY or len(self._multiparts) >= MAX_DEPTH:
            return False
        default = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
        self._multiparts.append(_Multipart(boundary, default))
        self._index_delimiters()
        return True

    def _index_delimiters(self) -> None:
        """Which multipart a line after its "--" speaks of; of two with one boundary the inner."""
        self._levels = {}
        for level, multipart in enumerate(self._multiparts):
            self._levels[multipart.boundary + b"--"] = level
            self._levels[multipart.boundary] = level

    def _begin_text(self, fields: HeaderFields, content_type: str, charset: str) -> None:
        self._state = _State.TEXT
        self._transfer = transfer_decoder(parse_structured(fields.first("content-transfer-encoding"))[0])
        self._charset = charset
        self._html = content_type == "text/html"
        self._space = self._text_left + 1  # with the LF before it
        self._room = self._encoded_left

    def _keep(self, octets: bytes) -> None:
        if self._state is _State.SKIP or self._room <= 0 or not octets:
            return
        if len(octets) > self._room:
            octets = octets[: self._room]
        self._room -= len(octets)
        if self._transfer is not None:
            octets = self._transfer.feed(octets)
        if len(octets) > self._space:
            octets = octets[: self._space]
            self._room = 0
        self._space -= len(octets)
        self._kept.append(octets)
        if len(self._kept) >= _PIECES:
            self._joined += b"".join(self._kept)
            self._kept.clear()

    def _take(self) -> bytes:
        """All that was kept of a section, and is not any longer."""
        octets = b"".join((self._joined, *self._kept) if self._joined else self._kept)
        self._joined = bytearray()
        self._kept = []
        return octets

    def _end_section(self, *, delimited: bool) -> None:
        """A body ended, or a part that is all header; the line end before a delimiter belongs to that."""
        if self._state is _State.HEADER and self._multiparts and delimited:
            octets = self._take()
            self._begin_text(HeaderFields(b""), "text/plain", "")  # no blank line: some programs show it as text
            self._keep(octets)
        if self._state is _State.HEADER:
            self._end_header()
        elif self._state is _State.TEXT:
            self._end_text(self._take(), delimited=delimited)

    def _end_text(self, octets: bytes, *, delimited: bool) -> None:
        if self._transfer is not None:
            octets += self._transfer.finish()
        if not isinstance(self._transfer, Base64Decoder):  # which does without line ends
            octets = octets[1:].removesuffix(b"\r") if delimited else octets[1:]
        self._transfer = None
        self._encoded_left = self._room
        octets = octets[: self._text_left]
        self._text_left -= len(octets)
        if octets:
            self._ended.append((octets, self._charset, self._html))

    def _add_text(self, text: str, *, html: bool) -> None:
        if not text:
            return
        self.texts.append(text)
        if html:
            visible = visible_text(text)
            if visible != text:
                self.texts.append(visible)


def _undecided(data: bytes, position: int) -> int:
    """Where the last line begins, if it may still turn out to be a blank line or a delimiter, else the end."""
    last = data.rfind(b"\n", position)
    if last < 0 or len(data) - last > _UNDECIDED:
        return len(data)
    begin = data[last : last + 3]
    return last if begin in (b"\n", b"\n-", b"\n--", b"\n\r") else len(data)
