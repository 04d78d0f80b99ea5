# SPDX-License-Identifier: Apache-2.0
"""The parts of a mail that is there as a whole, with their transfer encodings undone (RFC 2045, RFC 2046, 5.1).

For mail that programs write for programs, such as reports. A filter, which has to see what anybody may see, uses
`genkan.message.mime`; that one reads while content arrives, and texts only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.message.header import HeaderFields, parse_structured
from genkan.message.transfer import transfer_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PARTS: Final = 100  # that are looked at, multiparts among them
MAX_DEPTH: Final = 5  # multiparts within one another; the octets are gone through once for each
MAX_HEADER: Final = 64 * 1024  # octets of a header section, blank line included; what has a longer one has no body
PIECE: Final = 64 * 1024  # octets that are decoded at once: for so long no other thread runs


class Part(NamedTuple):
    """A part that is no multipart: its type in lower case, the name of its file or "", and its octets."""

    content_type: str
    name: str
    octets: bytes


def parts_of(content: bytes) -> Iterator[Part]:
    """The parts of a mail in their order, the mail itself where it has none; a mail within the mail is one part."""
    waiting = [(content, 0)]
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        entity, depth = waiting.pop()
        header, body = _split(entity)
        content_type, parameters = parse_structured(header.first("content-type"))
        boundary = parameters.get("boundary", "").rstrip().encode("latin-1")
        if content_type.startswith("multipart/") and boundary and depth < MAX_DEPTH:
            inner = _bodies(body, boundary)
            waiting.extend((octets, depth + 1) for octets in reversed(inner))
            continue
        disposition = parse_structured(header.first("content-disposition"))[1]
        name = disposition.get("filename") or parameters.get("name", "")
        yield Part(content_type or "text/plain", name, _decoded(header, body))


def _split(entity: bytes) -> tuple[HeaderFields, bytes]:
    """At the first blank line, which may be the very first line."""
    start = b"\n" + entity[:MAX_HEADER]
    ends = [(found, found + len(line)) for line in (b"\n\n", b"\n\r\n") if (found := start.find(line)) >= 0]
    if not ends:
        return HeaderFields(start[1:]), b""
    header, body = min(ends)
    return HeaderFields(start[1 : header + 1]), entity[body - 1 :]


class _Delimiter(NamedTuple):
    """Where a delimiter begins and ends, the line ends around it included, and whether it is the last one."""

    start: int
    end: int
    closes: bool


def _bodies(body: bytes, boundary: bytes) -> list[bytes]:
    """What stands between the delimiters of a multipart; no more than will be looked at."""
    text = b"\n" + body
    bodies: list[bytes] = []
    start = None
    for delimiter in _delimiters(text, b"\n--" + boundary):
        if start is not None:
            bodies.append(text[start : delimiter.start])
        start = None if delimiter.closes else delimiter.end
        if start is None or len(bodies) >= MOST_PARTS:
            return bodies
    return bodies if start is None else [*bodies, text[start:]]


def _delimiters(text: bytes, beginning: bytes) -> Iterator[_Delimiter]:
    """Looked for by `find`, since an expression takes its time for some octets, and no other thread runs meanwhile."""
    start = text.find(beginning)
    while start >= 0:
        end = text.find(b"\n", start + 1) + 1 or len(text)
        behind = text[start + len(beginning) : end].rstrip()
        if behind in (b"", b"--"):
            yield _Delimiter(start - text.endswith(b"\r", 0, start), end, bool(behind))
        start = text.find(beginning, end - 1)


def _decoded(header: HeaderFields, body: bytes) -> bytes:
    decoder = transfer_decoder(parse_structured(header.first("content-transfer-encoding"))[0])
    if decoder is None:
        return body
    pieces = [decoder.feed(body[start : start + PIECE]) for start in range(0, len(body), PIECE)]
    return b"".join((*pieces, decoder.finish()))
