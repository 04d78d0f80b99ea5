# SPDX-License-Identifier: Apache-2.0
"""MTA-STS: reading records and policies, which hosts they name, and how long what was once had is believed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.delivery import sts
from genkan.delivery.sts import (
    LONGEST_AGE,
    MOST_PATTERNS,
    NEXT_TRY_AFTER,
    PolicyError,
    StsPolicies,
    StsPolicy,
    matches_mx,
    parse_policy,
    record_id,
)
from genkan.dns.resolver import Resolver
from tests.delivery.policies import KeptPolicies
from tests.dns.asking import PATIENT, run
from tests.support.dns_server import DnsServer, Manner, dns_server
from tests.support.server import START, StoppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT: Final = (
    b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.test\r\nmx: *.mx.example.test\r\nmax_age: 604800\r\n"
)
WEEK: Final = timedelta(weeks=1)
POLICY: Final = StsPolicy("a1", "enforce", ("mail.example.test", "*.mx.example.test"), WEEK, START)


def parsed(octets: bytes) -> StsPolicy:
    return parse_policy(octets, "a1", START)


# The record.


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["v=STSv1; id=20240101T000000;"], "20240101T000000"),
        (["v=STSv1;id=a1"], "a1"),
        (["v=STSv1 ;\tid=a1 ; other=x;"], "a1"),
        (["v=spf1 -all", "v=STSv1; id=a1;"], "a1"),
        (["v=STSv1; id=a1;", "v=STSv1; id=a1;"], None),
        (["v=STSv1;"], None),
        (["v=STSv1; id=;"], None),
        (["v=STSv1; id=a-1;"], None),
        (["v=STSv1; id=" + "a" * 33], None),
        (["v=STSv2; id=a1;"], None),
        (["v=STSv12; id=a1;"], None),
        (["id=a1; v=STSv1;"], None),
        ([], None),
    ],
)
def test_one_record_has_an_id(texts: list[str], expected: str | None) -> None:
    assert record_id(texts) == expected


@given(st.lists(st.text("v=STSv1; id\tax0", max_size=30)))
def test_any_records_have_an_id_or_none(texts: list[str]) -> None:
    assert isinstance(record_id(texts), str | None)


# The policy.


def test_a_policy_is_read() -> None:
    assert parsed(TEXT) == POLICY
    assert POLICY.expires == START + WEEK


@pytest.mark.parametrize(
    "octets",
    [
        TEXT.replace(b"\r\n", b"\n"),
        TEXT.strip(),
        TEXT.replace(b": ", b":\t "),
        TEXT.replace(b"\r\n", b" \r\n"),
        TEXT.replace(b"mail.example", b"Mail.EXAMPLE"),
        TEXT + b"\r\nnew_field: \xe6\x97\xa5 x\r\nmode: none\r\nmax_age: 0",
        b"max_age: 604800\nmode: enforce\nmx: mail.example.test\nmx: *.mx.example.test\nversion: STSv1",
    ],
)
def test_writings_of_the_same_policy(octets: bytes) -> None:
    assert parsed(octets) == POLICY


def test_a_policy_of_mode_none_needs_no_mx() -> None:
    assert parsed(b"version: STSv1\nmode: none\nmax_age: 60\n") == StsPolicy(
        "a1", "none", (), timedelta(minutes=1), START
    )


def test_the_longest_age_is_a_year() -> None:
    assert parsed(TEXT.replace(b"604800", b"9999999999")).max_age == LONGEST_AGE


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "the policy is not of version STSv1"),
        (TEXT.replace(b"STSv1", b"STSv2"), "the policy is not of version STSv1"),
        (TEXT.replace(b"enforce", b"Enforce"), "the policy has no mode that is known"),
        (TEXT.replace(b"mode", b"mood"), "the policy has no mode that is known"),
        (TEXT.replace(b"604800", b"-1"), "the policy has no max_age in seconds"),
        (TEXT.replace(b"604800", b"\xd9\xa1"), "the policy has no max_age in seconds"),
        (TEXT.replace(b"604800", b"10000000000"), "the policy has no max_age in seconds"),
        (TEXT.replace(b"mx:", b"my:"), "the policy names no mx"),
        (TEXT.replace(b"*.mx", b"*.*.mx"), "the policy has an mx that is no name of a host"),
        (TEXT.replace(b"*.mx", b"m*.mx"), "the policy has an mx that is no name of a host"),
        (TEXT.replace(b"mail.example.test", b""), "the policy has an mx that is no name of a host"),
        (TEXT + b"mx: x.test\n" * MOST_PATTERNS, "the policy has more than 200 mx"),
        (TEXT + b"<html>", "the policy has a line that is no field"),
        (TEXT + b"a: \0", "the policy has a line that is no field"),
        (TEXT + b"a: b\rmode: none", "the policy has a line that is no field"),
        (TEXT + b"a: \xff", "the policy is not in UTF-8"),
    ],
)
def test_what_is_no_policy_is_an_error_that_says_why(octets: bytes, reason: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parsed(octets)
    assert str(caught.value) == reason


PIECES: Final = st.sampled_from(
    [*TEXT.splitlines(keepends=True), b":", b"mx: ", b"*.", b"\xff", b"xn--\xc3\xa9", b"\0"]
)


@given(st.binary(max_size=200) | st.lists(PIECES | st.binary(max_size=9), max_size=12).map(b"".join))
def test_any_octets_are_a_policy_or_a_policy_error(octets: bytes) -> None:
    with suppress(PolicyError):
        assert parsed(octets).max_age <= LONGEST_AGE


# Hosts.


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("mail.example.test", True),
        ("MAIL.example.test.", True),
        ("a.mx.example.test", True),
        ("b.a.mx.example.test", False),
        ("mx.example.test", False),
        ("amx.example.test", False),
        ("example.test", False),
        ("mail.example.test.evil.test", False),
        ("test", False),
        ("", False),
        ("*.mx.example.test", True),
    ],
)
def test_a_star_stands_for_one_label(host: str, expected: bool) -> None:
    assert matches_mx(POLICY, host) is expected


# What is believed, and how long.


class Web:
    """The web server of all domains: what it has, and how often it was asked."""

    def __init__(self) -> None:
        self.text: bytes | PolicyError = TEXT
        self.asked: list[str] = []
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self, domain: str) -> bytes:
        self.asked.append(domain)
        self.reached.set()
        await self.open.wait()
        if isinstance(self.text, PolicyError):
            raise self.text
        return self.text


class Site:
    """Policies over a name server, a web server, a store and a stopped clock."""

    def __init__(self, server: DnsServer) -> None:
        self.server = server
        self.clock = StoppedClock()
        self.web = Web()
        self.store = KeptPolicies()
        self.failures: list[tuple[str, str]] = []
        self.policies = self.restarted()

    def restarted(self) -> StsPolicies:
        resolver = Resolver((self.server.address,), PATIENT, self.clock)
        return StsPolicies(resolver, self.web.fetch, self.clock, self.store, lambda *why: self.failures.append(why))

    def ask(self, domain: str = "example.test") -> StsPolicy | None:
        return run(self.policies.policy_of(domain))

    def record(self, text: str) -> None:
        self.server.remove("_mta-sts.example.test")
        self.server.add(f'_mta-sts.example.test 60 TXT "{text}"')

    def after(self, step: timedelta) -> Site:
        self.clock.advance(step)
        return self


@pytest.fixture
def site() -> Iterator[Site]:
    with dns_server() as server:
        found = Site(server)
        found.record("v=STSv1; id=a1;")
        yield found


def test_a_policy_is_fetched_once(site: Site) -> None:
    assert site.ask() == POLICY
    assert site.ask("Example.TEST.") == POLICY
    assert site.web.asked == ["example.test"]


def test_a_domain_without_record_is_not_asked_for_a_policy(site: Site) -> None:
    assert site.ask("other.test") is None
    assert site.ask("[192.0.2.1]") is None
    assert (site.web.asked, site.server.count("_mta-sts.[192.0.2.1]", "TXT")) == ([], 0)


def test_a_new_id_brings_the_new_policy(site: Site) -> None:
    site.ask()
    site.record("v=STSv1; id=a2;")
    site.web.text = TEXT.replace(b"enforce", b"none")
    assert site.ask() == POLICY  # the record is still believed
    assert site.after(timedelta(minutes=1)).ask() == replace(
        POLICY, id="a2", mode="none", fetched=START + timedelta(minutes=1)
    )


def test_a_policy_is_fetched_again_after_a_day(site: Site) -> None:
    site.ask()
    site.after(timedelta(hours=23)).ask()
    assert len(site.web.asked) == 1
    assert site.after(timedelta(hours=1)).ask() == replace(POLICY, fetched=START + timedelta(days=1))


def test_a_policy_that_cannot_be_renewed_counts_until_it_expires(site: Site) -> None:
    site.ask()
    site.web.text = PolicyError("a closed port")
    site.record("v=STSv1; id=a2;")
    assert site.after(WEEK - timedelta(seconds=1)).ask() == POLICY
    assert site.failures == [("example.test", "a closed port")]
    assert site.after(timedelta(seconds=1)).ask() is None


@pytest.mark.parametrize("manner", [Manner(rcode="SERVFAIL"), Manner(rcode="NXDOMAIN")])
def test_who_keeps_the_record_from_us_does_not_take_the_policy_away(site: Site, manner: Manner) -> None:
    site.ask()
    site.server.treat(".", manner)
    assert site.after(WEEK - timedelta(seconds=1)).ask() == POLICY
    assert site.after(timedelta(seconds=1)).ask() is None


def test_a_fetch_that_failed_is_tried_again_only_after_a_while(site: Site) -> None:
    site.web.text = b"<html>"
    assert site.ask() is None
    site.web.text = TEXT
    assert site.after(timedelta(seconds=NEXT_TRY_AFTER - 1)).ask() is None
    assert site.failures == [("example.test", "the policy has a line that is no field")]
    assert site.after(timedelta(seconds=1)).ask() == replace(POLICY, fetched=START + timedelta(seconds=NEXT_TRY_AFTER))


def test_a_policy_is_still_known_after_a_restart(site: Site) -> None:
    site.ask()
    site.policies = site.restarted()
    site.server.treat(".", Manner(rcode="SERVFAIL"))
    assert site.ask() == POLICY
    assert len(site.web.asked) == 1


def test_all_who_ask_at_one_time_wait_for_one_fetch(site: Site) -> None:
    async def ask_often() -> list[StsPolicy | None]:
        site.web.open.clear()
        asking = [asyncio.create_task(site.policies.policy_of("example.test")) for _ in range(5)]
        await site.web.reached.wait()
        asking.pop().cancel()
        site.web.open.set()
        return list(await asyncio.gather(*asking))

    assert run(ask_often()) == [POLICY] * 4
    assert site.web.asked == ["example.test"]


def test_only_so_many_domains_are_remembered(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sts, "MOST_DOMAINS", 2)
    for domain in ("a.test", "b.test", "a.test", "c.test", "b.test", "a.test"):
        site.ask(domain)
    assert site.store.asked == ["a.test", "b.test", "c.test", "a.test"]
