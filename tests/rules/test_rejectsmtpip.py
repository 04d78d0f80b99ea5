# SPDX-License-Identifier: Apache-2.0
"""rejectsmtpip.dat: locks for a time and for good, ranges, exemptions, and the lines the server writes itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.rules.document import Document
from genkan.rules.reading import LineError
from genkan.rules.rejectsmtpip import RejectRule, RejectRules, format_lock, parse_rejectsmtpip

NOW = 1_700_000_000
CLIENT = "192.0.2.1"


def rules(text: str) -> RejectRules:
    return parse_rejectsmtpip(Document("rejectsmtpip.dat", "", 1, text))


def match(text: str, client: str = CLIENT, now: int = NOW) -> RejectRule | None:
    return rules(text).match(client, now)


def findings(text: str) -> list[str]:
    return [str(finding) for finding in rules(text).findings]


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1",
        "192.0.2.1\t",
        "192.0.2.*\t",
        "192.0.2.0/24\t",
        "192.0.2.1\t\tiplock",
        f"192.0.2.1\t{NOW + 1}",
        f"192.0.2.1\t{NOW + 1}\tiplock",
        f"192.0.2.1\t{NOW + 1}\t\tIPLOCK",
        "192.0.2.1 ",
    ],
)
def test_a_client_is_refused(text: str) -> None:
    found = match(text)
    assert found is not None
    assert not found.exempt
    assert found.iplock == ("iplock" in text.lower())


@pytest.mark.parametrize("text", ["", "192.0.2.2\t", f"192.0.2.1\t{NOW}", "192.0.2.1\t0\tiplock", "192.0.2.1\t-5"])
def test_a_client_that_no_line_refuses_now_may_come(text: str) -> None:
    assert match(text) is None


def test_an_exemption_above_wins() -> None:
    found = match("192.0.2.1\ttrue\n192.0.2.*\t\n")
    assert found is not None
    assert found.exempt
    refused = match("192.0.2.1\ttrue\n192.0.2.*\t\n", "192.0.2.2")
    assert refused is not None
    assert not refused.exempt


def test_an_exemption_below_a_lock_for_good_is_useless_and_named() -> None:
    text = "192.0.2.*\t\n192.0.2.1\tTRUE\n"
    found = match(text)
    assert found is not None
    assert not found.exempt
    assert findings(text) == ["warning: rejectsmtpip.dat:2: exempts whom line 1 refuses already; move it above line 1"]


def test_locks_that_are_over_are_passed_by() -> None:
    text = f"192.0.2.1\t{NOW - 9}\n192.0.2.*\t{NOW - 1}\n192.0.2.1\t{NOW + 5}\n192.0.2.1\t\n"
    found = match(text)
    assert found is not None
    assert (found.origin.line, found.until) == (3, NOW + 5)
    later = match(text, now=NOW + 5)
    assert later is not None
    assert (later.origin.line, later.until) == (4, None)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_never_refused(client: str) -> None:
    assert match(f"{client}\t\n*.*.*.*\t\n", client) is None


def test_refusing_every_client_is_named() -> None:
    [finding] = findings("*.*.*.*\t\n")
    assert finding.startswith("warning: rejectsmtpip.dat:1: refuses every client;")
    assert findings("*.*.*.*\ttrue\n") == []


@pytest.mark.parametrize(
    "line",
    ["192.0.2.300\t", "ann\t5", "192.0.2.1\tsoon", "192.0.2.1\t5\t6", "192.0.2.1\tiplock\t5", "192.0.2.1\ttrue\t5"],
)
def test_a_damaged_line_disables_only_itself(line: str) -> None:
    text = f"{line}\n192.0.2.7\t\n"
    assert match(text) is None
    assert match(text, "192.0.2.7") is not None
    assert [finding[:27] for finding in findings(text)] == ["error: rejectsmtpip.dat:1: "]


@pytest.mark.parametrize(
    ("client", "until", "iplock", "line"),
    [
        ("192.0.2.1", 1700000000, False, "192.0.2.1\t1700000000"),
        ("192.0.2.1", 1700000000, True, "192.0.2.1\t1700000000\tiplock"),
        ("192.0.2.1", None, False, "192.0.2.1\t"),
        ("192.0.2.1", None, True, "192.0.2.1\t\tiplock"),
        ("::ffff:192.0.2.1", None, False, "192.0.2.1\t"),
        ("2001:DB8::/64", 5, False, "2001:db8::/64\t5"),
    ],
)
def test_a_lock_is_written_as_the_product_writes_it(client: str, until: int | None, iplock: bool, line: str) -> None:
    assert format_lock(client, until, iplock=iplock) == line


def test_what_is_no_client_is_not_written() -> None:
    with pytest.raises(LineError):
        format_lock("192.0.2.1\n*.*.*.*", None, iplock=False)


@given(
    st.sampled_from(["192.0.2.1", "10.*.*.*", "10.*.3.*", "192.0.2.0/25", "2001:db8::/64", "*.*.*.*", "0.0.0.0/0"]),
    st.none() | st.integers(0, 10**12),
    st.booleans(),
)
def test_what_is_written_is_read_back(client: str, until: int | None, iplock: bool) -> None:
    line = format_lock(client, until, iplock=iplock)
    [rule] = rules(line).rules
    assert (str(rule.clients), rule.until, rule.iplock, rule.exempt) == (client, until, iplock, False)
    assert str(rule) == line
