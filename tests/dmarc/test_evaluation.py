# SPDX-License-Identifier: Apache-2.0
"""The judgement: alignment, outcome, and the policy that is meant for the message (RFC 9989, 5.3, B.1 and B.4)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dmarc.author import Author
from genkan.dmarc.discovery import MOST_NAMES, TreeWalks
from genkan.dmarc.evaluation import DmarcResult, evaluate
from tests.dmarc.zones import FAILED, Zone, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.dmarc.zones import Names


class Checked(NamedTuple):
    result: str
    domain: str


NO_SPF = Checked("none", "example.com")
RELAXED: dict[str, str | tuple[str, ...]] = {
    "_dmarc.example.com": "v=DMARC1; p=reject",
    "child.example.com": (),
    "signing.example.com": (),
}


def judged(names: Names, author: str, spf: Checked = NO_SPF, dkim: Sequence[Checked] = ()) -> DmarcResult:
    return run(evaluate(Author(author), spf, dkim, TreeWalks(Zone(names).lookup)))


# Alignment.


@pytest.mark.parametrize(
    ("passing", "author", "mode", "aligned"),
    [
        ("example.com", "example.com", "s", True),  # RFC 9989, B.1: the first example of each kind
        ("child.example.com", "example.com", "r", True),  # the second
        ("example.com", "child.example.com", "r", True),
        ("example.net", "child.example.com", "r", False),  # the third
        ("foo.example.com", "news.example.com", "r", True),  # RFC 9989, 4.4
        ("foo.example.net", "news.example.com", "r", False),
        ("news.example.com", "news.example.com", "r", True),
        ("child.example.com", "example.com", "s", False),
        ("EXAMPLE.com.", "example.com", "s", True),
        ("notexample.com", "example.com", "r", False),
        ("com", "example.com", "r", False),
        ("[192.0.2.1]", "example.com", "r", False),
        ("", "example.com", "s", False),
    ],
)
def test_who_passes_has_to_be_of_the_author(passing: str, author: str, mode: str, aligned: bool) -> None:
    zone = {"_dmarc.example.com": f"v=DMARC1; p=reject; adkim={mode}; aspf={mode}"}
    by_spf = judged(zone, author, Checked("pass", passing))
    by_dkim = judged(zone, author, dkim=[Checked("pass", passing)])
    outcome = "pass" if aligned else "fail"
    assert (by_spf.outcome, by_spf.spf_aligned, by_spf.dkim_aligned) == (outcome, aligned, False)
    assert (by_dkim.outcome, by_dkim.spf_aligned, by_dkim.dkim_aligned) == (outcome, False, aligned)


@pytest.mark.parametrize("result", ["fail", "softfail", "neutral", "none", "policy", "permerror", "PASS", ""])
def test_what_does_not_pass_is_not_aligned(result: str) -> None:
    one = Checked(result, "example.com")
    assert judged(RELAXED, "example.com", one, [one]).outcome == "fail"


def test_each_mechanism_has_its_own_mode() -> None:
    zone = {"_dmarc.example.com": "v=DMARC1; p=reject; adkim=s"}
    child = Checked("pass", "child.example.com")
    assert judged(zone, "example.com", child).outcome == "pass"
    assert judged(zone, "example.com", NO_SPF, [child]).outcome == "fail"


def test_one_signature_of_many_is_enough() -> None:
    signatures = [
        Checked("pass", "list.test"),
        Checked("fail", "example.com"),
        Checked("pass", "signing.example.com"),
        Checked("pass", "example.com"),
    ]
    result = judged(RELAXED, "example.com", dkim=signatures)
    assert (result.outcome, result.aligned) == ("pass", ("signing.example.com", "example.com"))
    assert result.reason == "signed by signing.example.com, which is aligned with example.com"


def test_a_public_suffix_sets_neighbours_apart() -> None:
    zone = {
        "_dmarc.giant.bank.example": "v=DMARC1; p=reject",
        "_dmarc.bank.example": "v=DMARC1; p=reject; psd=y",
    }  # B.4.3
    spf, dkim = Checked("pass", "mail.giant.bank.example"), Checked("pass", "mail.mega.bank.example")
    result = judged(zone, "giant.bank.example", spf, [dkim])
    assert (result.outcome, result.spf_aligned, result.dkim_aligned) == ("pass", True, False)
    assert result.policy_domain == "giant.bank.example"


def test_an_organization_within_the_organization_is_another() -> None:
    zone = {"_dmarc.example.com": "v=DMARC1; p=reject", "_dmarc.lab.example.com": "v=DMARC1; p=none; psd=n"}
    assert judged(zone, "example.com", Checked("pass", "lab.example.com")).outcome == "fail"
    assert judged(zone, "x.lab.example.com", Checked("pass", "lab.example.com")).outcome == "pass"


def test_strangers_cost_no_question() -> None:
    zone = Zone(RELAXED)
    signatures = [Checked("pass", f"s{number}.test") for number in range(20)]
    run(evaluate(Author("example.com"), Checked("pass", "bulk.test"), signatures, TreeWalks(zone.lookup)))
    assert zone.asked == ["_dmarc.example.com", "_dmarc.com"]


# The outcome where there is nothing to judge by.


def test_without_a_record_there_is_no_judgement() -> None:
    result = judged({}, "example.com", Checked("pass", "example.com"))
    assert (result.outcome, result.policy, result.record) == ("none", "none", None)


def test_without_an_author_nothing_is_asked() -> None:
    zone = Zone(RELAXED)
    author = Author("", "there are several From fields")
    result = run(evaluate(author, Checked("pass", "example.com"), [], TreeWalks(zone.lookup)))
    assert (result, zone.asked) == (DmarcResult("permerror", "there are several From fields"), [])


def claims(names: Names, *domains: str, passing: str = "") -> DmarcResult:
    author = Author("", "there are several From fields", domains)
    return run(evaluate(author, Checked("pass", passing), [], TreeWalks(Zone(names).lookup)))


def test_of_several_authors_the_strictest_that_fails_counts() -> None:
    zone: Names = {"_dmarc.a.test": "v=DMARC1; p=none", "_dmarc.b.test": "v=DMARC1; p=quarantine"}
    assert claims(zone, "a.test", "b.test").policy == "quarantine"
    strict = claims({**zone, **RELAXED}, "a.test", "b.test", "example.com")
    assert (strict.outcome, strict.policy, strict.author_domain) == ("permerror", "reject", "example.com")
    assert strict.reason == "there are several From fields; nothing that passes is aligned with example.com"


def test_several_authors_of_whom_none_fails_are_nobodys_matter() -> None:
    nothing = DmarcResult("permerror", "there are several From fields")
    assert claims({}, "a.test", "b.test") == nothing
    assert claims(RELAXED, "a.test", "example.com", passing="example.com") == nothing


def test_of_several_authors_one_that_cannot_be_judged_leaves_it_open() -> None:
    assert claims({"_dmarc.a.test": FAILED}, "b.test", "a.test").outcome == "temperror"
    assert claims({"_dmarc.a.test": FAILED, **RELAXED}, "a.test", "example.com").outcome == "permerror"


def test_a_message_whose_authors_are_not_clear_is_refused_unasked() -> None:
    zone = Zone({})
    author = Author("", "the From field has several domains", ("a.test",), is_unclear=True)
    result = run(evaluate(author, NO_SPF, [], TreeWalks(zone.lookup)))
    assert (result.outcome, result.policy, zone.asked) == ("permerror", "reject", [])


def test_what_has_signed_for_one_author_leaves_questions_for_the_next() -> None:
    signers = [Checked("pass", f"{number}.a.b.c.d.e.f.evil.test") for number in range(100)]
    zone: Names = {"_dmarc.evil.test": "v=DMARC1; p=none", **RELAXED}
    author = Author("", "there are several From fields", ("evil.test", "example.com"))
    result = run(evaluate(author, NO_SPF, signers, TreeWalks(Zone(zone).lookup)))
    assert (result.outcome, result.policy) == ("permerror", "reject")


def test_a_record_of_no_use_is_an_error_of_its_owner() -> None:
    result = judged({"_dmarc.example.com": "v=DMARC1; p=rejct"}, "example.com", Checked("pass", "example.com"))
    assert (result.outcome, result.policy) == ("permerror", "none")
    asking = judged({"_dmarc.example.com": "v=DMARC1; p=rejct; rua=mailto:a@example.com"}, "example.com")
    assert (asking.outcome, asking.policy) == ("fail", "none")


@pytest.mark.parametrize(
    ("zone", "author", "dkim", "outcome"),
    [
        ({"_dmarc.example.com": FAILED}, "example.com", ("pass", "example.com"), "temperror"),
        ({"_dmarc.com": FAILED}, "example.com", ("pass", "example.com"), "temperror"),
        (RELAXED | {"_dmarc.com": FAILED}, "example.com", ("pass", "example.com"), "pass"),
        (RELAXED | {"_dmarc.com": FAILED}, "example.com", ("pass", "child.example.com"), "temperror"),
        (RELAXED | {"_dmarc.com": FAILED}, "example.com", ("fail", "example.com"), "fail"),
        (RELAXED | {"_dmarc.a.example.com": FAILED}, "example.com", ("pass", "a.example.com"), "temperror"),
        (RELAXED | {"_dmarc.a.example.com": FAILED}, "example.com", ("fail", "a.example.com"), "fail"),
        (RELAXED, "example.com", ("temperror", "child.example.com"), "temperror"),
        (RELAXED, "example.com", ("temperror", "other.test"), "fail"),
        (RELAXED | {"_dmarc.evilexample.com": FAILED}, "example.com", ("pass", "evilexample.com"), "fail"),
    ],
)
def test_what_the_dns_does_not_say_is_no_failure_of_the_message(
    zone: Names, author: str, dkim: tuple[str, str], outcome: str
) -> None:
    assert judged(zone, author, dkim=[Checked(*dkim)]).outcome == outcome


def test_one_that_passes_makes_up_for_one_that_is_unknown() -> None:
    zone = RELAXED | {"_dmarc.a.example.com": FAILED}
    signatures = [Checked("pass", "a.example.com"), Checked("pass", "example.com")]
    assert judged(zone, "example.com", Checked("temperror", "example.com"), signatures).outcome == "pass"


# The policy.


@pytest.mark.parametrize(
    ("tags", "author", "policy"),
    [
        ("p=reject; sp=quarantine; np=none", "example.com", "reject"),
        ("p=reject; sp=quarantine; np=none", "child.example.com", "quarantine"),
        ("p=reject; sp=quarantine; np=none", "nobody.example.com", "none"),
        ("p=none; np=reject", "child.example.com", "none"),
        ("p=none; np=reject", "nobody.example.com", "reject"),
        ("p=quarantine; sp=none", "nobody.example.com", "none"),
        ("p=reject", "nobody.example.com", "reject"),
        ("p=reject; t=y", "example.com", "quarantine"),
        ("p=quarantine; t=y", "example.com", "none"),
        ("p=none; sp=reject; t=y", "child.example.com", "quarantine"),
    ],
)
def test_the_policy_is_that_for_the_place_of_the_author(tags: str, author: str, policy: str) -> None:
    result = judged(RELAXED | {"_dmarc.example.com": f"v=DMARC1; {tags}"}, author)
    assert (result.outcome, result.policy, result.policy_domain) == ("fail", policy, "example.com")


def test_what_the_owner_asked_for_is_known_while_it_is_testing() -> None:
    result = judged({"_dmarc.example.com": "v=DMARC1; p=reject; t=y"}, "example.com")
    assert (result.requested, result.policy) == ("reject", "quarantine")


def test_a_policy_of_its_own_comes_before_that_of_the_organization() -> None:
    zone = RELAXED | {"_dmarc.child.example.com": "v=DMARC1; p=none; sp=reject"}
    result = judged(zone, "child.example.com", dkim=[Checked("pass", "example.com")])
    assert (result.outcome, result.policy, result.policy_domain) == ("pass", "none", "child.example.com")


def test_the_public_suffix_has_the_last_word_on_domains_that_do_not_exist() -> None:
    zone: Names = {"_dmarc.bank.example": "v=DMARC1; p=none; np=reject; psd=y", "real.bank.example": ()}
    assert judged(zone, "real.bank.example").policy == "none"
    assert judged(zone, "fake.bank.example").policy == "reject"


def test_it_is_asked_whether_the_author_exists_only_where_it_makes_a_difference() -> None:
    for tags, asked in (
        ("p=reject", 0),
        ("p=reject; np=reject", 0),
        ("p=reject; np=none", 1),
        ("p=none; sp=reject; np=reject", 0),
    ):
        zone = Zone({"_dmarc.example.com": f"v=DMARC1; {tags}"})
        run(evaluate(Author("child.example.com"), NO_SPF, [], TreeWalks(zone.lookup)))
        assert zone.asked.count("child.example.com") == asked


def test_an_author_that_may_or_may_not_exist_is_not_failed() -> None:
    zone = {"_dmarc.example.com": "v=DMARC1; p=none; np=reject", "child.example.com": FAILED}
    assert judged(zone, "child.example.com").outcome == "temperror"
    assert judged(zone, "child.example.com", Checked("pass", "example.com")).outcome == "pass"


# Bounds.


def test_one_message_cannot_have_us_ask_without_end() -> None:
    zone = Zone({"_dmarc.example.com": "v=DMARC1; p=reject"})
    deep = [Checked("pass", f"{'a.' * 60}x{number}.example.com") for number in range(1000)]
    before = time.process_time()
    run(evaluate(Author("example.com"), NO_SPF, deep, TreeWalks(zone.lookup)))
    assert time.process_time() - before < 0.1
    assert len(zone.asked) <= MOST_NAMES


DOMAINS = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4).map(".".join)
RECORDS = st.sampled_from(["v=DMARC1; p=reject", "v=DMARC1; psd=n", "v=DMARC1; psd=y", FAILED])


@given(st.dictionaries(DOMAINS.map("_dmarc.{}".format), RECORDS), DOMAINS, DOMAINS)
def test_alignment_is_that_both_have_the_same_organization(zone: dict[str, str], author: str, signer: str) -> None:
    result = judged(zone, author, dkim=[Checked("pass", signer)])
    walks = TreeWalks(Zone(zone).lookup)
    of_author, of_signer = run(walks.discover(author)), run(walks.discover(signer))
    if result.record is not None and not of_author.failed and not of_signer.failed:
        same = of_author.organizational_domain == of_signer.organizational_domain
        assert result.dkim_aligned == same
