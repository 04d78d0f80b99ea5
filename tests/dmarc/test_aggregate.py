# SPDX-License-Identifier: Apache-2.0
"""Rows: which message becomes which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.dmarc.aggregate import (
    MOST_SIGNATURES,
    Override,
    PublishedPolicy,
    Row,
    Seen,
    Signature,
    SpfAuthResult,
    published_policy,
    row_of,
)
from genkan.dmarc.evaluation import DmarcResult
from genkan.dmarc.record import DmarcRecord

if TYPE_CHECKING:
    from genkan.dmarc.evaluation import DmarcOutcome
    from genkan.dmarc.record import Policy

SEEN = Seen("192.0.2.1", "example.net", (), SpfAuthResult("example.net", "pass"))


def result(outcome: DmarcOutcome, requested: Policy, policy: Policy, aligned: tuple[str, ...] = ()) -> DmarcResult:
    record = DmarcRecord(requested)
    return DmarcResult(outcome, "", "example.com", "example.com", record, requested, policy, aligned=aligned)


def test_a_row_has_what_reports_are_about() -> None:
    passed = result("pass", "reject", "reject", ("example.com",))
    signature = Signature("example.com", "s", "pass")
    assert row_of(passed, SEEN._replace(signatures=[signature]), "none") == Row(
        source="192.0.2.1",
        disposition="pass",
        dkim_aligned=True,
        spf_aligned=False,
        header_from="example.com",
        envelope_from="example.net",
        signatures=(signature,),
        spf=SpfAuthResult("example.net", "pass"),
    )


TESTING = Override("policy_test_mode")
KNOWN = Override("trusted_forwarder", "known")


@pytest.mark.parametrize(
    ("judged", "done", "override", "disposition", "overrides"),
    [
        (result("pass", "reject", "reject"), "none", None, "pass", ()),
        (result("pass", "reject", "quarantine"), "none", None, "pass", ()),
        (result("pass", "none", "none"), "none", None, "none", ()),
        (result("fail", "none", "none"), "none", None, "none", ()),
        (result("fail", "reject", "reject"), "reject", None, "reject", ()),
        (result("fail", "reject", "reject"), "reject", KNOWN, "reject", ()),
        (result("fail", "reject", "reject"), "none", None, "none", (Override("local_policy"),)),
        (result("fail", "reject", "reject"), "quarantine", KNOWN, "quarantine", (KNOWN,)),
        (result("fail", "reject", "quarantine"), "quarantine", None, "quarantine", (TESTING,)),
        (result("fail", "quarantine", "none"), "none", None, "none", (TESTING,)),
        (result("fail", "reject", "quarantine"), "none", KNOWN, "none", (TESTING, KNOWN)),
    ],
)
def test_whatever_is_not_as_asked_for_has_a_reason(
    judged: DmarcResult, done: Policy, override: Override | None, disposition: str, overrides: tuple[Override, ...]
) -> None:
    row = row_of(judged, SEEN, done, override)
    assert (row.disposition, row.overrides) == (disposition, overrides)


def test_signatures_that_tell_most_come_first() -> None:
    signatures = [
        Signature("example.com", "1", "fail"),
        Signature("list.test", "2", "pass"),
        Signature("a.example.com", "3", "pass"),
        Signature("example.com", "4", "pass"),
    ]
    judged = result("pass", "none", "none", ("a.example.com", "example.com"))
    row = row_of(judged, SEEN._replace(signatures=signatures), "none")
    assert [signature.selector for signature in row.signatures] == ["4", "3", "2", "1"]
    many = row_of(judged, SEEN._replace(signatures=signatures * MOST_SIGNATURES), "none")
    assert many.signatures == (signatures[3],) * MOST_SIGNATURES


def test_the_policy_that_is_told_has_its_defaults() -> None:
    assert published_policy("example.com", DmarcRecord("reject", testing=True)) == PublishedPolicy(
        "example.com", "reject", adkim="r", aspf="r", fo="0", testing=True, discovery="treewalk"
    )
