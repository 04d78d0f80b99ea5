# SPDX-License-Identifier: Apache-2.0
"""Domain names as text and as labels on the wire (RFC 1035, 3.1 and 4.1.4). Pure.

Nothing is an escape in text that is asked for: a backslash stands for itself, since names come from clients and not from
zone files. In text that was read, what could be mistaken is escaped as in zone files, so such a name is never a host's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import idna

LONGEST: Final = 255  # octets of a name on the wire
MOST_POINTERS: Final = 127  # in one name: it has no more labels
MOST_STEPS: Final = (
    10_000  # labels and pointers in the names of one message; a hundred PTR records of an IPv6 host have 4000
)

Name = tuple[bytes, ...]
"""The labels in lower case, without the empty one at the end; the root has none."""

_ESCAPES: Final = {octet: f"\\{octet:03}" for octet in range(256) if not 0x21 <= octet <= 0x7E or octet in b'.\\"@'}


class BrokenName(ValueError):
    """A name in a message that has no end, is too long, or one too many; the reader of the message catches it."""


@lru_cache(1024)  # the domains of one mail are looked at again and again
def parse_name(text: str) -> Name | None:
    """The name of `text`, with or without its final dot; `None` for text that is no name, the root among it."""
    try:
        name = tuple(_label(label) for label in text.removesuffix(".").split("."))
    except UnicodeError:  # IDNAError is one
        return None
    return name if all(1 <= len(label) <= 63 for label in name) and _size(name) <= LONGEST else None


def name_octets(name: Name) -> bytes:
    """The name as it stands in a question."""
    return b"".join(bytes((len(label),)) + label for label in name) + b"\0"


def name_text(name: Name) -> str:
    """The name in lower case without a final dot; "." for the root."""
    return ".".join(label.decode("latin-1").translate(_ESCAPES) for label in name) or "."


class NameReader:
    """Reads the names of one message, and of a message whose names take too long together not all."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._steps = 0

    def read(self, offset: int) -> tuple[Name, int]:
        """The name at `offset`, and where what follows it begins. Raises `BrokenName`, `IndexError`.

        A pointer leads back, and each further back than the one before: so there is no circle, and an end.
        """
        octets, labels = self._octets, list[bytes]()
        size, behind, lowest, pointers = 1, 0, offset, 0
        while length := octets[offset]:
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | octets[offset + 1]
                behind = behind or offset + 2
                pointers += 1
                if target >= lowest or pointers > MOST_POINTERS:
                    raise BrokenName("a pointer that does not lead back, or too many")
                offset = lowest = target
                continue
            size += length + 1
            if length > 63 or size > LONGEST:
                raise BrokenName("a label or a name that is too long")
            labels.append(octets[offset + 1 : offset + 1 + length].lower())
            offset += length + 1
        self._steps += len(labels) + pointers
        if self._steps > MOST_STEPS:
            raise BrokenName("names that take too long to read")
        return tuple(labels), behind or offset + 1


def _label(text: str) -> bytes:
    return (text.encode("ascii") if text.isascii() else idna.alabel(text.lower())).lower()


def _size(name: Name) -> int:
    return sum(len(label) + 1 for label in name) + 1
