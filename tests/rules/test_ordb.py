# SPDX-License-Identifier: Apache-2.0
"""ordb.dat: zones, each once, and the ones that are no more."""

from __future__ import annotations

import pytest

from genkan.rules.document import Document
from genkan.rules.ordb import OrdbRules, parse_ordb


def rules(text: str) -> OrdbRules:
    return parse_ordb(Document("ordb.dat", "", 1, text))


def findings(text: str) -> list[str]:
    return [str(finding) for finding in rules(text).findings]


def test_zones_keep_their_order_and_their_lines() -> None:
    read = rules("'block lists\r\nzen.Example.test.\r\n\r\n _dns_bl-2.example\r\n")
    assert [(zone.name, zone.origin.line) for zone in read.zones] == [("zen.example.test", 2), ("_dns_bl-2.example", 4)]
    assert read.findings == ()


def test_a_zone_is_asked_once() -> None:
    read = rules("a.test\nb.test\nA.test.\n")
    assert [str(zone) for zone in read.zones] == ["a.test", "b.test"]
    assert findings("a.test\nb.test\nA.test.\n") == [
        "note: ordb.dat:3: has a.test again, after line 1; delete the line"
    ]


@pytest.mark.parametrize(
    ("name", "year"),
    [("relays.ordb.org", 2006), ("ORDB.org", 2006), ("dnsbl.sorbs.net", 2024), ("list.dsbl.org", 2008)],
)
def test_a_list_that_is_no_more_is_named_and_not_asked(name: str, year: int) -> None:
    assert rules(name).zones == ()
    [finding] = findings(name)
    assert (
        finding == f"warning: ordb.dat:1: has {name.lower()}, which ended in {year} and is not asked; delete the line"
    )


def test_a_name_that_only_ends_alike_is_alive() -> None:
    assert [zone.name for zone in rules("notordb.org").zones] == ["notordb.org"]


@pytest.mark.parametrize(
    "line",
    [
        "a..test",
        ".test",
        "-a.test",
        "a test",
        "192.0.2.1",
        "a.test/24",
        "例え.test",
        "x" * 64,
        "a." * 100 + "test",
        ".",
    ],
)
def test_what_is_no_name_is_an_error_and_not_asked(line: str) -> None:
    assert rules(line).zones == ()
    [finding] = findings(line)
    assert finding.startswith("error: ordb.dat:1: has ")
