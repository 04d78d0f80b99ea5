# SPDX-License-Identifier: Apache-2.0
"""approval-addresses.dat and approval-subjects.dat: which mail is refused, let through, or held for somebody's approval.

A line is SUBJECT [ACTION [APPROVERS [DEADLINE [VERDICT]]]]. Fields are separated by blanks or tabs in the first document
and by tabs alone in the second, whose subjects hold blanks. The first line that matches decides.

    SUBJECT    the reverse-path as `ann@in.test`, `*@in.test`, `*@*`, or `*` for the null reverse-path, too;
               in approval-subjects.dat text that stands somewhere in the Subject field, whatever its case and width
    ACTION     refuse (also when there is none), allow or hold
    APPROVERS  for hold: addresses, separated by commas, any of whom may approve or reject
    DEADLINE   for hold: 30m, 2h or 5d after arrival; without one the setting approval.deadline
    VERDICT    what happens at the deadline: reject or approve; without one the setting approval.verdict

    boss@out.test     allow
    *@out.test        hold     ann@in.test,bob@in.test   2d   approve
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from genkan.rules.addresses import Path, PathIndex, PathPattern, parse_address, parse_path_pattern
from genkan.rules.clients import NOWHERE
from genkan.rules.mail_fold import fold
from genkan.rules.reading import LineError, fields, read_lines, shown, unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.findings import Finding
    from genkan.rules.document import Document, Line, Origin
    from genkan.smtp.address import Mailbox

_Word = TypeVar("_Word", bound=StrEnum)

MAX_SUBJECT: Final = 2000  # characters looked at

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII | re.IGNORECASE)
_MAX_DEADLINE: Final = timedelta(days=3650)
_FORM: Final = "write SUBJECT hold ann@in.test,bob@in.test 2d approve, or leave out fields at the end"


class ApprovalAction(StrEnum):
    """What happens to mail that a line names."""

    REFUSE = "refuse"
    ALLOW = "allow"
    HOLD = "hold"


class ApprovalVerdict(StrEnum):
    """What becomes of held mail that nobody judged in time."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """A line of either document; `text` is the subject as written. `deadline` and `verdict` are `None` for the settings'."""

    origin: Origin
    text: str
    action: ApprovalAction = ApprovalAction.REFUSE
    approvers: tuple[Mailbox, ...] = ()
    deadline: timedelta | None = None
    verdict: ApprovalVerdict | None = None

    def __str__(self) -> str:
        """The line, its fields separated by tabs."""
        parts = [self.text, self.action.value]
        if self.action is ApprovalAction.HOLD:
            parts.append(",".join(map(str, self.approvers)))
        if self.deadline is not None:
            parts.append(_duration_text(self.deadline))
        if self.verdict is not None:
            parts.append(self.verdict.value)
        return "\t".join(parts)


class ApprovalAddresses:
    """The rules of an approval-addresses.dat, indexed."""

    __slots__ = ("_index", "findings", "rules")

    def __init__(self, rules: tuple[tuple[PathPattern, ApprovalRule], ...], findings: tuple[Finding, ...]) -> None:
        self.rules = tuple(rule for _, rule in rules)
        patterns = [pattern for pattern, _ in rules]
        self._index = PathIndex(enumerate(patterns))
        first = {rule.origin: self._index.first(pattern) for pattern, rule in rules}
        self.findings = (*findings, *unreachable(self.rules, lambda rule: first[rule.origin], _outcome))

    def match_address(self, reverse_path: Mailbox | None) -> ApprovalRule | None:
        """The first line for a reverse-path, `None` being the null one."""
        if not self.rules:
            return None
        position = self._index.first(Path.NULL if reverse_path is None else reverse_path.folded())
        return None if position == NOWHERE else self.rules[position]


class ApprovalSubjects:
    """The rules of an approval-subjects.dat."""

    __slots__ = ("_needles", "findings", "rules")

    def __init__(self, rules: tuple[ApprovalRule, ...], findings: tuple[Finding, ...]) -> None:
        self.rules = rules
        self.findings = findings
        self._needles = [fold(rule.text) for rule in rules]

    def match_subject(self, text: str) -> ApprovalRule | None:
        """The first line whose text stands in a decoded Subject field; what is behind its 2000th character is not seen."""
        if not self.rules:
            return None
        folded = fold(text[:MAX_SUBJECT])
        return next((rule for rule, needle in zip(self.rules, self._needles, strict=True) if needle in folded), None)


def parse_approval_addresses(document: Document) -> ApprovalAddresses:
    """The rules of an approval-addresses.dat."""
    return ApprovalAddresses(*read_lines(document, _read_address))


def parse_approval_subjects(document: Document) -> ApprovalSubjects:
    """The rules of an approval-subjects.dat."""
    return ApprovalSubjects(*read_lines(document, _read_subject))


def _read_address(document: Document, line: Line) -> Iterator[tuple[PathPattern, ApprovalRule] | Finding]:
    text, *rest = fields(line.text)
    yield parse_path_pattern(text), _rule(document.origin(line.number), text, rest)


def _read_subject(document: Document, line: Line) -> Iterator[ApprovalRule | Finding]:
    text, *rest = [part.strip(" ") for part in line.text.split("\t") if part.strip(" ")]
    if not fold(text).strip():
        raise LineError("has no subject but white space", "write the words to look for")
    yield _rule(document.origin(line.number), text, rest)


def _rule(origin: Origin, text: str, rest: list[str]) -> ApprovalRule:
    action = _word(ApprovalAction, rest[0] if rest else ApprovalAction.REFUSE)
    if action is not ApprovalAction.HOLD:
        if len(rest) > 1:
            raise LineError(f"has {shown(rest[1])} behind {action}", "leave it out; approvers belong behind hold")
        return ApprovalRule(origin, text, action)
    if len(rest) > 4:
        raise LineError("has more than five fields", _FORM)
    if len(rest) < 2:
        raise LineError("holds mail and names nobody to approve it", _FORM)
    approvers = tuple(parse_address(address.strip(" ")) for address in rest[1].split(","))
    deadline = _duration(rest[2]) if len(rest) > 2 else None
    verdict = _word(ApprovalVerdict, rest[3]) if len(rest) > 3 else None
    return ApprovalRule(origin, text, action, approvers, deadline, verdict)


def _word(words: type[_Word], text: str) -> _Word:
    try:
        return words(text.lower())
    except ValueError:
        raise LineError(f"has {shown(text)}", f"write {' or '.join(words)}") from None


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    duration = timedelta(seconds=int(match[1]) * _UNITS[match[2].lower()]) if match else timedelta(0)
    if not timedelta(0) < duration <= _MAX_DEADLINE:
        raise LineError(f"has the deadline {shown(text)}", "write it as in 30m, 2h or 5d")
    return duration


def _duration_text(duration: timedelta) -> str:
    seconds = duration // timedelta(seconds=1)
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _outcome(rule: ApprovalRule) -> object:
    return rule.action, rule.approvers, rule.deadline, rule.verdict
