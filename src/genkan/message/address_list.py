# SPDX-License-Identifier: Apache-2.0
"""The addresses in the body of a From field and its like (RFC 5322, 3.4 and 4.4; RFC 6854): where each stands, not what it means.

One pass over bounded text. Names may be what mailers make of them; where it is not sure which text is an address, nothing is.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

LONGEST: Final = 8 * 1024  # characters of a body
DEEPEST: Final = 50  # comments within one another
MOST_ADDRESSES: Final = 100  # in one

# Nothing here is tried in two ways, and a body ends at the first octet that fits nowhere.
_match_token: Final = re.compile(
    r"(?P<blank>[ \t\r\n]++)"
    r'|(?P<angle><(?:"(?:[^"\\]|\\.)*+"|[^<>"])*+>)'
    r'|(?P<text>"(?:[^"\\]|\\.)*+"|\[[^\[\]\\]*+\]|[^][<>",;:() \t\r\n\0]++)'
    r"|(?P<special>[,;:])",
    re.DOTALL,
).match
_find_in_comment: Final = re.compile(r"\\.|[()]", re.DOTALL).finditer


def parse_addresses(body: str) -> tuple[str, ...] | None:
    """The addresses of a field's body as they are written, without their names; `None` when it is no list of addresses.

    A body beyond ASCII is given as Unicode; what was no UTF-8 may be anything, such as surrogates.
    """
    if len(body) > LONGEST:
        return None
    reader = _Reader()
    position = 0
    while position < len(body):
        token = _token(body, position)
        if token is None or not reader.take(token):
            return None
        position = token.end
    return tuple(reader.addresses) if reader.finish() else None


def comment_end(body: str, start: int) -> int | None:
    """Where the comment that begins at `start` has ended, if it does; comments stand in one another, `DEEPEST` at most."""
    depth = 0
    for found in _find_in_comment(body, start):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
        if depth > DEEPEST:
            return None
    return None


class _Token(NamedTuple):
    kind: str
    text: str
    end: int


class _Reader:
    """Takes tokens; what it returns is whether they still make a list."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self._words: list[str] = []  # a name, or an address without angle brackets
        self._angle: str | None = None
        self._in_group = False

    def take(self, token: _Token) -> bool:
        """Go on by one token."""
        match token.kind:
            case "blank":
                self._words.append(" ")
                return True
            case "angle":
                good = self._angle is None
                self._angle = token.text[1:-1].strip()
                return good
            case "text":
                self._words.append(token.text)
                return self._angle is None
            case _:
                return self._take_special(token.text)

    def finish(self) -> bool:
        """The body has ended."""
        return self._end_mailbox() and not self._in_group

    def _take_special(self, mark: str) -> bool:
        if mark == ":":  # what came before is the name of a group
            good = not self._in_group and self._angle is None and bool("".join(self._words).strip())
            self._in_group, self._words = True, []
            return good
        was_group = self._in_group
        if mark == ";":
            self._in_group = False
        return self._end_mailbox() and (mark == "," or was_group)

    def _end_mailbox(self) -> bool:
        """An empty place between two commas is allowed (RFC 5322, 4.4)."""
        address = "".join(self._words).strip() if self._angle is None else self._angle
        is_there = bool(address) or self._angle is not None
        self._words, self._angle = [], None
        if is_there:
            self.addresses.append(address)
        return (bool(address) or not is_there) and len(self.addresses) <= MOST_ADDRESSES


def _token(body: str, start: int) -> _Token | None:
    if body[start] == "(":
        end = comment_end(body, start)
        return None if end is None else _Token("blank", " ", end)
    found = _match_token(body, start)
    return None if found is None else _Token(found.lastgroup or "", found[0], found.end())
