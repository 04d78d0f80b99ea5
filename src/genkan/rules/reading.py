# SPDX-License-Identifier: Apache-2.0
"""Reads a document line by line: rules and findings of each line, and what is odd about the text itself.

A line that cannot be understood is a finding and silences no other; that is so in the product, too (its page bsd-19-48).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from genkan.findings import Finding, note, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from genkan.rules.document import Document, Line, Origin

_SHOWN: Final = 60  # characters of a line that a finding repeats
_BLANKS: Final = re.compile(r"[ \t]+")
_ODD: Final = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\uf8f0-\\uf8f3\\ufffd]")
_UNDECODED: Final = "\ufffd\uf8f0\uf8f1\uf8f2\uf8f3"  # the latter is what CP932 makes of octets it has no character for


class HasOrigin(Protocol):
    """A rule: it knows where it stands."""

    @property
    def origin(self) -> Origin:
        """Document, revision and line."""


Rule = TypeVar("Rule")
Placed = TypeVar("Placed", bound=HasOrigin)


class LineError(ValueError):
    """A line cannot be understood: its message goes on from "the line", `remedy` says what to write instead."""

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.remedy = remedy


def read_lines(
    document: Document, read: Callable[[Document, Line], Iterator[Rule | Finding]]
) -> tuple[tuple[Rule, ...], tuple[Finding, ...]]:
    """The rules in file order, and all findings; `read` gives those of one line and may raise LineError."""
    rules: list[Rule] = []
    findings = list(text_findings(document))
    for line in document.lines():
        try:
            for item in read(document, line):
                if isinstance(item, Finding):
                    findings.append(item)
                else:
                    rules.append(item)
        except LineError as error:
            findings.append(document.error(line.number, str(error), error.remedy))
    return tuple(rules), tuple(findings)


def text_findings(document: Document) -> Iterator[Finding]:
    """What is odd about the text, whatever its format: overlong lines, characters nobody typed."""
    yield from document.overlong()
    if not _ODD.search(document.text):
        return
    for number, text in document.all_lines():
        odd = _ODD.search(text)
        if odd is None:
            continue
        if odd[0] in _UNDECODED:
            sentence = "holds octets that are neither UTF-8 nor CP932 (Shift-JIS)"
        else:
            sentence = f"holds the control character U+{ord(odd[0]):04X}"
        yield document.warning(number, sentence, "type the line anew and save the file as UTF-8")


def unreachable(
    rules: Sequence[Placed], first: Callable[[Placed], int], outcome: Callable[[Placed], object]
) -> Iterator[Finding]:
    """A finding for each rule whose every case an earlier one decides; `first` gives the position of that one.

    It is a warning when the earlier rule's outcome is another, else the line is only superfluous.
    """
    for position, rule in enumerate(rules):
        earlier = first(rule)
        if earlier >= position:
            continue
        line = rules[earlier].origin.line
        sentence = f"is never reached: line {line} matches all that it matches"
        if outcome(rules[earlier]) == outcome(rule):
            yield note(rule.origin, f"{sentence} and says the same", "delete it")
        else:
            yield warning(rule.origin, sentence, f"move it above line {line}, or delete it")


def fields(text: str) -> list[str]:
    """The parts of a line between blanks and tabs; no other white space separates."""
    return [part for part in _BLANKS.split(text) if part]


def shown(text: str) -> str:
    """Text as a finding repeats it: in quotes, without control characters, cut to 60 characters."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
