# SPDX-License-Identifier: Apache-2.0
"""ordb.dat: the DNS block lists to ask about a client, one zone a line (the product's page faq01-50).

The product shipped it with `relays.ordb.org`, whose end in 2006 made every session slow, and later all clients "listed".
Zones known to be dead are named and not asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.rules.reading import LineError, fields, read_lines, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.findings import Finding
    from genkan.rules.document import Document, Line, Origin

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ZONE: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*+", re.ASCII)
_MAX_ZONE: Final = 189  # RFC 1035, 2.3.4: 253 characters less the 64 of an IPv6 client in front (RFC 5782, 2.4)
_REMEDY: Final = "write one zone a line, such as zen.spamhaus.org"

_DEAD: Final = {
    "ordb.org": 2006,
    "opm.blitzed.org": 2006,
    "dsbl.org": 2008,
    "njabl.org": 2013,
    "ahbl.org": 2015,
    "spamcannibal.org": 2018,
    "sorbs.net": 2024,
}
"""Domain: the year its lists ended. Some answer every question with "listed" since."""


class Zone(NamedTuple):
    """A zone to ask, in lower case and without a dot at its end."""

    origin: Origin
    name: str

    def __str__(self) -> str:
        """The line."""
        return self.name


class OrdbRules:
    """The zones of one document, each once, in file order."""

    __slots__ = ("findings", "zones")

    def __init__(self, zones: tuple[Zone, ...], findings: tuple[Finding, ...]) -> None:
        self.zones = zones
        self.findings = findings


def parse_ordb(document: Document) -> OrdbRules:
    """The zones of an ordb.dat."""
    seen: dict[str, int] = {}

    def read(document: Document, line: Line) -> Iterator[Zone | Finding]:
        name = _zone(line.text)
        year = next((year for domain, year in _DEAD.items() if f".{name}".endswith(f".{domain}")), None)
        if year is not None:
            sentence = f"has {name}, which ended in {year} and is not asked"
            yield document.warning(line.number, sentence, "delete the line")
        elif seen.setdefault(name, line.number) != line.number:
            yield document.note(line.number, f"has {name} again, after line {seen[name]}", "delete the line")
        else:
            yield Zone(document.origin(line.number), name)

    return OrdbRules(*read_lines(document, read))


def _zone(text: str) -> str:
    words = fields(text)
    name = words[0].lower().removesuffix(".")
    is_address = name.rpartition(".")[2].isdigit()
    if len(words) > 1 or is_address or len(name) > _MAX_ZONE or not _ZONE.fullmatch(name):
        raise LineError(f"has {shown(text)}, which is no name of a zone", _REMEDY)
    return name
