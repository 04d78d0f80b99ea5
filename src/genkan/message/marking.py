# SPDX-License-Identifier: Apache-2.0
"""Marks a header section: a tag before the Subject, a field in front (RFC 5322, 3.6.5; RFC 2047). Pure; all else stays."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_SUBJECT: Final = re.compile(rb"^(subject[ \t]*:)[ \t]*", re.IGNORECASE | re.MULTILINE)
_ENCODED_WORD: Final = 45  # octets of text that one encoded word of at most 75 characters holds
_MAX_TAG: Final = 200  # characters


def marked(header: bytes, tag: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """A header section, without the blank line behind it, with `fields` in front and `tag` before its Subject.

    A message without Subject gets one of the tag alone. Text beyond ASCII becomes encoded words.
    """
    front = b"".join(b"%b: %b\r\n" % (name.encode("ascii"), encoded_text(body)) for name, body in fields)
    return front + (_tagged(header, encoded_text(tag)) if tag else header)


def _tagged(header: bytes, tag: bytes) -> bytes:
    found = _SUBJECT.search(header)
    if found is None:
        return b"Subject: %b\r\n%b" % (tag, header)
    rest = header[found.end() :]
    gap = b"" if rest.startswith((b"\r\n", b"\n")) else b" "
    return header[: found.start()] + found[1] + b" " + tag + gap + rest


def encoded_text(text: str) -> bytes:
    """Text (200 characters of it) as it may stand in a field: one line of printable ASCII, or encoded words, folded."""
    line = " ".join(text[:_MAX_TAG].split())
    if line.isascii() and line.isprintable():
        return line.encode()
    words = [b"=?utf-8?B?%b?=" % b64encode(piece) for piece in _pieces(line)]
    return b"\r\n ".join(words)


def _pieces(line: str) -> Iterable[bytes]:
    """The text in UTF-8, cut between characters."""
    piece = b""
    for character in line:
        octets = character.encode("utf-8", "replace")
        if len(piece) + len(octets) > _ENCODED_WORD:
            yield piece
            piece = b""
        piece += octets
    yield piece
