# SPDX-License-Identifier: Apache-2.0
"""rejectsmtpip.dat: clients that are cut off at connection, for good or until a time, and those that never are.

Fields are separated by tabs: a client or a range, then nothing (refused for good), seconds since 1970 (refused until
then; `iplock` behind it names the cause), or `true` (never refused). The first line that holds now decides. Loopback is
never refused (the product's pages faq17-09, bsd-19-48, faq15-94).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from genkan.findings import warning
from genkan.rules.clients import EVERY_CLIENT, ClientIndex, ClientPattern, client_of, is_loopback, parse_client_pattern
from genkan.rules.reading import LineError, fields, read_lines, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.findings import Finding
    from genkan.rules.document import Document, Line, Origin

_TIME: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_IPLOCK: Final = "iplock"
_EXEMPT: Final = "true"


@dataclass(frozen=True, slots=True)
class RejectRule:
    """A line of rejectsmtpip.dat; `until` is in seconds since 1970, `None` for good; `iplock`: too many connections."""

    origin: Origin
    clients: ClientPattern
    until: int | None = None
    iplock: bool = False
    exempt: bool = False

    def __str__(self) -> str:
        """The line."""
        if self.exempt:
            return f"{self.clients}\t{_EXEMPT}"
        return format_lock(str(self.clients), self.until, iplock=self.iplock)

    def holds(self, now_unix: int) -> bool:
        """Whether it still counts."""
        return self.until is None or self.until > now_unix


class RejectRules:
    """The rules of one document, indexed by client."""

    __slots__ = ("_by_clients", "_index", "findings", "rules")

    def __init__(self, rules: tuple[RejectRule, ...], findings: tuple[Finding, ...]) -> None:
        self.rules = rules
        self._by_clients: dict[ClientPattern, list[RejectRule]] = {}
        for rule in rules:
            self._by_clients.setdefault(rule.clients, []).append(rule)
        self._index = ClientIndex((position, rule.clients) for position, rule in enumerate(rules))
        self.findings = (*findings, *_useless_exemptions(rules))

    def match(self, client_address: str, now_unix: int) -> RejectRule | None:
        """The first rule that holds now for the client; one that exempts it has `exempt` set, `None`: it may come."""
        client = client_of(client_address)
        if is_loopback(client):
            return None
        found = [
            rule
            for position in self._index.each(client)
            for rule in self._by_clients[self.rules[position].clients]
            if rule.holds(now_unix)
        ]
        return min(found, key=lambda rule: rule.origin.line, default=None)


def parse_rejectsmtpip(document: Document) -> RejectRules:
    """The rules of a rejectsmtpip.dat."""
    return RejectRules(*read_lines(document, _read))


def format_lock(client: str, until_unix: int | None, *, iplock: bool) -> str:
    """A line that refuses a client or a network, for good or until a time; raises LineError for what is neither."""
    until = "" if until_unix is None else str(until_unix)
    return f"{parse_client_pattern(client)}\t{until}" + (f"\t{_IPLOCK}" if iplock else "")


def _read(document: Document, line: Line) -> Iterator[RejectRule | Finding]:
    text, *rest = fields(line.text)
    clients = parse_client_pattern(text)
    origin = document.origin(line.number)
    if [word.lower() for word in rest] == [_EXEMPT]:
        yield RejectRule(origin, clients, exempt=True)
        return
    iplock = bool(rest) and rest[-1].lower() == _IPLOCK
    times = rest[:-1] if iplock else rest
    if len(times) > 1 or not all(map(_TIME.fullmatch, times)):
        remedy = "write nothing to refuse for good, seconds since 1970 to refuse until then, or true to never refuse"
        raise LineError(f"has {shown(' '.join(rest))} behind the client", remedy)
    if clients == EVERY_CLIENT and not times:
        yield document.warning(line.number, "refuses every client", "delete it, or name the networks to refuse")
    yield RejectRule(origin, clients, int(times[0]) if times else None, iplock=iplock)


def _useless_exemptions(rules: tuple[RejectRule, ...]) -> Iterator[Finding]:
    refused = ClientIndex((at, rule.clients) for at, rule in enumerate(rules) if rule.until is None and not rule.exempt)
    for position, rule in enumerate(rules):
        earlier = refused.first(rule.clients)
        if rule.exempt and earlier < position:
            line = rules[earlier].origin.line
            yield warning(rule.origin, f"exempts whom line {line} refuses already", f"move it above line {line}")
