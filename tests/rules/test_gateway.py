# SPDX-License-Identifier: Apache-2.0
"""gateway.dat: domains, their subdomains, all of them; hosts and ports; the order of lines."""

from __future__ import annotations

import pytest

from genkan.rules.document import Document
from genkan.rules.gateway import GatewayRules, parse_gateway


def rules(text: str) -> GatewayRules:
    return parse_gateway(Document("gateway.dat", "", 1, text))


def next_hop(text: str, domain: str) -> str | None:
    rule = rules(text).match(domain)
    return None if rule is None else f"{rule.host} {rule.port}"


def findings(text: str) -> list[str]:
    return [str(finding) for finding in rules(text).findings]


@pytest.mark.parametrize(
    ("line", "domain", "expected"),
    [
        ("out.test,192.0.2.1", "out.test", "192.0.2.1 25"),
        ("out.test,192.0.2.1", "OUT.Test", "192.0.2.1 25"),
        ("Out.Test , MX.out.test , 2525 ", "out.test", "mx.out.test 2525"),
        ("out.test,192.0.2.1,", "out.test", "192.0.2.1 25"),
        ("out.test,192.0.2.1", "sub.out.test", None),
        ("*.out.test,192.0.2.1", "sub.out.test", "192.0.2.1 25"),
        ("*.out.test,192.0.2.1", "a.b.out.test", "192.0.2.1 25"),
        ("*.out.test,192.0.2.1", "out.test", None),
        ("*.out.test,192.0.2.1", "notout.test", None),
        ("*,192.0.2.1", "out.test", "192.0.2.1 25"),
        ("*,2001:db8::1,26", "out.test", "2001:db8::1 26"),
        ("*,[2001:DB8::1]", "out.test", "2001:db8::1 25"),
        ("例え.test,192.0.2.1", "xn--r8jz45g.test", "192.0.2.1 25"),
        ("", "out.test", None),
    ],
)
def test_a_domain_finds_its_next_hop(line: str, domain: str, expected: str | None) -> None:
    assert next_hop(line, domain) == expected


def test_the_first_line_that_matches_decides() -> None:
    text = "*.out.test,a.test\nsub.out.test,b.test\n*,c.test\nout.test,d.test\n"
    assert [next_hop(text, domain) for domain in ("sub.out.test", "out.test", "x.test")] == [
        "a.test 25",
        "c.test 25",
        "c.test 25",
    ]
    assert [finding.split(": ")[1] for finding in findings(text)] == ["gateway.dat:2", "gateway.dat:4"]


@pytest.mark.parametrize(
    ("earlier", "later"), [("*", "*.out.test"), ("*.test", "*.out.test"), ("out.test", "OUT.test"), ("*", "*")]
)
def test_a_line_that_is_never_reached_is_named(earlier: str, later: str) -> None:
    [finding] = findings(f"{earlier},a.test\n{later},a.test,26\n")
    assert finding.startswith("warning: gateway.dat:2: is never reached: line 1 matches all that it matches;")


@pytest.mark.parametrize("second", ["*.out.test", "*.com", "*"])
def test_a_line_that_still_matches_something_is_not_named(second: str) -> None:
    assert findings(f"out.test,a.test\n{second},b.test\n") == []


@pytest.mark.parametrize(
    "line",
    [
        "out.test",
        "out.test,",
        ",192.0.2.1",
        "out.test,192.0.2.1,0",
        "out.test,192.0.2.1,65536",
        "out.test,192.0.2.1,smtp",
        "out.test,192.0.2.1,25,x",
        "out.test,192.0.2.300",
        "out.test,[192.0.2.1",
        "out.test,a b",
        "*out.test,192.0.2.1",
        "*.*.test,192.0.2.1",
        "x@out.test,192.0.2.1",
    ],
)
def test_a_line_that_cannot_be_understood_is_an_error_and_no_rule(line: str) -> None:
    assert rules(line).rules == ()
    assert [finding[:22] for finding in findings(line)] == ["error: gateway.dat:1: "]


def test_a_rule_is_written_as_it_is_read() -> None:
    [rule] = rules("*.OUT.test, [2001:db8::1], 2525").rules
    assert str(rule) == "*.out.test,2001:db8::1,2525"
    [again] = rules(str(rule)).rules
    assert again == rule
