# SPDX-License-Identifier: Apache-2.0
"""The two approval documents: their fields, their order, and how a reverse-path or a subject is compared."""

from __future__ import annotations

from datetime import timedelta

import pytest

from genkan.rules.approval import (
    ApprovalAction,
    ApprovalAddresses,
    ApprovalRule,
    ApprovalSubjects,
    ApprovalVerdict,
    parse_approval_addresses,
    parse_approval_subjects,
)
from genkan.rules.document import Document, Origin
from genkan.smtp.address import Mailbox, parse_mailbox

ANN = Mailbox("ann", "in.test")
BOB = Mailbox("bob", "in.test")


def addresses(text: str) -> ApprovalAddresses:
    return parse_approval_addresses(Document("approval-addresses.dat", "", 1, text))


def subjects(text: str) -> ApprovalSubjects:
    return parse_approval_subjects(Document("approval-subjects.dat", "", 1, text))


def by_address(text: str, reverse_path: str) -> ApprovalAction | None:
    rule = addresses(text).match_address(parse_mailbox(reverse_path) if reverse_path else None)
    return None if rule is None else rule.action


def by_subject(text: str, subject: str) -> ApprovalAction | None:
    rule = subjects(text).match_subject(subject)
    return None if rule is None else rule.action


def test_a_whole_line_is_read() -> None:
    [rule] = addresses("'\n*@Out.test \t hold ann@in.test,bob@in.test\t2d  approve").rules
    origin = Origin("approval-addresses.dat", "", 1, 2)
    assert rule == ApprovalRule(
        origin, "*@Out.test", ApprovalAction.HOLD, (ANN, BOB), timedelta(days=2), ApprovalVerdict.APPROVE
    )


def test_fields_at_the_end_may_be_left_out() -> None:
    [bare, allow, hold, deadline] = addresses(
        "a@x.test\nb@x.test ALLOW\nc@x.test hold ann@in.test\nd@x.test hold ann@in.test 30m\n"
    ).rules
    assert (bare.action, allow.action) == (ApprovalAction.REFUSE, ApprovalAction.ALLOW)
    assert (hold.approvers, hold.deadline, hold.verdict) == ((ANN,), None, None)
    assert (deadline.deadline, deadline.verdict) == (timedelta(minutes=30), None)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("5D", timedelta(days=5)),
        ("3650d", timedelta(days=3650)),
    ],
)
def test_a_deadline_is_read(text: str, duration: timedelta) -> None:
    [rule] = addresses(f"* hold ann@in.test {text}").rules
    assert rule.deadline == duration


@pytest.mark.parametrize(
    ("text", "reverse_path", "expected"),
    [
        ("x@out.test", "X@Out.test", ApprovalAction.REFUSE),
        ("x@out.test", "y@out.test", None),
        ("x@out.test allow\n*@out.test", "x@out.test", ApprovalAction.ALLOW),
        ("x@out.test allow\n*@out.test", "y@out.test", ApprovalAction.REFUSE),
        ("*@out.test\nx@out.test allow", "x@out.test", ApprovalAction.REFUSE),
        ("*@out.test", "x@sub.out.test", None),
        ("*", "", ApprovalAction.REFUSE),
        ("*@*", "", None),
        ("*@*", "x@out.test", ApprovalAction.REFUSE),
        ("", "x@out.test", None),
    ],
)
def test_the_first_address_that_matches_decides(text: str, reverse_path: str, expected: ApprovalAction | None) -> None:
    assert by_address(text, reverse_path) is expected


@pytest.mark.parametrize(
    ("text", "subject", "expected"),
    [
        ("free money", "Get FREE Money now", ApprovalAction.REFUSE),
        ("free money", "free  money", None),
        ("FREE\tallow\nfree", "so free", ApprovalAction.ALLOW),
        ("未承諾広告", "【未承諾広告※】ご案内", ApprovalAction.REFUSE),
        ("ｶﾞｿﾘﾝ", "ガソリン代", ApprovalAction.REFUSE),
        ("ＡＢＣ", "abc", ApprovalAction.REFUSE),
        ("straße", "STRASSE 1", ApprovalAction.REFUSE),
        ("e\u0301t\u00e9", "ÉTÉ", ApprovalAction.REFUSE),
        ("a  \t\t refuse", "x a y", ApprovalAction.REFUSE),
        ("free", "", None),
        ("*", "no wildcard", None),
    ],
)
def test_a_subject_is_found_inside_whatever_its_case_and_width(
    text: str, subject: str, expected: ApprovalAction | None
) -> None:
    assert by_subject(text, subject) is expected


def test_a_subject_is_looked_at_up_to_its_2000th_character() -> None:
    assert by_subject("free", "x" * 1996 + "free") is ApprovalAction.REFUSE
    assert by_subject("free", "x" * 1997 + "free") is None


def test_blanks_belong_to_a_subject() -> None:
    [rule] = subjects("please hold the line\thold\tann@in.test, bob@in.test\t1h\treject\n").rules
    assert (rule.text, rule.approvers, rule.deadline) == ("please hold the line", (ANN, BOB), timedelta(hours=1))


@pytest.mark.parametrize(
    "line",
    [
        "ann",
        "x@out.test deny",
        "x@out.test hold",
        "x@out.test hold ann",
        "x@out.test hold ann@in.test,",
        "x@out.test hold ann@in.test soon",
        "x@out.test hold ann@in.test 0h",
        "x@out.test hold ann@in.test 3651d",
        "x@out.test hold ann@in.test 2h maybe",
        "x@out.test hold ann@in.test 2h approve too",
        "x@out.test allow ann@in.test",
    ],
)
def test_a_line_that_cannot_be_understood_is_an_error_and_no_rule(line: str) -> None:
    read = addresses(f"{line}\n*@* allow\n")
    assert [str(rule) for rule in read.rules] == ["*@*\tallow"]
    assert [str(finding)[:33] for finding in read.findings] == ["error: approval-addresses.dat:1: "]


def test_a_subject_of_white_space_would_match_nearly_all_mail_and_is_an_error() -> None:
    read = subjects("\u3000\tallow")
    assert read.rules == ()
    assert [str(finding)[:50] for finding in read.findings] == ["error: approval-subjects.dat:1: has no subject but"]


def test_an_address_that_is_never_reached_is_named() -> None:
    [same, other] = addresses("*@out.test\nx@out.test\nY@out.test allow").findings
    assert str(same).startswith("note: approval-addresses.dat:2: is never reached: line 1 ")
    assert str(other).startswith("warning: approval-addresses.dat:3: is never reached: line 1 ")


@pytest.mark.parametrize(
    "line",
    [
        "x@out.test\trefuse",
        "x@out.test\tallow",
        "x@out.test\thold\tann@in.test",
        "x@out.test\thold\tann@in.test,bob@in.test\t2h\tapprove",
    ],
)
def test_a_rule_is_written_as_it_is_read(line: str) -> None:
    assert [str(rule) for rule in addresses(line).rules] == [line]
    assert [str(rule) for rule in subjects(line).rules] == [line]
