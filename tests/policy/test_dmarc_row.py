# SPDX-License-Identifier: Apache-2.0
"""Which messages are counted for reports, and as which row."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from genkan.dkim.checking import Outcome
from genkan.dkim.verification import DkimResult, Signatures
from genkan.dmarc.aggregate import Override, Row, Signature, SpfAuthResult
from genkan.policy.dmarc_row import row_to_count
from genkan.policy.facts import SpfFinding
from genkan.policy.origin import Treatment
from genkan.smtp.address import Mailbox
from tests.policy.judgements import RECORD, judged, transaction

if TYPE_CHECKING:
    from genkan.dmarc.evaluation import DmarcOutcome


def test_a_message_that_was_refused_is_counted_with_all_that_is_known_of_it() -> None:
    assert row_to_count(transaction(), judged()) == Row(
        source="192.0.2.1",
        disposition="reject",
        dkim_aligned=False,
        spf_aligned=False,
        header_from="example.com",
        envelope_from="bounce.example.net",
        spf=SpfAuthResult("bounce.example.net", "pass"),
    )


def test_a_message_that_passed_is_counted_with_its_signature() -> None:
    row = row_to_count(transaction(), judged("pass", treatment=Treatment("none")))
    assert row is not None
    assert (row.disposition, row.dkim_aligned, row.signatures) == (
        "pass",
        True,
        (Signature("example.com", "s", "pass"),),
    )


def test_only_signatures_whose_key_was_found_are_counted() -> None:
    """Of others nobody has vouched for the names: whatever stands there would make a row of its own."""
    outcomes: tuple[Outcome, ...] = get_args(Outcome)
    dkim = tuple(DkimResult(outcome, domain="out.test", selector=outcome) for outcome in outcomes)
    row = row_to_count(transaction(), judged()._replace(signatures=Signatures(dkim)))
    assert row is not None
    assert {one.result for one in row.signatures} == {"pass", "fail", "policy"}


def test_names_are_no_longer_than_the_dns_has_them() -> None:
    facts = transaction(path=Mailbox("x", "d" * 300))
    facts.spf = SpfFinding("pass", "smtp.mailfrom", "d" * 300)
    row = row_to_count(facts, judged())
    assert row is not None
    assert (row.envelope_from, row.spf) == ("d" * 253, SpfAuthResult("d" * 253, "pass"))


def test_a_forwarder_that_was_believed_is_the_reason() -> None:
    row = row_to_count(transaction(), judged(treatment=Treatment("none", "lists.example.org")))
    assert row is not None
    assert row.disposition == "none"
    assert row.overrides == (Override("trusted_forwarder", "sealed by lists.example.org"),)


def test_settings_that_do_less_than_the_domain_wants_are_the_reason() -> None:
    row = row_to_count(transaction(), judged(treatment=Treatment("quarantine")))
    assert row is not None
    assert (row.disposition, row.overrides) == ("quarantine", (Override("local_policy"),))


def test_the_null_reverse_path_has_no_domain_and_spf_may_not_have_been_asked() -> None:
    facts = transaction(path=None)
    facts.spf = None
    row = row_to_count(facts, judged())
    assert row is not None
    assert (row.envelope_from, row.spf) == ("", None)


@pytest.mark.parametrize("outcome", ["none", "permerror", "temperror"])
def test_what_is_neither_passed_nor_failed_is_not_counted(outcome: DmarcOutcome) -> None:
    assert row_to_count(transaction(), judged(outcome, RECORD)) is None


def test_without_a_record_there_is_nobody_to_tell() -> None:
    assert row_to_count(transaction(), judged("fail", None)) is None
