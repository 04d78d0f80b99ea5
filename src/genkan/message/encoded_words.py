# SPDX-License-Identifier: Apache-2.0
"""The body of a header field as Unicode: encoded words (RFC 2047) and raw eight-bit text.

Linear and without exceptions: what is not an encoded word stays as it is written.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from genkan.message.charset import decode, guess

# No part may hold a "?", so that no two attempts look at the same octets. Blanks in the text are against RFC 2047, 2,
# but some mailers write them in the Q encoding.
_WORD: Final = re.compile(rb"=\?([^?\s]{1,75})\?([bBqQ])\?([^?\r\n]*)\?=")
_NOT_BASE64: Final = bytes(octet for octet in range(256) if not re.match(rb"[A-Za-z0-9+/=]", bytes((octet,))))
_BLANKS: Final = b" \t\r\n"
_HEX: Final = re.compile(rb"=([0-9A-Fa-f]{2})")


def decode_words(body: bytes) -> str:
    """The Unicode text of an unfolded field body; `body` may be raw in any encoding, too.

    White space between two encoded words is dropped, and the octets of neighbours of one charset are joined before
    they are decoded: some mailers split in the middle of a character.
    """
    if b"=?" not in body:
        return guess(body)
    text: list[str] = []
    octets: list[bytes] = []
    charset, end = b"", 0
    for word in _WORD.finditer(body):
        between = body[end : word.start()]
        apart = not end or bool(between.strip(_BLANKS))
        if apart or word[1].lower() != charset:
            text.append(_text(octets, charset))
            octets = []
        if apart:
            text.append(guess(between))
        charset, end = word[1].lower(), word.end()
        octets.append(base64_octets(word[3]) if word[2] in b"bB" else _q_octets(word[3]))
    return "".join((*text, _text(octets, charset), guess(body[end:])))


def decode_words_of(text: str) -> str:
    """The same for text that is Unicode already, as in a rule file."""
    return decode_words(text.encode("utf-8", "replace")) if "=?" in text or "\x1b" in text else text


def base64_octets(encoded: bytes) -> bytes:
    """What base64 text stands for (RFC 2045, 6.8): foreign octets are skipped, and padding in the middle ends nothing."""
    return base64_runs(base64_characters(encoded))


def base64_characters(encoded: bytes) -> bytes:
    """All that belongs to base64, padding included."""
    return encoded.translate(None, _NOT_BASE64)


def base64_runs(characters: bytes) -> bytes:
    """What nothing but characters of base64 stand for; each run between padding begins anew."""
    body = characters.rstrip(b"=")
    if b"=" not in body:
        return _base64_run(body)
    return b"".join(map(_base64_run, body.split(b"=")))


def _base64_run(run: bytes) -> bytes:
    """Octets of an unpadded run; a last single character holds only six bits and is dropped."""
    if len(run) % 4 == 1:
        run = run[:-1]
    return binascii.a2b_base64(run + b"=" * (-len(run) % 4))


def _q_octets(encoded: bytes) -> bytes:
    """RFC 2047, 4.2: an underscore is a space; an equals sign without two hexadecimal digits stays."""
    return _HEX.sub(lambda octet: bytes((int(octet[1], 16),)), encoded.replace(b"_", b" "))


def _text(octets: list[bytes], charset: bytes) -> str:
    return decode(b"".join(octets), charset.decode("latin-1")) if octets else ""
