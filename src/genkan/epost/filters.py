# SPDX-License-Identifier: Apache-2.0
"""The blocks of a mail.dat that would make mail disappear: Level 5xx to 7xx forward, and without an address nowhere.

The product accepts such mail and destroys it (its page faq04-17). The importer makes these blocks comments. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from genkan.findings import Finding, warning
from genkan.rules.document import COMMENT, Document
from genkan.smtp.address import AddressError, parse_mailbox

_FORWARDS: Final = ("5", "6", "7")
_TEXTS: Final = {"body": "bodyend", "warning": "warningend"}
"""Items that go on over several lines, and the line that ends them."""


@dataclass(slots=True)
class _Block:
    """A block while it is read: its lines, and what its items say."""

    name: str
    first: int
    last: int
    level: str = ""
    forward: str = ""

    def destroys_mail(self) -> bool:
        return self.level.startswith(_FORWARDS) and not _is_usable(self.forward)


def without_destroying_blocks(document: Document) -> tuple[str, list[Finding]]:
    """The document's text with those blocks made comments, and a finding for each."""
    blocks = [block for block in _blocks(document) if block.destroys_mail()]
    if not blocks:
        return document.text, []
    spoiled = {line for block in blocks for line in range(block.first, block.last + 1)}
    text = "\n".join(
        f"{COMMENT}{line.text}" if line.number in spoiled and not line.text.startswith(COMMENT) else line.text
        for line in document.all_lines()
    )
    return text, [_finding(document, block) for block in blocks]


def _finding(document: Document, block: _Block) -> Finding:
    target = f"Forward:{block.forward}, which is no address" if block.forward else "no Forward: address"
    return warning(
        document.origin(block.first),
        f"Virus:{block.name} forwards mail to nobody (Level:{block.level}, {target}), which destroyed it silently; "
        "the block is made a comment",
        "correct it and take the comment signs away: genkan rules edit mail.dat",
    )


class _Reading:
    """Goes through the lines of a document and collects its blocks."""

    def __init__(self) -> None:
        self.blocks: list[_Block] = []
        self._open: _Block | None = None
        self._ends_text = ""  # the line that ends the text of several lines we are in

    def line(self, number: int, text: str) -> None:
        """The next line."""
        word, _, value = text.partition(":")
        item = word.strip().lower()
        if item == "virus" and not self._ends_text and not text.startswith(COMMENT):
            self._open = _Block(value.strip(), number, number)
            self.blocks.append(self._open)
        elif self._open is not None:
            self._open.last = number
            self._inside(self._open, item, value.strip())

    def _inside(self, block: _Block, item: str, value: str) -> None:
        if item == "virusend":  # also where the end of a text is forgotten: what follows is not to be swallowed
            self._open, self._ends_text = None, ""
        elif self._ends_text:
            if item == self._ends_text:
                self._ends_text = ""
        elif item == "level":
            block.level = value
        elif item == "forward":
            block.forward = value
        else:
            self._ends_text = _TEXTS.get(item, "")


def _blocks(document: Document) -> list[_Block]:
    reading = _Reading()
    for number, text in document.all_lines():
        reading.line(number, text)
    return reading.blocks


def _is_usable(forward: str) -> bool:
    try:
        return bool(parse_mailbox(forward.strip("<> ")).domain)
    except AddressError:
        return False
