# SPDX-License-Identifier: Apache-2.0
"""Undoes a Content-Transfer-Encoding while the content arrives (RFC 2045, 6), so that only what it stands for is kept.

However the encoded octets are cut into chunks, the result is the same; a few octets wait for those that follow them.
"""

from __future__ import annotations

import binascii
import re
from typing import Final, Protocol

from genkan.message.encoded_words import base64_characters, base64_runs

# An equals sign before a CR, not itself the second of two: until the next LF nothing counts.
_SOFT_BREAK: Final = re.compile(rb"(?<!=)(?:==)*+=\r")


class TransferDecoder(Protocol):
    """Takes encoded octets; what it returns is in order."""

    def feed(self, octets: bytes) -> bytes:
        """The octets that are certain by now."""
        ...

    def finish(self) -> bytes:
        """The rest, nothing following."""
        ...


class Base64Decoder:
    """RFC 2045, 6.8: foreign octets are skipped, and padding in the middle ends nothing."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""  # less than a group of four

    def feed(self, octets: bytes) -> bytes:
        """Decode all groups that are complete."""
        characters = self._rest + base64_characters(octets)
        begin = characters.rfind(b"=") + 1
        end = begin + (len(characters) - begin) // 4 * 4
        self._rest = characters[end:]
        return base64_runs(characters[:end])

    def finish(self) -> bytes:
        """Decode a group without padding."""
        return base64_runs(self._rest)


class QuotedPrintableDecoder:
    """RFC 2045, 6.7: an equals sign with anything else than it may have behind it stays."""

    __slots__ = ("_rest", "_skips")

    def __init__(self) -> None:
        self._rest = b""  # an equals sign, and perhaps the octet behind it
        self._skips = False

    def feed(self, octets: bytes) -> bytes:
        """Decode all but an equals sign whose meaning depends on what follows."""
        if self._skips:
            end = octets.find(b"\n") + 1
            if not end:
                return b""
            octets, self._skips = octets[end:], False
        data = self._rest + octets
        soft_break = _SOFT_BREAK.search(data, data.rfind(b"\n") + 1)
        if soft_break is not None:
            self._rest, self._skips = b"", True
            return binascii.a2b_qp(data[: soft_break.end()])
        end = len(data) - _undecided(data)
        self._rest = data[end:]
        return binascii.a2b_qp(data[:end])

    def finish(self) -> bytes:
        """Decode what is cut off."""
        return binascii.a2b_qp(self._rest)


def transfer_decoder(encoding: str) -> TransferDecoder | None:
    """What undoes an encoding, named in lower case; `None` if octets stand for themselves, or nobody knows."""
    match encoding:
        case "base64":
            return Base64Decoder()
        case "quoted-printable":
            return QuotedPrintableDecoder()
        case _:
            return None


def _undecided(data: bytes) -> int:
    """How many octets at the end belong to an equals sign that is not complete; two of them stand for one."""
    if data.endswith(b"="):
        return _equals_signs(data) % 2
    return 2 if _equals_signs(data[:-1]) % 2 else 0


def _equals_signs(data: bytes) -> int:
    return len(data) - len(data.rstrip(b"="))
