# SPDX-License-Identifier: Apache-2.0
"""effect.dat: what a client, or whoever writes a reverse-path, may do; the server's own and one for each recipient.

A line is a subject and, behind blanks or tabs, an action; none is `true`. The first line that matches decides, whatever
kind of subject it has (the product's pages bsd-04-01, bsd-10-22, bsd-10-60, bsd-01-09). `#<>` and `#blank` are subjects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.rules.addresses import Path, PathIndex, PathPattern, parse_domain, parse_path_pattern
from genkan.rules.clients import (
    EVERY_CLIENT,
    NOWHERE,
    ClientIndex,
    ClientPattern,
    client_of,
    is_loopback,
    parse_client_pattern,
)
from genkan.rules.document import Document
from genkan.rules.reading import LineError, fields, read_lines, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.findings import Finding
    from genkan.rules.document import Line, Origin
    from genkan.smtp.address import Mailbox

SHIPPED: Final = "#<> default\n#blank false\n"
"""The text of revision 0: bounces come in, an empty argument of MAIL does not."""

_AROUND_COMMA: Final = re.compile(r"[ \t]*+,[ \t]*+")
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_LOOKS_LIKE_IPV4: Final = re.compile(r"[0-9.*/]++", re.ASCII)


class EffectAction(StrEnum):
    """What is allowed to a subject; the values are how it is written.

    TRUE: all, even without AUTH and with a local reverse-path that nobody has. DEFAULT: the built-in rules. FALSE:
    nothing. ONLY: relaying with any reverse-path, and nobody may who matches no line. NORELAY: delivery to local
    addresses, AUTH or not. NORELAY_AUTH: relaying after AUTH, delivery to local addresses also without.
    """

    TRUE = "true"
    DEFAULT = "default"
    FALSE = "false"
    ONLY = "only"
    NORELAY = "norelay,0"
    NORELAY_AUTH = "norelay,2"


Subject = ClientPattern | PathPattern
"""A pattern of clients or of reverse-paths."""

_ACTIONS: Final = {action.value: action for action in EffectAction} | {"norelay": EffectAction.NORELAY}
_OTHER_NORELAY: Final = {f"norelay,{digit}" for digit in "13456789"}


@dataclass(frozen=True, slots=True)
class EffectRule:
    """A line of effect.dat; `text` is the subject as written."""

    origin: Origin
    text: str
    subject: Subject
    action: EffectAction

    def __str__(self) -> str:
        """The line."""
        return f"{self.text} {self.action}"

    @property
    def names_client(self) -> bool:
        """Whether the line is about certain clients, and not about everybody or about a reverse-path."""
        return isinstance(self.subject, ClientPattern) and self.subject != EVERY_CLIENT


class EffectMatch(NamedTuple):
    """The line that decides and what it means here.

    `action` is the rule's own, but NORELAY where nothing matched and `rule` is the first with `only`.
    """

    rule: EffectRule
    action: EffectAction

    @property
    def matched(self) -> bool:
        """Whether the line itself matched; false for those outside every `only`."""
        return self.action is self.rule.action


class EffectRules:
    """The rules of one document, indexed: a match costs the same with 10 lines and with 10,000."""

    __slots__ = ("_clients", "_only", "_paths", "findings", "rules")

    def __init__(self, rules: tuple[EffectRule, ...], findings: tuple[Finding, ...]) -> None:
        self.rules = rules
        self.findings = findings
        clients: list[tuple[int, ClientPattern]] = []
        paths: list[tuple[int, PathPattern]] = []
        for position, rule in enumerate(rules):
            if isinstance(rule.subject, ClientPattern):
                clients.append((position, rule.subject))
            else:
                paths.append((position, rule.subject))
        self._clients = ClientIndex(clients)
        self._paths = PathIndex(paths)
        self._only = next((rule for rule in rules if rule.action is EffectAction.ONLY), None)

    def match(self, client_address: str, reverse_path: Mailbox | None, *, blank: bool) -> EffectMatch | None:
        """The first line for this client or reverse-path; `None` means the built-in rules.

        `reverse_path` is that of the envelope, `None` for the null one; `blank` says that MAIL had no argument at all.
        """
        position = self._clients.first(client_of(client_address))
        if reverse_path is None:
            position = min(position, self._paths.first(Path.BLANK if blank else Path.NULL))
        elif self._paths.asks_mailbox:
            position = min(position, self._paths.first(reverse_path.folded()))
        else:
            position = min(position, self._paths.every)
        if position != NOWHERE:
            rule = self.rules[position]
            return EffectMatch(rule, rule.action)
        return None if self._only is None else EffectMatch(self._only, EffectAction.NORELAY)

    def match_client(self, client_address: str) -> EffectMatch | None:
        """The first line that names clients and matches this one, whatever reverse-path it may come to write."""
        position = self._clients.first(client_of(client_address))
        return None if position == NOWHERE else EffectMatch(self.rules[position], self.rules[position].action)

    def first_for(self, subject: Subject) -> int:
        """The position of the first rule that matches whatever `subject` does; NOWHERE if there is none."""
        if isinstance(subject, ClientPattern):
            return self._clients.first(subject)
        return min(self._clients.first(EVERY_CLIENT), self._paths.first(subject))


def parse_effect(document: Document) -> EffectRules:
    """The rules of an effect.dat; what is empty has none, so the built-in rules hold."""
    rules, findings = read_lines(document, _read)
    return EffectRules(rules, findings)


def append_refusals(text: str, client_addresses: Iterable[str]) -> str:
    """The text of an effect.dat with `CLIENT false` in it, for filters whose level says so (`Level:xx1` of mail.dat).

    It stands at the end, or above the first line for the whole Internet. There is none for a client that has such a line
    already, nor for loopback, over which the server itself forwards.
    """
    rules = parse_effect(Document("effect.dat", "", 0, text)).rules
    at_end: list[str] = []
    above: dict[int, list[str]] = {}
    for client in dict.fromkeys(map(client_of, client_addresses)):
        if not client.is_one_address() or is_loopback(client):
            continue
        everybody = (EVERY_CLIENT, ClientPattern(client.version, 0, 0))
        first = next((rule for rule in rules if _settles(rule, client, everybody)), None)
        if first is None:
            at_end.append(f"{client} {EffectAction.FALSE}")
        elif first.subject in everybody:
            above.setdefault(first.origin.line, []).append(f"{client} {EffectAction.FALSE}")
    for line in sorted(above, reverse=True):
        text = _insert(text, above[line], line)
    return _insert(text, at_end, None) if at_end else text


def _settles(rule: EffectRule, client: ClientPattern, everybody: tuple[ClientPattern, ...]) -> bool:
    """Whether the rule says where a refusal of the client is to stand, or is one."""
    return rule.subject in everybody or (rule.subject == client and rule.action is EffectAction.FALSE)


def _read(document: Document, line: Line) -> Iterator[EffectRule | Finding]:
    subject_text, *rest = fields(line.text)
    if subject_text.startswith("#") and subject_text.lower() not in (Path.NULL.value, Path.BLANK.value):
        yield document.note(line.number, "begins with # and is read as a comment", "begin comments with '")
        return
    subject = _parse_subject(subject_text)
    word = _AROUND_COMMA.sub(",", " ".join(rest)).lower()
    action = _ACTIONS.get(word or "true")
    if word in _OTHER_NORELAY:
        action = EffectAction.NORELAY
        yield document.note(
            line.number, f"has {word}, which has no meaning and is read as norelay,0", "write norelay,0"
        )
    if action is None:
        raise LineError(
            f"has the unknown action {shown(word)}", "write true, default, false, only, norelay or norelay,2"
        )
    yield EffectRule(document.origin(line.number), subject_text, subject, action)
    if isinstance(subject, str) and not subject_text.startswith("*") and "." not in subject:
        yield document.note(line.number, f"takes {shown(subject_text)} for a domain", "see whether it is one")


def _parse_subject(text: str) -> Subject:
    if text.lower() in (Path.NULL.value, Path.BLANK.value):
        return Path(text.lower())
    if "@" in text:
        return parse_path_pattern(text)
    if text == "*" or ":" in text or "/" in text or _LOOKS_LIKE_IPV4.fullmatch(text):
        return parse_client_pattern(text)
    if text.startswith("*"):
        raise LineError(f"has {shown(text)}; a domain stands for itself alone", "name each subdomain in its own line")
    return parse_domain(text)


def _insert(text: str, lines: list[str], before: int | None) -> str:
    """The text with more lines, in front of the line of a number or at the end, ended as the text's first line is."""
    ends = [match.end() for match in _LINE_END.finditer(text)]
    first_end = _LINE_END.search(text)
    line_end = first_end[0] if first_end else "\n"
    added = "".join(f"{line}{line_end}" for line in lines)
    if before is None:
        gap = line_end if text and not text.endswith(("\n", "\r")) else ""
        return f"{text}{gap}{added}"
    start = ends[before - 2] if before > 1 else 0
    return f"{text[:start]}{added}{text[start:]}"
