# SPDX-License-Identifier: Apache-2.0
"""sender.dat: the documented examples, both separators, the order of lines, and what happens where none matches."""

from __future__ import annotations

import pytest

from genkan.rules.document import Document
from genkan.rules.sender import SenderRules, parse_sender
from genkan.smtp.address import Mailbox, parse_mailbox


def rules(text: str) -> SenderRules:
    return parse_sender(Document("sender.dat", "a@in.test", 2, text))


def forbidden(text: str, forward_path: str) -> bool:
    return rules(text).forbids(parse_mailbox(forward_path)) is not None


def findings(text: str) -> list[str]:
    return [str(finding) for finding in rules(text).findings]


@pytest.mark.parametrize(
    ("text", "forward_path", "expected"),
    [
        ("*@out.test,-1\r\n*,0\r\n", "u@out.test", True),
        ("*@out.test,-1\r\n*,0\r\n", "u@other.test", False),
        ("user@out.test,-1\n*,0\n", "USER@Out.Test", True),
        ("user@out.test,-1\n*,0\n", "u@out.test", False),
        ("*@in.test,0\n", "b@in.test", False),
        ("*@in.test,0\n", "u@out.test", True),
        ("*@out.test,-1\n", "u@other.test", True),
        ("*@out.test:-1\n*:0\n", "u@out.test", True),
        ("*@out.test:-1\n*:0\n", "u@other.test", False),
        ("*@out.test , -1\n* , 0\n", "u@out.test", True),
        ("*@out.test\t:\t-1\n*\n", "u@other.test", False),
        ("*@out.test,\n", "u@out.test", False),
        ("*@out.test,0\n*@out.test,-1\n", "u@out.test", False),
        ("*,0\n*@out.test,-1\n", "u@out.test", False),
        ("*@[IPv6:2001:db8::1]\n", "u@[IPv6:2001:db8::1]", False),
        ("*@[IPv6:2001:db8::1],-1\n*,0", "u@[IPv6:2001:db8::1]", True),
        ("*@out.test,-1\n*,0\n", "u@sub.out.test", False),
    ],
)
def test_the_first_line_that_matches_decides(text: str, forward_path: str, expected: bool) -> None:
    assert forbidden(text, forward_path) == expected


@pytest.mark.parametrize("text", ["", "\r\n", "'*@out.test,-1\n", "damaged\n"])
def test_a_document_without_rules_forbids_nothing(text: str) -> None:
    assert not forbidden(text, "u@out.test")


def test_why_a_forward_path_is_forbidden_names_the_line() -> None:
    why = rules("'\n*@out.test:-1\n*:0\n").forbids(Mailbox("u", "out.test"))
    assert why is not None
    assert (why.origin.line, str(why)) == (2, "sender.dat of a@in.test:2: *@out.test,-1")


def test_where_no_line_matches_the_last_is_named() -> None:
    why = rules("*@in.test,0\n*@out.test,0\n").forbids(Mailbox("u", "other.test"))
    assert why is not None
    assert why.rule is None
    assert str(why) == "no line of sender.dat matches, the last is sender.dat of a@in.test:2"


def test_the_lone_postmaster_is_matched_by_the_asterisk_only() -> None:
    assert rules("*@in.test,-1\n*,0\n").forbids(Mailbox("postmaster", "")) is None


@pytest.mark.parametrize("value", ["1", "-2", "+5", "100"])
def test_other_numbers_allow_and_are_a_finding(value: str) -> None:
    assert not forbidden(f"*@out.test,{value}\n*,-1\n", "u@out.test")
    [finding] = findings(f"*@out.test,{value}\n*,-1\n")
    assert finding.startswith(f"warning: sender.dat of a@in.test:1: has the value {int(value)}, whose meaning is not")


@pytest.mark.parametrize("line", ["*@out.test,no", "*@out.test,-1,0", "*@out.test -1", "out.test,-1", ",-1", "*@,0"])
def test_a_line_that_cannot_be_understood_is_an_error_and_no_rule(line: str) -> None:
    assert findings(f"{line}\n*,0\n")[0].startswith("error: sender.dat of a@in.test:1: has ")
    assert not forbidden(f"{line}\n*,0\n", "u@out.test")


def test_a_line_that_is_never_reached_is_named() -> None:
    [finding] = findings("*,0\n*@out.test,-1\n")
    assert finding.startswith(
        "warning: sender.dat of a@in.test:2: is never reached: line 1 matches all that it matches;"
    )
