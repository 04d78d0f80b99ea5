# SPDX-License-Identifier: Apache-2.0
"""The parts of a mail that is there as a whole, with their transfer encodings undone (RFC 2045, RFC 2046, 5.1).

For mail that programs write for programs, such as reports. A filter, which has to see what anybody may see, uses
`genkan.message.mime`; that one reads while content arrives, and texts only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.message.header import HeaderFields, parse_structured
from genkan.message.transfer import transfer_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PARTS: Final = 100  # that are looked at, multiparts among them
MAX_DEPTH: Final = 5  # multiparts within one another; the octets are gone through once for each
MAX_HEADER: Final = 64 * 1024  # octets of a header section that are read

_BLANK_LINE: Final = re.compile(rb"\n\r?\n|\A\r?\n")


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
    end = _BLANK_LINE.search(entity)
    if end is None:
        return HeaderFields(entity[:MAX_HEADER]), b""
    return HeaderFields(entity[: end.start() + 1][:MAX_HEADER]), entity[end.end() :]


def _bodies(body: bytes, boundary: bytes) -> list[bytes]:
    """What stands between the delimiters of a multipart, whose line ends belong to them; no more than will be looked at."""
    delimiter = re.compile(rb"(?:\A|\r?\n)--%b(--)?[ \t]*+(?:\r?\n|\Z)" % re.escape(boundary))
    bodies: list[bytes] = []
    start = None
    for found in delimiter.finditer(body):
        if start is not None:
            bodies.append(body[start : found.start()])
        start = None if found[1] else found.end()
        if start is None or len(bodies) >= MOST_PARTS:
            return bodies
    return bodies if start is None else [*bodies, body[start:]]


def _decoded(header: HeaderFields, body: bytes) -> bytes:
    decoder = transfer_decoder(parse_structured(header.first("content-transfer-encoding"))[0])
    return body if decoder is None else decoder.feed(body) + decoder.finish()
