# SPDX-License-Identifier: Apache-2.0
"""Tag lists: `name=value; name=value`, how signatures and key records are written (RFC 6376, 3.2).

What a tag means is not known here.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

LONGEST_LIST: Final = 65_536  # characters; the longest real ones have some thousands
MOST_TAGS: Final = 100

_BLANKS: Final = " \t\r\n"
_match_name: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII).fullmatch
_find_control: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]").search
_WITHOUT_BLANKS: Final = str.maketrans("", "", _BLANKS)


class TagListError(ValueError):
    """Text is no tag list; the message says in a few words why, and repeats none of it."""


def parse_tags(text: str) -> dict[str, str]:
    """The tags in their order, names in the case given, values without the blanks around them. Raises `TagListError`.

    A semicolon may end the list, but nothing may be empty between two; a name given twice makes the list worthless.
    """
    if len(text) > LONGEST_LIST:
        raise TagListError("the tag list is too long")
    if _find_control(text):
        raise TagListError("the tag list has control characters")
    specs = text.split(";", MOST_TAGS + 1)
    if not specs[-1].strip(_BLANKS):
        specs.pop()
    if len(specs) > MOST_TAGS:
        raise TagListError("the tag list has too many tags")
    tags: dict[str, str] = {}
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(_BLANKS)
        if not equals or not _match_name(name):
            raise TagListError("the tag list has a part that is no tag")
        if name in tags:
            raise TagListError("the tag list has a tag twice")
        tags[name] = value.strip(_BLANKS)
    return tags


def split_value(value: str) -> tuple[str, ...]:
    """The parts of a value between its colons, without the blanks around them."""
    return tuple(part.strip(_BLANKS) for part in value.split(":"))


def decode_value(value: str) -> bytes | None:
    """The octets of a value in base64, which may be folded anywhere (RFC 6376, 2.10); `None` if it is not base64."""
    try:
        return binascii.a2b_base64(value.translate(_WITHOUT_BLANKS), strict_mode=True)
    except ValueError:  # binascii.Error is one; so is text beyond ASCII
        return None
