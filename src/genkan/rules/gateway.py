# SPDX-License-Identifier: Apache-2.0
"""gateway.dat: the next hop of a domain, `domain,host` or `domain,host,port` (the product's pages bsd-01-61, faq10-54).

The first line that matches decides. `*.in.test` is every subdomain but not the domain itself, `*` every domain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from genkan.rules.addresses import parse_domain
from genkan.rules.clients import NOWHERE
from genkan.rules.reading import LineError, read_lines, shown, unreachable
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.findings import Finding
    from genkan.rules.document import Document, Line, Origin

SMTP_PORT: Final = 25

_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_REMEDY: Final = "write DOMAIN,HOST or DOMAIN,HOST,PORT"


@dataclass(frozen=True, slots=True)
class GatewayRule:
    """A line of gateway.dat; `pattern` is folded, `host` a name or an IP address without brackets."""

    origin: Origin
    pattern: str
    host: str
    port: int = SMTP_PORT

    def __str__(self) -> str:
        """The line."""
        return f"{self.pattern},{self.host},{self.port}"


class GatewayRules:
    """The rules of one document, indexed by domain."""

    __slots__ = ("_positions", "findings", "rules")

    def __init__(self, rules: tuple[GatewayRule, ...], findings: tuple[Finding, ...]) -> None:
        self.rules = rules
        self._positions: dict[str, int] = {}
        for position, rule in enumerate(rules):
            self._positions.setdefault(rule.pattern, position)
        never = unreachable(rules, lambda rule: self._first(rule.pattern), lambda rule: (rule.host, rule.port))
        self.findings = (*findings, *never)

    def match(self, domain: str) -> GatewayRule | None:
        """The next hop of a domain, `None` where no line names one."""
        position = self._first(fold_domain(domain))
        return None if position == NOWHERE else self.rules[position]

    def _first(self, domain: str) -> int:
        """The first position for a folded domain, or for all that `*.in.test` matches."""
        get = self._positions.get
        best = min(get(domain, NOWHERE), get("*", NOWHERE))
        parent = domain.removeprefix("*.")
        while "." in parent:
            parent = parent.partition(".")[2]
            best = min(best, get(f"*.{parent}", NOWHERE))
        return best


def parse_gateway(document: Document) -> GatewayRules:
    """The rules of a gateway.dat."""
    return GatewayRules(*read_lines(document, _read))


def _read(document: Document, line: Line) -> Iterator[GatewayRule | Finding]:
    pattern, *hop = [part.strip(" \t") for part in line.text.split(",")]
    if not 1 <= len(hop) <= 2:
        raise LineError(f"has {len(hop) + 1} fields between commas", _REMEDY)
    port = hop[1] if len(hop) == 2 and hop[1] else str(SMTP_PORT)
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise LineError(f"has {shown(port)}, which is no port", _REMEDY)
    yield GatewayRule(document.origin(line.number), _pattern(pattern), _host(hop[0]), int(port))


def _pattern(text: str) -> str:
    if text == "*":
        return text
    return f"*.{parse_domain(text[2:])}" if text.startswith("*.") else parse_domain(text)


def _host(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ip_address(bare))
    except ValueError:
        pass
    host = parse_domain(text)
    if host.startswith("[") or host.rpartition(".")[2].isdigit():
        raise LineError(f"has {shown(text)}, which is neither a host name nor an IP address", _REMEDY)
    return host
