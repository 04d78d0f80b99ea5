# SPDX-License-Identifier: Apache-2.0
"""The grammar of `mail.dat`, the content filter: blocks from `Virus:` to `VirusEnd:` (pure, linear).

A line that cannot be read would, left out, make its block catch more than was written. So such a block does not apply;
a finding says so, and the rest of the document does apply.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from genkan.rules.document import COMMENT, MAX_LINE, Document, Line
from genkan.rules.mail_block import Condition, HostList, Item, MailBlock, MailRules, Token, Treatment
from genkan.rules.mail_items import (
    ItemError,
    Level,
    read_forward,
    read_host_list,
    read_level,
    read_token,
    read_unique_header,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.findings import Finding
    from genkan.smtp.address import Mailbox

MAX_LINES: Final = 200_000
MAX_FINDINGS: Final = 200

_KEYWORD: Final = re.compile(r"\s*([A-Za-z-]{1,20})[ \t]*:[ \t]*(.*)", re.DOTALL)
_ITEMS: Final = {"from": Item.FROM, "subject": Item.SUBJECT, "content-type": Item.CONTENT_TYPE}
_SECTIONS: Final = {"body": ("bodyend", "Body:", "BodyEnd:"), "warning": ("warningend", "Warning:", "WarningEnd:")}
_MARKS: Final = ("virus", "virusend", "bodyend", "warningend")


def parse_mail(document: Document) -> MailRules:
    """The blocks of a `mail.dat` that apply, and everything about it that is wrong, dangerous or without effect."""
    grammar = _Grammar(document)
    grammar.read()
    return MailRules(tuple(grammar.blocks), tuple(grammar.findings))


@dataclass(slots=True)
class _Draft:
    """A block while it is read; `faulty` once a line of it cannot be used."""

    line: int
    name: str
    wildcard: bool = False
    texts: dict[tuple[Item, str], list[tuple[int, str]]] = field(default_factory=dict)
    lists: list[HostList] = field(default_factory=list)
    level: Level | None = None
    tag: str | None = None
    forward: Mailbox | None = None
    warning: str | None = None
    faulty: bool = False

    def add(self, item: Item, header: str, line: int, text: str) -> None:
        """One more alternative of a condition."""
        self.texts.setdefault((item, header), []).append((line, text))


class _Grammar:
    """Goes through a document once; what it made stands in `blocks` and `findings`."""

    def __init__(self, document: Document) -> None:
        self.blocks: list[MailBlock] = []
        self.findings: list[Finding] = []
        self._document = document
        self._lines = list(islice(document.all_lines(), MAX_LINES + 1))
        self._keys: list[str] = []
        self._marks: dict[str, list[int]] = {mark: [] for mark in _MARKS}
        self._draft: _Draft | None = None
        self._seen: dict[object, int] = {}  # conditions, and the line of the first block that has them
        self._catch_all = 0

    def read(self) -> None:
        """Read all lines; call it once."""
        if len(self._lines) > MAX_LINES:
            self._lines.pop()
            self._report(
                self._document.error(MAX_LINES + 1, f"is beyond the {MAX_LINES} lines that are read", "shorten it")
            )
        self._find_marks()
        index = 0
        while index < len(self._lines):
            index = self._read_line(index)
        if self._draft is not None:
            self._unterminated(self._draft)

    def _report(self, finding: Finding) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)
        elif len(self.findings) == MAX_FINDINGS:
            rest = self._document.error(
                len(self._lines), "is not the last line with a finding", "begin with those above"
            )
            self.findings.append(rest)

    def _find_marks(self) -> None:
        """The keyword of each line, and where the lines are that begin and end blocks and sections."""
        for index, (number, text) in enumerate(self._lines):
            if len(text) > MAX_LINE:
                sentence = f"is longer than {MAX_LINE} characters and is not read"
                self._report(self._document.error(number, sentence, "shorten it"))
            readable = len(text) <= MAX_LINE and not text.startswith(COMMENT)
            keyword = _KEYWORD.match(text) if readable else None
            key = keyword[1].lower() if keyword else ""
            self._keys.append(key)
            if key in self._marks:
                self._marks[key].append(index)

    def _next(self, mark: str, index: int) -> int:
        """The first line with that keyword from `index` on; behind the last line when there is none."""
        places = self._marks[mark]
        found = bisect_left(places, index)
        return places[found] if found < len(places) else len(self._lines)

    def _read_line(self, index: int) -> int:
        """Read the line, with the whole section it may begin; the index of the next."""
        line, key = self._lines[index], self._keys[index]
        if not key and (not line.text or line.text.startswith(COMMENT)):
            return index + 1
        if key == "virus":
            if self._draft is not None:
                self._unterminated(self._draft)
            self._draft = _Draft(line.number, _value(line))
        elif self._draft is None:
            self._stray(line)
        elif key == "virusend":
            self._end_block(self._draft)
        elif key in _SECTIONS:
            return self._read_section(self._draft, key, index)
        else:
            self._read_item(self._draft, key, line)
        return index + 1

    def _stray(self, line: Line) -> None:
        if len(line.text) <= MAX_LINE:
            sentence = f"stands outside of a block and is not read: {line.text[:60]!r}"
            self._report(
                self._document.error(line.number, sentence, "put it between Virus: and VirusEnd:, or remove it")
            )

    def _unterminated(self, draft: _Draft) -> None:
        sentence = f"begins the block {draft.name[:60]!r}, which has no VirusEnd:, so it does not apply"
        self._report(self._document.error(draft.line, sentence, "add VirusEnd: behind the block's last line"))
        self._draft = None

    def _read_section(self, draft: _Draft, key: str, index: int) -> int:
        """Body or Warning: up to its end line, which must come before the block's; else up to where a block changes."""
        mark, opening, closing = _SECTIONS[key]
        begin, end, block_end = self._lines[index], self._next(mark, index), self._next("virusend", index)
        if end > block_end or end == len(self._lines):
            self._fault(
                draft, begin.number, f"begins a {opening} without {closing}", f"add {closing} behind its last line"
            )
            return min(block_end, self._next("virus", index))
        if self._next("virus", index) < end:
            sentence = f"begins a {opening} that holds the line {self._next('virus', index) + 1}, which begins a block elsewhere"
            self._report(self._document.warning(begin.number, sentence, f"look whether a {closing} is missing"))
        lines = [Line(begin.number, _value(begin)), *self._lines[index + 1 : end]]
        if key == "body":
            self._add_body(draft, lines)
        else:
            self._add_warning(draft, lines)
        return end + 1

    def _add_body(self, draft: _Draft, lines: list[Line]) -> None:
        texts = [(line.number, line.text.strip()) for line in lines if line.text and not line.text.startswith(COMMENT)]
        draft.faulty = draft.faulty or any(len(text) > MAX_LINE for _, text in texts)
        if not texts:
            self._fault(
                draft, lines[0].number, "begins a Body: that has no text", "write what to look for, or remove it"
            )
        for number, text in texts:
            draft.add(Item.BODY, "", number, text)

    def _add_warning(self, draft: _Draft, lines: list[Line]) -> None:
        if self._is_first(draft.warning, lines[0]):
            first, *others = (line.text for line in lines if len(line.text) <= MAX_LINE)
            draft.warning = "\n".join([first, *others] if first else others)

    def _is_first(self, value: object, line: Line) -> bool:
        """Whether an item that a block has once was not there yet."""
        if value is not None:
            sentence = "gives for the second time what a block has once; the first counts"
            self._report(self._document.warning(line.number, sentence, "remove one of them"))
        return value is None

    def _fault(self, draft: _Draft, line: int, sentence: str, remedy: str) -> None:
        draft.faulty = True
        self._report(self._document.error(line, f"{sentence}, so its block does not apply", remedy))

    def _read_item(self, draft: _Draft, key: str, line: Line) -> None:
        if len(line.text) > MAX_LINE:
            draft.faulty = True
            return
        try:
            self._set_item(draft, key, line)
        except ItemError as error:
            self._fault(draft, line.number, str(error), error.remedy)

    def _set_item(self, draft: _Draft, key: str, line: Line) -> None:
        value = _value(line)
        match key:
            case "from" | "subject" | "content-type":
                draft.add(_ITEMS[key], key, line.number, value)
            case "unique-header":
                header, text = read_unique_header(value)
                draft.add(Item.UNIQUE_HEADER, header, line.number, text)
            case "rbl":
                self._add_list(draft, line, value)
            case "comp":
                draft.wildcard = _read_comp(value)
            case "level":
                self._set_level(draft, line, value)
            case "tag":
                draft.tag = value if self._is_first(draft.tag, line) else draft.tag
            case "forward":
                mailbox = read_forward(value) if value else None
                draft.forward = mailbox if self._is_first(draft.forward, line) else draft.forward
            case _:
                raise ItemError(
                    f"is no item of a block: {line.text[:60]!r}",
                    "correct it; for another header field write it as in Unique-Header:To: ann@in.test",
                )

    def _set_level(self, draft: _Draft, line: Line, value: str) -> None:
        level = read_level(value)
        if self._is_first(draft.level, line):
            draft.level = level
            if level.doubts:
                sentence = f"has {level.doubts}, which nobody knows and which does nothing"
                self._report(self._document.warning(line.number, sentence, "write 0 or 1 there"))

    def _add_list(self, draft: _Draft, line: Line, value: str) -> None:
        hosts = read_host_list(line.number, value)
        draft.lists.append(hosts)
        if hosts.known_file:
            sentence = f"names the file {hosts.known_file[:80]!r} of hosts not to look up, which is not read"
            remedy = 'write the hosts themselves between the quotes, as in "in.test *.in.test"'
            self._report(self._document.warning(line.number, sentence, remedy))

    def _end_block(self, draft: _Draft) -> None:
        self._draft = None
        conditions = tuple(self._conditions(draft))
        level = self._checked_level(draft)
        if level is None or draft.faulty:
            return
        self._look_for_weakness(draft, level, conditions)
        self.blocks.append(
            MailBlock(
                origin=self._document.origin(draft.line),
                name=draft.name,
                wildcard=draft.wildcard,
                conditions=conditions,
                lists=tuple(draft.lists),
                treatment=level.treatment,
                keep_copy=level.keep_copy,
                append_client=level.append_client,
                tag=draft.tag or "",
                forward=draft.forward,
                warning=draft.warning or "",
            )
        )

    def _conditions(self, draft: _Draft) -> Iterator[Condition]:
        """The conditions, made only now because `Comp:` may stand behind them."""
        for (item, header), texts in draft.texts.items():
            tokens: list[Token] = []
            for line, text in texts:
                try:
                    tokens.append(read_token(item, line, text, wildcard=draft.wildcard))
                except ItemError as error:
                    self._fault(draft, line, str(error), error.remedy)
                if "*" in text and not draft.wildcard:
                    sentence = "has an asterisk, which is looked for as it is"
                    self._report(self._document.note(line, sentence, "add Comp:1 if it stands for any text"))
            yield Condition(item, header, tuple(tokens))

    def _checked_level(self, draft: _Draft) -> Level | None:
        """The level; without one, or when there is nowhere to forward to, the block does not apply."""
        level = draft.level
        if level is None:
            if not draft.faulty:
                self._fault(draft, draft.line, "begins a block without Level:", "add one, as in Level:110 to refuse")
        elif level.treatment.forwards and draft.forward is None:
            remedy = "add the address, as in Forward:postmaster@in.test"
            self._fault(draft, draft.line, "begins a block that forwards but names no Forward: address", remedy)
        return level

    def _look_for_weakness(self, draft: _Draft, level: Level, conditions: tuple[Condition, ...]) -> None:
        """What a block that applies may still have wrong."""
        treatment = level.treatment
        if (treatment.tags_subject or treatment.tags_header) and not draft.tag:
            self._warn(draft, "marks mail but has no Tag:", "add the tag's text")
        key = _key_of(conditions, draft.lists)
        if self._catch_all:
            self._warn(
                draft, f"never decides: the one at line {self._catch_all} catches every mail", "remove one of them"
            )
        elif key in self._seen:
            self._warn(
                draft, f"never decides: the one at line {self._seen[key]} has its conditions", "remove one of them"
            )
        elif _catches_all(conditions, draft.lists):
            self._catch_all = draft.line
            verb = "passes" if treatment is Treatment.PASS else "catches"
            self._warn(draft, f"has no condition and {verb} every mail", "give it one, such as Subject:, or remove it")
        self._seen.setdefault(key, draft.line)

    def _warn(self, draft: _Draft, what: str, remedy: str) -> None:
        self._report(self._document.warning(draft.line, f"begins a block that {what}", remedy))


def _value(line: Line) -> str:
    keyword = _KEYWORD.match(line.text)
    return keyword[2].strip() if keyword else ""


def _read_comp(value: str) -> bool:
    if value not in ("0", "1"):
        raise ItemError("is neither Comp:0 nor Comp:1", "write Comp:1 to compare by asterisks, or remove it")
    return value == "1"


def _catches_all(conditions: tuple[Condition, ...], lists: list[HostList]) -> bool:
    """Whether every mail meets the conditions: none, or only such as `From:*`."""
    return not lists and all(
        condition.item is not Item.UNIQUE_HEADER and any(token.is_any for token in condition.tokens)
        for condition in conditions
    )


def _key_of(conditions: tuple[Condition, ...], lists: list[HostList]) -> object:
    """The same for two blocks that the same mail meets."""
    return (
        frozenset((one.header, frozenset(token.pieces for token in one.tokens)) for one in conditions),
        frozenset(hosts[1:] for hosts in lists),
    )
