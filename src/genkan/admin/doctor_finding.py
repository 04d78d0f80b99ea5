# SPDX-License-Identifier: Apache-2.0
"""What `genkan doctor` has to say: one observation, and how it is written. Nothing is looked up here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from genkan.dkim.key_pair import zone_text
from genkan.findings import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CheckName = Literal["MX", "SPF", "DKIM", "DMARC", "MTA-STS", "TLS-RPT", "reverse name", "certificate", "DANE"]

_LEVEL_WIDTH: Final = 9  # characters, with the blanks behind the longest
_CHECK_WIDTH: Final = 14
_LONGEST_QUOTE: Final = 100  # characters of a stranger's text


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that a check has seen; `remedy` is what to do about it, `record` a line of a zone file that helps.

    An error does not work for others, a warning works for some of them or exposes something, a note may well be meant so.
    """

    check: CheckName
    level: Level | Literal["ok"]
    seen: str
    remedy: str = ""
    record: str = ""

    def lines(self) -> Iterator[str]:
        """One line, and the record on its own: it begins in the first column, as a zone file wants it."""
        sentence = f"{self.seen}; {self.remedy}" if self.remedy else self.seen
        yield f"{self.level:{_LEVEL_WIDTH}}{self.check:{_CHECK_WIDTH}}{sentence}"
        if self.record:
            yield self.record


def fine(check: CheckName, seen: str) -> Observation:
    """Something that is as it should be."""
    return Observation(check, "ok", seen)


def note(check: CheckName, seen: str, remedy: str, record: str = "") -> Observation:
    """Something that may well be meant so."""
    return Observation(check, Level.NOTE, seen, remedy, record)


def warning(check: CheckName, seen: str, remedy: str, record: str = "") -> Observation:
    """Something that works for some and not for others, or exposes the domain."""
    return Observation(check, Level.WARNING, seen, remedy, record)


def error(check: CheckName, seen: str, remedy: str, record: str = "") -> Observation:
    """Something that does not work."""
    return Observation(check, Level.ERROR, seen, remedy, record)


def is_broken(observations: Iterable[Observation]) -> bool:
    """Whether an error is among them."""
    return any(each.level is Level.ERROR for each in observations)


def txt_line(name: str, text: str) -> str:
    """The line of a zone file for a TXT record."""
    return f"{name}. IN TXT {zone_text(text)}"


def quoted(text: str) -> str:
    """A stranger's text as it may stand in a sentence: not too long."""
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 3]}..."
