# SPDX-License-Identifier: Apache-2.0
"""A rule document as text: its encoding, its lines, its comments, and where a rule of it stands.

Administrators of the product write these files with Notepad on Japanese Windows: CP932 and CRLF occur beside UTF-8 and LF.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.findings import Finding, error, note, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DOCUMENT: Final = 8 * 1024 * 1024  # octets
MAX_LINE: Final = 8192  # characters; a longer one is a finding
COMMENT: Final = "'"

_BOM: Final = b"\xef\xbb\xbf"


class Origin(NamedTuple):
    """Where a rule stands. `account` is the address whose document it is, "" for the server's; lines count from 1."""

    document: str
    account: str
    revision: int
    line: int

    def __str__(self) -> str:
        """As people read it: `effect.dat:3`, `mail.dat of ann@in.test:12`."""
        owner = f" of {self.account}" if self.account else ""
        return f"{self.document}{owner}:{self.line}"


class Line(NamedTuple):
    """A line that may hold a rule; `text` has no line end, no blanks behind it, and is no comment."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One revision of a rule document. `account` is "" for the server's own; revision 0 is what the program ships."""

    name: str
    account: str
    revision: int
    text: str

    @classmethod
    def decode(cls, name: str, octets: bytes, account: str = "", revision: int = 0) -> Document:
        """A document from a file's octets: UTF-8, with or without a mark at its start, else CP932."""
        return cls(name, account, revision, decode_text(octets))

    def origin(self, line: int) -> Origin:
        """The place of a line."""
        return Origin(self.name, self.account, self.revision, line)

    def lines(self) -> Iterator[Line]:
        """The lines that may hold a rule: comments, blank and overlong ones are left out."""
        for number, text in self.all_lines():
            if text and not text.startswith(COMMENT) and len(text) <= MAX_LINE:
                yield Line(number, text)

    def all_lines(self) -> Iterator[Line]:
        """Every line, comments too, without the blanks and tabs at its end; only CRLF, LF and CR end one."""
        text = self.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        for number, line in enumerate(text.split("\n"), start=1):
            yield Line(number, line.rstrip(" \t"))

    def overlong(self) -> Iterator[Finding]:
        """A finding for each line that is too long to be read."""
        for number, text in self.all_lines():
            if len(text) > MAX_LINE:
                yield self.error(number, f"is longer than {MAX_LINE} characters and is not read", "shorten it")

    def error(self, line: int, sentence: str, remedy: str) -> Finding:
        """A finding about a line that does not work."""
        return error(self.origin(line), sentence, remedy)

    def warning(self, line: int, sentence: str, remedy: str) -> Finding:
        """A finding about a line that works but is dangerous."""
        return warning(self.origin(line), sentence, remedy)

    def note(self, line: int, sentence: str, remedy: str) -> Finding:
        """A finding about a line that may well be meant so."""
        return note(self.origin(line), sentence, remedy)


def decode_text(octets: bytes) -> str:
    """The text of a rule file: UTF-8, with or without a mark at its start, else CP932; what is neither becomes U+FFFD."""
    octets = octets.removeprefix(_BOM)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("cp932", "replace")
