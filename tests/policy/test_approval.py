# SPDX-License-Identifier: Apache-2.0
"""Refused addresses and subjects, and what waits for a person."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from genkan.policy.verdict import Verdict
from tests.support.policy_site import ACCEPTED

if TYPE_CHECKING:
    from genkan.policy.facts import ContentFacts
    from tests.support.policy_site import Site

ADDRESSES, SUBJECTS = "approval-addresses.dat", "approval-subjects.dat"
ANN, X = "ann@in.test", "x@out.test"
INVOICE = b"Subject: Invoice 12\r\n\r\nOne line.\r\n"


def judged(site: Site, content: bytes = INVOICE, sender: str = X) -> tuple[str, ContentFacts]:
    """A message for ann from outside."""
    client = site.client()
    assert client.send(sender, ANN) == ACCEPTED
    return client.judge_content(content)


@pytest.mark.parametrize(
    ("line", "sender", "told"),
    [
        ("x@out.test", X, "SENDER_BLACKLISTED"),
        ("X@OUT.TEST refuse", X, "SENDER_BLACKLISTED"),
        ("*@out.test refuse", X, "SENDER_BLACKLISTED"),
        ("*@out.test refuse", "x@sub.out.test", ACCEPTED),
        ("*@* refuse", X, "SENDER_BLACKLISTED"),
        ("*@* refuse", "", ACCEPTED),
        ("* refuse", "", "SENDER_BLACKLISTED"),
        ("x@out.test allow", X, ACCEPTED),
        ("x@out.test hold ann@in.test", X, ACCEPTED),
    ],
)
def test_a_refused_address_is_told_at_rcpt(site: Site, line: str, sender: str, told: str) -> None:
    site.rules(ADDRESSES, line)
    client = site.client()
    assert client.mail(sender) == ACCEPTED
    assert client.rcpt(ANN) == told


def test_the_first_line_decides(site: Site) -> None:
    site.rules(ADDRESSES, "x@out.test allow", "*@out.test refuse")
    assert site.client().send(X, ANN) == ACCEPTED
    assert site.client().send("y@out.test", ANN) == "SENDER_BLACKLISTED"


def test_a_refused_address_learns_nothing_of_who_is_here(site: Site) -> None:
    site.rules(ADDRESSES, "*@out.test refuse")
    client = site.client()
    client.mail(X)
    recipients = (ANN, "nobody@in.test", "y@out.test")
    assert [client.rcpt(recipient) for recipient in recipients] == ["SENDER_BLACKLISTED"] * 3


def test_the_refusal_names_the_sender_and_the_line(site: Site) -> None:
    site.rules(ADDRESSES, "*@ok.test allow", "*@out.test refuse")
    client = site.client()
    client.mail(X)
    _, rcpt = client.judge_rcpt(ANN)
    verdict = client.chain.rcpt.decide(rcpt)
    assert isinstance(verdict, Verdict)
    assert verdict.fields == {"reverse_path": X}
    assert verdict.rule is not None
    assert (verdict.rule.document, verdict.rule.line) == (ADDRESSES, 2)


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        (b"Subject: lottery", "SUBJECT_BLACKLISTED"),
        (b"SUBJECT:You won the LOTTERY!", "SUBJECT_BLACKLISTED"),
        (b"Subject: =?utf-8?Q?lot?= =?utf-8?Q?tery?=", "SUBJECT_BLACKLISTED"),
        (b"Subject: \xef\xbc\xacottery", "SUBJECT_BLACKLISTED"),
        (b"Subject: lot tery", ACCEPTED),
        (b"X-Subject: lottery", ACCEPTED),
        (b"To: ann@in.test", ACCEPTED),
    ],
)
def test_a_refused_subject_is_found_whatever_its_case_width_and_encoding(site: Site, subject: bytes, told: str) -> None:
    site.rules(SUBJECTS, "lottery\trefuse")
    assert judged(site, subject + b"\r\n\r\nbody\r\n")[0] == told


def test_held_mail_carries_its_approvers_deadline_and_verdict(site: Site) -> None:
    site.rules(ADDRESSES, "*@out.test hold ann@in.test,bob@in.test 2d approve")
    told, content = judged(site)
    hold = content.handlings.hold
    assert told == ACCEPTED
    assert hold is not None
    assert (hold.kind, hold.approvers, hold.deadline, hold.verdict) == (
        "approval",
        (ANN, "bob@in.test"),
        timedelta(days=2),
        "approve",
    )
    assert (hold.rule.document, hold.rule.line) == (ADDRESSES, 1)


def test_without_more_words_the_settings_say_how_long_and_what_then(site: Site) -> None:
    site.rules(SUBJECTS, "invoice\thold\tann@in.test")
    _, content = judged(site)
    hold = content.handlings.hold
    assert hold is not None
    assert (hold.deadline, hold.verdict) == (None, None)
    assert [rule.line for rule in content.rules] == [1]


def test_an_allowed_address_spares_its_subject(site: Site) -> None:
    site.rules(ADDRESSES, "x@out.test allow")
    site.rules(SUBJECTS, "invoice\trefuse")
    assert judged(site)[0] == ACCEPTED
    assert judged(site, sender="y@out.test")[0] == "SUBJECT_BLACKLISTED"


def test_a_refused_subject_is_refused_though_its_address_waits(site: Site) -> None:
    site.rules(ADDRESSES, "*@out.test hold ann@in.test")
    site.rules(SUBJECTS, "invoice\trefuse")
    assert judged(site)[0] == "SUBJECT_BLACKLISTED"


def test_of_two_holds_the_addresss_counts(site: Site) -> None:
    site.rules(ADDRESSES, "*@out.test hold ann@in.test")
    site.rules(SUBJECTS, "invoice\thold\tbob@in.test")
    _, content = judged(site)
    assert content.handlings.hold is not None
    assert content.handlings.hold.approvers == (ANN,)


def test_an_allowed_subject_of_a_held_address_waits_all_the_same(site: Site) -> None:
    site.rules(ADDRESSES, "*@out.test hold ann@in.test")
    site.rules(SUBJECTS, "invoice\tallow")
    _, content = judged(site)
    assert content.handlings.hold is not None


def test_no_document_no_hold(site: Site) -> None:
    told, content = judged(site)
    assert (told, content.handlings.hold, content.rules) == (ACCEPTED, None, [])
