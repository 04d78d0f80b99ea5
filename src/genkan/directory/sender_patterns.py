# SPDX-License-Identifier: Apache-2.0
"""Whose mail is meant: `ann@out.test`, `*@out.test` (that domain only), `*` (everybody, and the null reverse-path)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.directory.errors import InvalidValue
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PATTERNS: Final = 1000

_EVERYBODY: Final = "*"


def parse_patterns(texts: Iterable[str]) -> tuple[str, ...]:
    """The patterns folded, in their order, none twice; raises InvalidValue."""
    patterns = tuple(dict.fromkeys(map(_parse, texts)))
    if len(patterns) > MAX_PATTERNS:
        raise InvalidValue(f"there are more than {MAX_PATTERNS} patterns of senders; name domains, as in *@out.test")
    return patterns


def matches(patterns: tuple[str, ...], reverse_path: Mailbox | None) -> bool:
    """Whether one of them is about this reverse-path, in whatever writing; the null one is `None`."""
    if _EVERYBODY in patterns:
        return True
    if reverse_path is None or not patterns:
        return False
    folded = reverse_path.folded()
    return str(folded) in patterns or f"*@{folded.domain}" in patterns


def stored(patterns: tuple[str, ...]) -> str:
    """The patterns as the database keeps them; none holds a line end."""
    return "\n".join(patterns)


def loaded(text: str) -> tuple[str, ...]:
    """What `stored` made a text of."""
    return tuple(text.split("\n")) if text else ()


def _parse(text: str) -> str:
    if text == _EVERYBODY:
        return text
    try:
        mailbox = parse_mailbox(text).folded()
    except AddressError as error:
        raise InvalidValue(f"{text!r} names no sender: {error}; write ann@out.test, *@out.test or *") from None
    if "*" in mailbox.local_part and mailbox.local_part != "*":
        raise InvalidValue(f"{text!r} has an asterisk beside other characters; write ann@out.test, *@out.test or *")
    return str(mailbox)
