# SPDX-License-Identifier: Apache-2.0
"""sender.dat: where the account whose document it is may send; one pattern a line, `,` or `:`, and a number.

-1 forbids, 0 allows, no number allows. The first line that matches decides; where there are lines and none matches, the
forward-path is forbidden: the file began as a list of allowed ones (the product's pages faq10-45, bsd-10-45). What other
numbers mean is not published; since all that was listed was allowed before -1 came, they allow, with a finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.rules.addresses import PathIndex, PathPattern, parse_path_pattern
from genkan.rules.clients import NOWHERE
from genkan.rules.reading import LineError, read_lines, shown, unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.findings import Finding
    from genkan.rules.document import Document, Line, Origin
    from genkan.smtp.address import Mailbox

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_FORBIDDEN: Final = -1


@dataclass(frozen=True, slots=True)
class SenderRule:
    """A line of sender.dat; `text` is the pattern as written."""

    origin: Origin
    text: str
    pattern: PathPattern
    allowed: bool

    def __str__(self) -> str:
        """The line."""
        return f"{self.text},{0 if self.allowed else _FORBIDDEN}"


class Forbidden(NamedTuple):
    """Why a forward-path is forbidden: `rule` says so, or is `None` where no line matches; `origin` is then the last's."""

    origin: Origin
    rule: SenderRule | None

    def __str__(self) -> str:
        """For the log and for `explain`."""
        if self.rule is None:
            return f"no line of {self.origin.document} matches, the last is {self.origin}"
        return f"{self.origin}: {self.rule}"


class SenderRules:
    """The rules of one document, indexed."""

    __slots__ = ("_index", "findings", "rules")

    def __init__(self, rules: tuple[SenderRule, ...], findings: tuple[Finding, ...]) -> None:
        self.rules = rules
        self._index = PathIndex((position, rule.pattern) for position, rule in enumerate(rules))
        never = unreachable(rules, lambda rule: self._index.first(rule.pattern), lambda rule: rule.allowed)
        self.findings = (*findings, *never)

    def match(self, forward_path: Mailbox) -> SenderRule | None:
        """The first line for this forward-path, as the client wrote it (not what aliases make of it)."""
        position = self._index.first(forward_path.folded())
        return None if position == NOWHERE else self.rules[position]

    def forbids(self, forward_path: Mailbox) -> Forbidden | None:
        """Why the account may not send there, `None` if it may; a document without rules forbids nothing."""
        rule = self.match(forward_path)
        if rule is not None:
            return None if rule.allowed else Forbidden(rule.origin, rule)
        return Forbidden(self.rules[-1].origin, None) if self.rules else None


def parse_sender(document: Document) -> SenderRules:
    """The rules of a sender.dat."""
    rules, findings = read_lines(document, _read)
    return SenderRules(rules, findings)


def _read(document: Document, line: Line) -> Iterator[SenderRule | Finding]:
    text, value = _split(line.text)
    pattern = parse_path_pattern(text)
    if value and not _NUMBER.fullmatch(value):
        raise LineError(f"has the value {shown(value)}", "write -1 to forbid, 0 to allow")
    number = int(value or "0")
    if number not in (0, _FORBIDDEN):
        sentence = f"has the value {number}, whose meaning is not known, and is read as allowed"
        yield document.warning(line.number, sentence, "write -1 to forbid, 0 to allow")
    yield SenderRule(document.origin(line.number), text, pattern, allowed=number != _FORBIDDEN)


def _split(text: str) -> tuple[str, str]:
    """Pattern and value; the colons of an IPv6 literal (`*@[IPv6:2001:db8::1]`) separate nothing."""
    place = max(text.rfind(","), text.rfind(":"))
    if place < text.rfind("]"):
        place = -1
    pattern, value = (text, "") if place < 0 else (text[:place], text[place + 1 :])
    return pattern.strip(" \t"), value.strip(" \t")
