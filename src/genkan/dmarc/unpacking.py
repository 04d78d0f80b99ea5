# SPDX-License-Identifier: Apache-2.0
"""Finds the XML of an aggregate report in a mail: as it is, compressed, or in a zip archive (RFC 9990, 3.5.2; RFC 7489, 7.2.1.1).

It comes from anybody, so what it unpacks to is bounded before it is there.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from genkan.message.attachments import parts_of

if TYPE_CHECKING:
    from genkan.message.attachments import Part

LARGEST: Final = 16 * 1024 * 1024  # octets of XML
MOST_RATIO: Final = 200  # octets of XML for one that came; reports have 10 to 50, deflate can do 1032
ALWAYS_ALLOWED: Final = 256 * 1024  # octets of XML, whatever the ratio

_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_XML: Final = (b"<?xml", b"<feedback")
_BLANKS: Final = b"\xef\xbb\xbf \t\r\n"
_TEXTS: Final = ("text/plain", "text/html")
_ZIP_HEADER: Final = struct.Struct("<6xHH8xL4xHH")  # APPNOTE.TXT, 4.3.7
_ENCRYPTED: Final = 1
_GZIP_FILE, _DEFLATE_ONLY = 31, -15  # zlib's words for what is around the compressed octets


class ReportError(ValueError):
    """A mail has no report in it that can be read; the message says why, in a sentence without its final stop."""


def report_octets(mail: bytes) -> bytes:
    """The XML in the first part of a mail that is a report by its first octets. Raises `ReportError`."""
    for part in parts_of(mail):
        if part.octets.startswith((_GZIP, _ZIP)) or _is_xml(part):
            return unpacked(part.octets)
    raise ReportError("no part of the mail is a report")


def unpacked(octets: bytes) -> bytes:
    """The XML of a file. Of an archive the first member is taken, there should be no other. Raises `ReportError`."""
    if octets.startswith(_GZIP):
        return _inflated(octets, _GZIP_FILE)
    return _first_member(octets) if octets.startswith(_ZIP) else _bounded(octets, LARGEST)


def _is_xml(part: Part) -> bool:
    return part.content_type not in _TEXTS and part.octets[:100].lstrip(_BLANKS).startswith(_XML)


def _first_member(archive: bytes) -> bytes:
    """What is said at the end of an archive about its members is not needed to read the first."""
    try:
        flags, method, size, name, extra = _ZIP_HEADER.unpack_from(archive)
    except struct.error:
        raise ReportError("the zip archive is cut off") from None
    start = _ZIP_HEADER.size + name + extra
    if flags & _ENCRYPTED:
        raise ReportError("the zip archive is encrypted")
    if method == zlib.DEFLATED:
        return _inflated(archive[start:], _DEFLATE_ONLY)
    if method:
        raise ReportError(f"the zip archive is compressed by method {method}")
    return _bounded(archive[start : start + size], LARGEST)


def _inflated(octets: bytes, kind: int) -> bytes:
    most = min(LARGEST, max(ALWAYS_ALLOWED, MOST_RATIO * len(octets)))
    decompressor = zlib.decompressobj(kind)
    try:
        inflated = decompressor.decompress(octets, most + 1)
    except zlib.error:
        raise ReportError("the compressed file is damaged") from None
    if len(inflated) <= most and not decompressor.eof:
        raise ReportError("the compressed file is cut off")
    return _bounded(inflated, most)


def _bounded(octets: bytes, most: int) -> bytes:
    if len(octets) > most:
        raise ReportError(f"the report has more than {most} octets")
    return octets
