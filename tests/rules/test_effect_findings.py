# SPDX-License-Identifier: Apache-2.0
"""What is dangerous in an effect.dat, and which of its lines are never reached."""

from __future__ import annotations

import pytest

from genkan.rules.document import Document
from genkan.rules.effect import SHIPPED, parse_effect
from genkan.rules.effect_findings import effect_findings

LOCAL = ("in.test", "例え.test")


def findings(text: str, account: str = "") -> list[str]:
    document = Document("effect.dat", account, 1, text)
    return [str(finding) for finding in effect_findings(parse_effect(document), LOCAL)]


@pytest.mark.parametrize(
    "text",
    [
        SHIPPED,
        "192.168.*.* default\n*.*.*.* norelay\n",
        "192.168.*.* default\n*.*.*.* false\n",
        "192.0.2.1 default\n*.*.*.* norelay,2\n",
        "192.0.2.1 true\n10.*.*.* true\n2001:db8::/32 true\n",
        "ann@in.test false\nin.test default\nout.test false\n",
        "192.168.*.* only\n172.16.0.0/12 only\n",
        "",
    ],
)
def test_ordinary_documents_have_no_findings(text: str) -> None:
    assert findings(text) == []


@pytest.mark.parametrize("action", ["true", "only", ""])
@pytest.mark.parametrize(
    ("subject", "danger"),
    [
        ("*.*.*.*", "for every client; this is an open relay"),
        ("*", "for every client; this is an open relay"),
        ("0.0.0.0/0", "reaches far beyond one network"),
        ("::/0", "reaches far beyond one network"),
        ("192.0.0.0/7", "reaches far beyond one network"),
        ("*.168.1.1", "reaches far beyond one network"),
        ("2000::/3", "reaches far beyond one network"),
        ("#<>", "whoever writes MAIL FROM:<> may relay"),
        ("#blank", "whoever leaves MAIL FROM: empty may relay"),
        ("*@*", "any reverse-path may be relayed; this is an open relay"),
        ("in.test", "which is local: whoever forges it may send without AUTH to anywhere"),
        ("*@IN.test", "which is local"),
        ("Ann@in.test", "which is local"),
        ("例え.test", "which is local"),
        ("xn--r8jz45g.test", "which is local"),
        ("out.test", "whoever forges it may relay to anywhere"),
        ("x@out.test", "whoever forges it may relay to anywhere"),
    ],
)
def test_each_dangerous_line_is_named(subject: str, action: str, danger: str) -> None:
    [finding] = findings(f"'\n{subject} {action}\n")
    assert finding.startswith(f"warning: effect.dat:2: says {action or 'true'}")
    assert danger in finding


def test_a_subdomain_of_a_local_domain_is_not_local() -> None:
    [finding] = findings("sub.in.test true")
    assert "local" not in finding


def test_refusing_bounces_is_a_note() -> None:
    [finding] = findings("#<> false")
    assert finding.startswith("note: effect.dat:1: refuses all bounces")


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("*.*.*.*", "192.0.2.1"),
        ("*", "2001:db8::/32"),
        ("*", "0.0.0.0/0"),
        ("*", "out.test"),
        ("*", "x@out.test"),
        ("*", "*@*"),
        ("*.*.*.*", "#<>"),
        ("*.*.*.*", "#blank"),
        ("192.168.*.*", "192.168.1.0/24"),
        ("192.168.0.0/16", "192.168.*.*"),
        ("192.168.1.1", "192.168.1.1"),
        ("2001:db8::/32", "2001:db8:1::/48"),
        ("*@*", "*@out.test"),
        ("out.test", "X@out.test"),
        ("out.test", "*@OUT.test"),
        ("x@out.test", "X@out.test"),
        ("#<>", "#<>"),
    ],
)
def test_a_line_behind_one_that_matches_all_of_it_is_named(earlier: str, later: str) -> None:
    assert findings(f"{earlier} norelay\n'\n{later} default\n") == [
        "warning: effect.dat:3: is never reached: line 1 matches all that it matches; move it above line 1, or delete it"
    ]
    [finding] = findings(f"{earlier} default\n{later} default\n")
    assert finding == (
        "note: effect.dat:2: is never reached: line 1 matches all that it matches and says the same; delete it"
    )


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("192.168.1.*", "192.168.*.*"),
        ("192.168.1.*", "192.168.*.1"),
        ("0.0.0.0/0", "::/0"),
        ("0.0.0.0/0", "*"),
        ("x@out.test", "out.test"),
        ("out.test", "sub.out.test"),
        ("*@*", "#<>"),
        ("out.test", "*@*"),
    ],
)
def test_a_line_that_still_matches_something_is_not_named(earlier: str, later: str) -> None:
    assert findings(f"{earlier} norelay\n{later} default\n") == []


def test_a_dangerous_line_that_is_never_reached_is_not_dangerous() -> None:
    [finding] = findings("*.*.*.* false\nin.test true\n")
    assert "is never reached" in finding


def test_findings_come_in_the_order_of_the_file() -> None:
    found = findings("192.0.2.0/24 default\nin.test true\n192.0.2.1 false\n* true\nout.test true\n")
    assert [finding.split(":")[2] for finding in found] == ["2", "3", "4", "5"]


def test_in_the_document_of_an_account_true_is_harmless_and_relaying_is_not_its_business() -> None:
    account = "ann@in.test"
    assert findings("friend.test true\n#<> default\n* false\n", account) == []
    assert findings("in.test true\n*@* false\n", account) == []
    for action in ("only", "norelay,0", "norelay,2"):
        [finding] = findings(f"friend.test {action}", account)
        assert finding.startswith(f"note: effect.dat of ann@in.test:1: says {action}, but mail to this account")


@pytest.mark.parametrize("subject", ["*", "*.*.*.*", "#<>"])
def test_an_account_that_refuses_bounces_is_told(subject: str) -> None:
    [finding] = findings(f"friend.test true\n{subject} false\n", "ann@in.test")
    assert finding.startswith("note: effect.dat of ann@in.test:2: refuses bounces to this account too; put #<> default")
