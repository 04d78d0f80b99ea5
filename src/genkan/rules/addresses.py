# SPDX-License-Identifier: Apache-2.0
"""Mailboxes in rules: `ann@in.test`, `*@in.test`, `*@*`, `*`; reading them, and finding the first that matches.

A domain is that domain only, a subdomain is another; all is compared without regard to case, domains as A-labels.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from genkan.rules.clients import NOWHERE
from genkan.rules.reading import LineError, shown
from genkan.smtp.address import AddressError, Mailbox, fold_domain, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable

_REMEDY: Final = "write it as in ann@in.test, *@in.test or *"


class Path(Enum):
    """Patterns and paths that name no domain; the values are how rules write them."""

    EVERY = "*"  # the null reverse-path and the blank argument, too
    MAILBOX = "*@*"
    NULL = "#<>"
    BLANK = "#blank"


PathPattern = Mailbox | str | Path
"""A folded mailbox, a folded domain, or one of the above."""


class PathIndex:
    """Where the patterns of a document stand, to find the first that matches; positions count from 0."""

    __slots__ = ("_mailbox", "_positions", "asks_mailbox", "every")

    def __init__(self, patterns: Iterable[tuple[int, PathPattern]]) -> None:
        """Position and pattern, in file order."""
        self._positions: dict[PathPattern, int] = {}
        for position, pattern in patterns:
            self._positions.setdefault(pattern, position)
        self.every = self._positions.get(Path.EVERY, NOWHERE)
        self._mailbox = self._positions.get(Path.MAILBOX, NOWHERE)
        self.asks_mailbox = any(pattern not in (Path.EVERY, Path.NULL, Path.BLANK) for pattern in self._positions)
        """Whether it makes a difference what the mailbox is."""

    def first(self, paths: PathPattern) -> int:
        """The position of the first pattern that matches a path, or all of several; NOWHERE if there is none."""
        get = self._positions.get
        best = min(self.every, get(paths, NOWHERE))
        if isinstance(paths, Mailbox):
            return min(best, self._mailbox, get(paths.domain, NOWHERE))
        return min(best, self._mailbox) if isinstance(paths, str) else best


def parse_path_pattern(text: str) -> PathPattern:
    """What a rule names by mailbox, domain or asterisk; raises LineError."""
    if text in ("*", "*@*"):
        return Path(text)
    if text.startswith("*@"):
        return parse_domain(text[2:])
    mailbox = parse_address(text)
    if "*" in mailbox.local_part:
        raise LineError(f"has {shown(text)}, where an asterisk stands for a part of the local-part", _REMEDY)
    return mailbox.folded()


def parse_address(text: str) -> Mailbox:
    """The mailbox a rule names, as written; raises LineError."""
    try:
        return parse_mailbox(text)
    except AddressError as error:
        raise LineError(f"has {shown(text)}, which is no address: {error}", _REMEDY) from None


def parse_domain(text: str) -> str:
    """The domain a rule names, folded; raises LineError."""
    try:
        return fold_domain(parse_mailbox(f"x@{text}").domain)
    except AddressError as error:
        raise LineError(f"has {shown(text)}, which is no domain: {error}", "write it as in in.test") from None
