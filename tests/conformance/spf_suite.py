# SPDX-License-Identifier: Apache-2.0
"""The RFC 7208 suite of openspf.org as data: scenarios, each a zone with cases that are asked about it.

A `SPF` record of the suite is a TXT record too, unless its name has TXT records of its own; `TXT: NONE` says that it has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from tests.support.dns_server import Manner
from tests.support.vectors import vectors_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_server import DnsServer

_DEFAULT: Final = "DEFAULT"  # the receiver's own words; we have none
_TIMEOUT: Final = "TIMEOUT"


class Case(NamedTuple):
    """One question; `results` are those that the suite accepts, `explanation` is `None` where it does not matter."""

    name: str
    client: str
    hello: str
    sender: str
    results: tuple[str, ...]
    explanation: str | None

    def accepts(self, result: str, explanation: str) -> bool:
        """Whether the suite would; it writes the nibbles of an IPv6 address in upper case, the RFC in lower case."""
        words = explanation if self.explanation is None else self.explanation
        return result in self.results and words.lower() == explanation.lower()


class Scenario(NamedTuple):
    """A zone and its cases; `silent` are the names that no server answers for."""

    zone: str
    silent: tuple[str, ...]
    cases: tuple[Case, ...]

    def fill(self, server: DnsServer) -> None:
        """Make the server answer for this zone."""
        server.add(self.zone)
        for name in self.silent:
            server.treat(name, Manner(silent=True, exactly=True))


def scenarios() -> list[Scenario]:
    """All of the suite; skips the calling test where it is not there."""
    text = (vectors_folder("spf") / "rfc7208-tests.yml").read_text("utf-8")
    return [_scenario(document) for document in yaml.safe_load_all(text)]


def _scenario(document: dict[str, Any]) -> Scenario:
    zone, lines, silent = document["zonedata"], [], []
    for name, entries in zone.items():
        records = [*_records(entries)]
        lines += [f"{_escaped(name)} 300 {rdtype} {data}" for rdtype, data in records]
        if _TIMEOUT in entries and not any(rdtype == "TXT" for rdtype, _ in records):
            silent.append(_escaped(name))  # the suite means the types that are not there; nobody asks for SPF any more
    return Scenario("\n".join(lines), tuple(silent), tuple(_case(*item) for item in document["tests"].items()))


def _case(name: str, test: dict[str, Any]) -> Case:
    results, explanation = test["result"], test.get("explanation")
    return Case(
        name,
        test["host"],
        test["helo"],
        test["mailfrom"],
        tuple(results) if isinstance(results, list) else (results,),
        "" if explanation == _DEFAULT else explanation,
    )


def _records(entries: list[Any]) -> Iterator[tuple[str, str]]:
    pairs = [(rdtype, data) for entry in entries if isinstance(entry, dict) for rdtype, data in entry.items()]
    has_texts = any(rdtype == "TXT" for rdtype, _ in pairs)
    for rdtype, data in pairs:
        if rdtype == "TXT" or (rdtype == "SPF" and not has_texts):
            if data != "NONE":
                yield "TXT", _strings(data)
        elif rdtype == "MX":
            preference, exchange = data
            yield "MX", f"{preference} {_escaped(exchange)}"
        elif rdtype in ("PTR", "CNAME"):
            yield rdtype, _escaped(data)
        elif rdtype != "SPF":
            yield rdtype, data


def _strings(data: str | list[str]) -> str:
    """Character-strings as a zone file has them, of 250 octets at most; one at least, which may be empty."""
    texts = [data] if isinstance(data, str) else data or [""]
    parts = [text[start : start + 250] for text in texts for start in range(0, len(text) or 1, 250)]
    return " ".join(f'"{_octets(part)}"' for part in parts)


def _octets(text: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else f"\\{octet:03}" for c in text for octet in c.encode("latin-1"))


def _escaped(name: str) -> str:
    """A name of the suite in a zone file; the root for an empty one."""
    return ".".join(map(_octets, name.removesuffix(".").split("."))) or "."
