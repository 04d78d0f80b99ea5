# SPDX-License-Identifier: Apache-2.0
"""The facts about a message's origin: few, bounded, and enough to treat the message again as it was treated."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.config_authenticity import Dmarc
from genkan.dkim.arc import NO_CHAIN, ArcResult
from genkan.dkim.verification import DkimResult, Signatures
from genkan.dmarc.evaluation import DmarcOutcome, DmarcResult
from genkan.dmarc.record import DmarcRecord, Policy
from genkan.policy.dmarc import DmarcCheck
from genkan.policy.origin import Authenticity
from genkan.policy.origin_facts import origin_facts, recorded_field, recorded_origin, sealed_as_passed
from genkan.record.entry import MOST_TEXT

FIELD: Final = b"Authentication-Results: mx.test;\r\n dmarc=fail (why not) header.from=b.a.test;\r\n dkim=none\r\n"
FAIL: Final = DmarcResult(
    "fail", "why not", "b.a.test", "a.test", DmarcRecord(p="reject"), requested="reject", policy="reject"
)
SEALED: Final = ArcResult("pass", 2, ("d2.test", "d1.test"), 0, " mx.test; dmarc=pass header.from=b.a.test")


def origin(dmarc: DmarcResult | None = FAIL, arc: ArcResult = NO_CHAIN, *dkim: DkimResult) -> Authenticity:
    return Authenticity(Signatures(dkim, arc=arc), dmarc, FIELD)


def test_the_facts_of_plain_mail_are_two_and_the_field() -> None:
    assert origin_facts(origin()) == {
        "dmarc": "fail",
        "dmarc policy": "reject of a.test for b.a.test",
        "authentication results": "mx.test; dmarc=fail (why not) header.from=b.a.test; dkim=none",
    }


def test_signatures_and_chain_are_facts_where_there_are_any() -> None:
    facts = origin_facts(origin(FAIL, SEALED, DkimResult("pass", domain="a.test"), DkimResult("neutral")))
    assert (facts["dkim"], facts["arc"], facts["arc dmarc"]) == ("pass a.test, neutral ?", "pass d2.test d1.test", True)


def test_the_policy_that_counts_is_the_one_that_is_left_while_the_owner_is_testing() -> None:
    facts = origin_facts(origin(replace(FAIL, policy="quarantine")))
    assert facts["dmarc policy"] == "quarantine of a.test for b.a.test"


def test_of_dmarc_nothing_is_said_where_it_was_not_judged_or_has_no_record() -> None:
    assert [*origin_facts(origin(None))] == ["authentication results"]
    facts = origin_facts(origin(DmarcResult("none", "there is no record", "a.test")))
    assert (facts["dmarc"], "dmarc policy" in facts) == ("none", False)


def test_facts_that_others_chose_the_length_of_are_bounded() -> None:
    name = "x" * 250
    chain = ArcResult("pass", 50, (f"{name}.test",) * 50, 0, "")
    facts = origin_facts(origin(FAIL, chain, *[DkimResult("fail", domain=f"{name}.test")] * 100))
    assert (len(str(facts["dkim"])), len(str(facts["arc"]))) == (MOST_TEXT, MOST_TEXT)


@pytest.mark.parametrize(
    ("arc", "expected"),
    [
        (SEALED, True),
        (replace(SEALED, results=" mx.test; spf=pass; DMARC=Pass"), True),
        (replace(SEALED, results=" mx.test; dmarc=fail"), False),
        (replace(SEALED, results=' mx.test; dmarc=fail header.from="; dmarc=pass"'), False),
        (replace(SEALED, results=" mx.test; dmarc=pass header.from=a.test"), False),
        (replace(SEALED, results=" mx.test; dmarc=pass"), True),
        (replace(SEALED, outcome="fail"), False),
        (NO_CHAIN, False),
    ],
)
def test_a_sealer_vouches_for_mail_only_in_a_chain_that_holds(arc: ArcResult, expected: bool) -> None:
    assert sealed_as_passed(arc, "b.a.test") == expected


# Read again.

DOMAINS: Final = st.sampled_from(["a.test", "b.a.test", "xn--r8jz45g.test", f"{'x' * 63}.test"])
RESULTS: Final = st.builds(
    DmarcResult,
    outcome=st.sampled_from(get_args(DmarcOutcome)),
    reason=st.just("so"),
    author_domain=DOMAINS,
    policy_domain=DOMAINS,
    policy=st.sampled_from(get_args(Policy)),
)
CHAINS: Final = st.builds(
    ArcResult,
    outcome=st.sampled_from(["none", "pass", "fail"]),
    domains=st.lists(DOMAINS, min_size=1, max_size=50).map(tuple),
    results=st.sampled_from([" mx.test; dmarc=pass", " mx.test; dmarc=fail", ""]),
)
SETTINGS: Final = st.builds(
    Dmarc,
    mode=st.sampled_from(["off", "mark", "quarantine", "refuse"]),
    trusted_sealers=st.lists(DOMAINS, max_size=2),
)


@given(dmarc=RESULTS, arc=CHAINS, settings=SETTINGS)
def test_a_recorded_judgement_is_treated_as_the_real_one(dmarc: DmarcResult, arc: ArcResult, settings: Dmarc) -> None:
    check, recorded = DmarcCheck(settings), recorded_origin(origin_facts(origin(dmarc, arc)))
    assert recorded is not None
    assert recorded.dmarc is not None
    assert recorded.dmarc.outcome == dmarc.outcome
    assert recorded.dmarc.author_domain == dmarc.author_domain
    assert check.treatment(recorded.dmarc, recorded.signatures.arc) == check.treatment(dmarc, arc)


@pytest.mark.parametrize("sealed", [True, False])
def test_a_recorded_chain_vouches_for_no_more_than_it_did(sealed: bool) -> None:
    found = recorded_origin({"dmarc": "fail", "arc": "pass d2.test d1.test", "arc dmarc": sealed})
    assert found is not None
    chain = found.signatures.arc
    assert (chain.outcome, chain.domains) == ("pass", ("d2.test", "d1.test"))
    assert sealed_as_passed(chain, "b.a.test") == sealed


@pytest.mark.parametrize("facts", [{}, {"arc": "none"}, {"arc": "perhaps d1.test", "arc dmarc": True}, {"arc": True}])
def test_what_is_no_chain_in_the_record_is_none(facts: dict[str, str | bool]) -> None:
    found = recorded_origin({"dmarc": "fail", **facts})
    assert found is not None
    assert found.signatures.arc == NO_CHAIN


@pytest.mark.parametrize("facts", [{}, {"spf": "pass"}, {"dmarc": "perhaps"}, {"dmarc": True}])
def test_what_nobody_asked_is_not_known(facts: dict[str, str | bool]) -> None:
    assert recorded_origin(facts) is None


@pytest.mark.parametrize("policy", ["reject", "reject of a.test", "burn of a.test for a.test", 5])
def test_a_policy_that_cannot_be_read_asks_for_nothing(policy: str | int) -> None:
    found = recorded_origin({"dmarc": "fail", "dmarc policy": policy})
    assert found is not None
    assert found.dmarc is not None
    assert (found.dmarc.outcome, found.dmarc.policy) == ("fail", "none")


def test_the_field_is_given_back_on_one_line() -> None:
    assert recorded_field(origin_facts(origin())) == FIELD.replace(b"\r\n ", b" ")
    assert recorded_field({}) == b""
