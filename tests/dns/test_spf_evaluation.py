# SPDX-License-Identifier: Apache-2.0
"""Evaluations without a server: what decides, why, and the limits of RFC 7208, 4.6.4, which no zone gets round."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING, Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dns.answer import MailExchange
from genkan.dns.spf_evaluation import (
    LONGEST_EXPLANATION,
    MOST_ADDRESSES,
    MOST_OCTETS,
    Judgement,
    SpfOutcome,
    explain,
    judge,
)
from genkan.dns.spf_macros import Asked
from genkan.dns.spf_record import MOST_MACROS
from tests.dns.zones import BROKEN, Zone, answered

if TYPE_CHECKING:
    from genkan.dns.cache import Question

V4: Final = "192.0.2.10"
V6: Final = "2001:db8::10"
ZONE: Final[Zone] = {
    ("mail.out.test", "A"): ("198.51.100.1", V4),
    ("mail.out.test", "AAAA"): (V6,),
    ("out.test", "MX"): (MailExchange(10, "mail.out.test"),),
    ("ours.test", "TXT"): ("v=spf1 ip4:192.0.2.10 -all",),
    ("nobody.test", "TXT"): ("v=spf1 -all exp=why.nobody.test",),
    ("why.nobody.test", "TXT"): ("%{d} says no",),
    ("typo.test", "TXT"): ("v=spf1 nonsense",),
    ("text.test", "TXT"): ("hello",),
}
TERMS: Final = (
    *("a", "mx", "ptr", "-all", "?all", "a:mail.out.test", "mx:out.test", "include:ours.test", "include:nobody.test"),
    *(
        "include:out.test",
        "exists:mail.out.test",
        "exists:%{i}.%{p}.test",
        "include:typo.test",
        "redirect=ours.test",
        "x",
    ),
    *(
        f"a:{BROKEN}",
        "a:void.test",
        "include:text.test",
        "redirect=out.test",
        "exp=why.nobody.test",
        "ip6:2001:db8::/32",
    ),
)


def about(client: str) -> Asked:
    return Asked(ip_address(client), "x", "out.test", "client.test", lambda: datetime(2026, 11, 23, tzinfo=UTC))


def judged(record: str, client: str = V4, zone: Zone = ZONE) -> tuple[Judgement, list[Question]]:
    return answered(judge(about(client), "out.test"), {**zone, ("out.test", "TXT"): (record,)})


@pytest.mark.parametrize(
    ("record", "outcome", "reason"),
    [
        ("v=spf1 a mx -all", "pass", "out.test: mx"),
        ("v=spf1 include:ours.test -all", "pass", "out.test: include:ours.test"),
        ("v=spf1 include:nobody.test ~all", "softfail", "out.test: ~all"),
        ("v=spf1 redirect=nobody.test", "fail", "nobody.test: -all"),
        ("v=spf1 ip4:198.51.100.0/24", "neutral", "out.test: no term matches"),
        ("v=spf1 x", "permerror", "the record of out.test: 'x' is no mechanism"),
        ("v=spf1 include:typo.test", "permerror", "the record of typo.test: 'nonsense' is no mechanism"),
        ("v=spf1 include:text.test", "permerror", "out.test: include:text.test has no SPF record"),
        ("v=spf1 redirect=text.test", "permerror", "out.test: redirect=text.test has no SPF record"),
        (f"v=spf1 a:{BROKEN}", "temperror", f"{BROKEN}: SERVFAIL"),
        (f"v=spf1 include:{BROKEN}", "temperror", f"the record of {BROKEN}: SERVFAIL"),
        ("v=spf1 a:1.test a:2.test a:3.test", "permerror", "out.test: more than 2 terms ask for what is not there"),
        ("v=spf1 include:out.test", "permerror", "out.test: more than 10 terms ask the DNS, at include:out.test"),
    ],
)
def test_what_decided_is_told(record: str, outcome: SpfOutcome, reason: str) -> None:
    judgement, _ = judged(record)
    assert (judgement.outcome, judgement.reason) == (outcome, reason)


def test_hosts_of_an_exchange_without_the_clients_kind_of_address_are_not_void() -> None:
    hosts = tuple(MailExchange(10, f"mx{number}.out.test") for number in range(5))
    zone: Zone = {("out.test", "MX"): hosts, **{(host.name, "A"): (V4,) for host in hosts}}
    assert judged("v=spf1 mx -all", V6, zone)[0].outcome == "fail"


def test_ten_exchanges_are_looked_at_and_eleven_are_too_many() -> None:
    def outcome(count: int) -> tuple[SpfOutcome, int]:
        hosts = tuple(MailExchange(10, f"mx{number}.out.test") for number in range(count))
        judgement, asked = judged("v=spf1 mx -all", zone={("out.test", "MX"): hosts})
        return judgement.outcome, len(asked)

    assert outcome(10) == ("fail", 12)
    assert outcome(11) == ("permerror", 2)


def test_the_reverse_tree_may_fail_without_an_error() -> None:
    zone: Zone = {("10.2.0.192.in-addr.arpa", "PTR"): (f"a.{BROKEN}", "mail.out.test"), ("mail.out.test", "A"): (V4,)}
    assert judged(f"v=spf1 ptr:{BROKEN} ptr -all", zone=zone)[0].reason == "out.test: ptr"


def test_several_records_are_none_that_counts() -> None:
    zone: Zone = {("out.test", "TXT"): ("v=spf1 +all", "v=spf1 -all")}
    judgement, _ = answered(judge(about(V4), "out.test"), zone)
    assert judgement == Judgement("permerror", "out.test has 2 SPF records")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("%{d} says no, %{c}", "nobody.test says no, 192.0.2.10"),
        ("%{x}", ""),
        ("caf\u00e9", ""),
        ("%{l}" * 1000, "x" * LONGEST_EXPLANATION),
        ("%{l}" * 1025, ""),
    ],
)
def test_a_fail_may_be_explained_in_a_few_printable_words(text: str, words: str) -> None:
    zone: Zone = {**ZONE, ("why.nobody.test", "TXT"): (text,)}
    judgement, _ = judged("v=spf1 redirect=nobody.test", zone=zone)
    assert answered(explain(about(V4), judgement), zone)[0] == words


def test_without_one_record_for_it_there_is_no_explanation() -> None:
    judgement, _ = judged("v=spf1 -all exp=why.test")
    for zone in ({}, {("why.test", "TXT"): ("one", "two")}):
        assert answered(explain(about(V4), judgement), zone)[0] == ""
    assert answered(explain(about(V4), judged("v=spf1 -all")[0]), ZONE) == ("", [])


def test_what_a_client_says_of_itself_is_made_printable_in_an_explanation() -> None:
    asked = Asked(ip_address(V4), "x\x1b[2J\u65e5", "out.test", "client.test", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    zone: Zone = {("out.test", "TXT"): ("v=spf1 -all exp=why.test",), ("why.test", "TXT"): ("not %{l}",)}
    judgement, _ = answered(judge(asked, "out.test"), zone)
    assert answered(explain(asked, judgement), zone)[0] == "not x?[2J?"


@given(st.lists(st.sampled_from(TERMS), max_size=25), st.sampled_from([V4, V6]))
def test_every_record_comes_to_an_end_with_an_outcome_and_few_questions(terms: list[str], client: str) -> None:
    judgement, asked = judged(" ".join(["v=spf1", *terms]), client)
    assert judgement.outcome in get_args(SpfOutcome)
    assert 0 < len(judgement.reason) < 300
    assert len(asked) <= 1 + 10 * 11


def test_addresses_are_compared_up_to_a_bound() -> None:
    hosts = tuple(MailExchange(10, f"mx{number}.out.test") for number in range(10))
    addresses = tuple(f"198.51.100.{number}" for number in range(MOST_ADDRESSES // 20))
    zone: Zone = {("out.test", "MX"): hosts, **{(host.name, "A"): addresses for host in hosts}}
    assert judged("v=spf1 mx mx/24 -all", zone=zone)[0].outcome == "fail"
    judgement, asked = judged("v=spf1 mx mx/24 mx -all", zone=zone)
    assert (judgement.outcome, judgement.reason) == ("permerror", "mx: more than 1000 addresses to compare")
    assert len(asked) == 1 + 2 * 11 + 2


def test_records_of_one_evaluation_have_a_longest_together() -> None:
    filler = "x=y " * 1000
    zone: Zone = {(f"{n}.test", "TXT"): (f"v=spf1 {filler}redirect={n + 1}.test",) for n in range(6)}
    judgement, asked = judged("v=spf1 redirect=0.test", zone=zone)
    assert judgement == Judgement("permerror", f"4.test: records of more than {MOST_OCTETS} octets")
    assert len(asked) == 6


NAMES: Final = tuple(f"p{number}.test" for number in range(10))
NAMED: Final[Zone] = {
    ("10.2.0.192.in-addr.arpa", "PTR"): NAMES,
    **{(name, "A"): tuple(f"10.{number // 250}.{number % 250}.1" for number in range(500)) for name in NAMES},
}


@pytest.mark.parametrize(
    ("macro", "most_asked"),
    [("%{p1}", 11 + 11), ("%{L}", 11), ("%{S1r.-+,/_=}", 11), ("%{H9.-+,/_=}", 11)],
    ids=["name", "local-part", "sender", "hello"],
)
def test_no_macro_keeps_everybody_waiting(macro: str, most_asked: int) -> None:
    """Ten records, each with as many macros as it may have, and each a redirect to the next."""
    client = Asked(ip_address(V4), "!" * 64, "out.test", "-".join("h" * 120), lambda: datetime(2026, 1, 1, tzinfo=UTC))
    zone = dict(NAMED)
    names = ["out.test", *("a." * 123 + f"{number}.test" for number in range(10)), "nowhere.test"]
    for name, target in pairwise(names):  # the target is as long as may be, so what is before it is cut off
        zone[name, "TXT"] = (f"v=spf1 redirect={macro * MOST_MACROS}.a.{target}",)
    begun = time.process_time()
    judgement, asked = answered(judge(client, "out.test"), zone)
    assert time.process_time() - begun < 0.1
    assert (judgement.outcome, len(asked)) == ("permerror", most_asked)


@pytest.mark.parametrize("length", [700, 1400, 4000])
def test_no_zone_keeps_everybody_waiting(length: int) -> None:
    """Ten records, each a redirect to the next, and together as long as may be."""
    zone: Zone = {}
    for number in range(12):
        filler = f"ip4:192.0.2.{number} " * (length // 14)
        zone[f"{number}.test", "TXT"] = (*("x",) * 400, f"v=spf1 {filler}redirect={number + 1}.test")
    begun = time.process_time()
    judgement, _ = judged("v=spf1 redirect=0.test", zone=zone)
    assert time.process_time() - begun < 0.15
    assert judgement.outcome == "permerror"
