# SPDX-License-Identifier: Apache-2.0
"""Where mail goes, asked of a name server on loopback: order, null MX, no answers, loops, bounds, what DNSSEC vouches for."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genkan.delivery.mx import MOST_ADDRESSES, MOST_HOSTS, MxTargets, OwnNames, Target, host_targets, next_hops
from genkan.delivery.outcome import Deferred, Failed
from genkan.dns.resolver import Resolver
from tests.dns.asking import PATIENT, Asking, run
from tests.support.dns_server import Manner, dns_server
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.delivery.mx import Families

ZONE: Final = """
example.test        300 MX    20 b.example.test
example.test        300 MX    10 A.example.test
a.example.test      300 A     192.0.2.1
a.example.test      300 AAAA  2001:db8::1
b.example.test      300 A     192.0.2.2
plain.test          300 A     192.0.2.9
text.test           300 TXT   "no host"
null.test           300 MX    0 .
alias.test          300 CNAME example.test
loop.test           300 MX    10 a.example.test
loop.test           300 MX    20 mx.in.test
loop.test           300 MX    20 b.example.test
loop.test           300 MX    30 c.example.test
ours.test           300 MX    10 MX.in.test
ours.test           300 MX    20 a.example.test
empty.test          300 MX    10 text.test
empty.test          300 MX    20 gone.test
half.test           300 MX    10 gone.test
half.test           300 MX    20 .
half.test           300 MX    30 b.example.test
"""

OWN: Final = OwnNames(frozenset({"mx.in.test"}), frozenset({("192.0.2.77", 25), ("2001:db8::77", 25)}))
NOBODY: Final = OwnNames(frozenset(), frozenset())
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104
A4: Final = Target("a.example.test", "192.0.2.1", 25)
A6: Final = Target("a.example.test", "2001:db8::1", 25)
B4: Final = Target("b.example.test", "192.0.2.2", 25)


@pytest.fixture
def asking() -> Iterator[Asking]:
    clock = StoppedClock()
    with dns_server(ZONE) as server:
        yield Asking(server, clock, Resolver((server.address,), PATIENT, clock))


def found(
    asking: Asking, domain: str, own: OwnNames = OWN, families: Families = "any", seed: int = 1
) -> MxTargets | Deferred | Failed:
    return run(next_hops(asking.resolver, domain, own, families=families, randomness=Random(seed)))  # noqa: S311


def targets(
    asking: Asking, domain: str, own: OwnNames = OWN, families: Families = "any", seed: int = 1
) -> list[Target]:
    answer = found(asking, domain, own, families, seed)
    assert isinstance(answer, MxTargets), answer
    return list(answer.targets)


# Order.


def test_hosts_come_by_preference_and_their_addresses_alternate(asking: Asking) -> None:
    asking.server.add("a.example.test 300 A 192.0.2.3")
    first, second, third, fourth = targets(asking, "Example.TEST.")
    assert (first, {second, third}, fourth) == (A6, {A4, A4._replace(address="192.0.2.3")}, B4)


@pytest.mark.parametrize(("families", "expected"), [("any", [A6, A4, B4]), ("ipv4", [A4, B4]), ("ipv6", [A6])])
def test_one_family_of_addresses_can_be_chosen(asking: Asking, families: Families, expected: list[Target]) -> None:
    assert targets(asking, "example.test", families=families) == expected


def test_equal_hosts_share_the_load(asking: Asking) -> None:
    asking.server.add("\n".join(f"even.test 300 MX 10 h{n}.test\nh{n}.test 300 A 192.0.2.{n}" for n in range(4)))
    orders = [tuple(targets(asking, "even.test", seed=seed)) for seed in range(200)]
    assert {order[0].host for order in orders} == {"h0.test", "h1.test", "h2.test", "h3.test"}
    assert len(set(orders)) == 24
    assert targets(asking, "even.test", seed=5) == list(orders[5])


def test_a_host_named_twice_is_tried_once_in_its_better_place(asking: Asking) -> None:
    asking.server.add("twice.test 300 MX 5 b.example.test\ntwice.test 300 MX 10 a.example.test")
    asking.server.add("twice.test 300 MX 20 b.example.test")
    assert targets(asking, "twice.test") == [B4, A6, A4]


def test_a_domain_without_mx_is_its_own_host(asking: Asking) -> None:
    assert targets(asking, "plain.test") == [Target("plain.test", "192.0.2.9", 25)]


def test_an_alias_leads_to_the_hosts_of_what_it_stands_for(asking: Asking) -> None:
    assert targets(asking, "alias.test") == [A6, A4, B4]


def test_an_international_domain_is_asked_in_its_ascii_form(asking: Asking) -> None:
    asking.server.add("xn--wgv71a119e.test 60 MX 1 b.example.test")
    assert targets(asking, "\u65e5\u672c\u8a9e.test") == [B4]


@pytest.mark.parametrize(
    ("domain", "address"),
    [("[192.0.2.1]", "192.0.2.1"), ("[IPv6:2001:DB8::1]", "2001:db8::1"), ("[ipv6:::1]", "::1")],
)
def test_an_address_literal_is_its_own_target_and_asks_nobody(asking: Asking, domain: str, address: str) -> None:
    assert found(asking, domain) == MxTargets((Target(address, address, 25),))
    assert asking.server.questions == []


# No way.


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("null.test", Failed("null.test takes no mail (null MX)", status="5.1.10")),
        ("gone.test", Failed("there is no domain gone.test", status="5.1.2")),
        ("a..test", Failed("there is no domain a..test", status="5.1.2")),
        ("text.test", Failed("no mail server of text.test has an address", status="5.4.4")),
        ("empty.test", Failed("no mail server of empty.test has an address", status="5.4.4")),
        ("[192.0.2.300]", Failed("[192.0.2.300] is no address", status="5.1.2")),
        ("[IPv6:192.0.2.1]", Failed("[IPv6:192.0.2.1] is no address", status="5.1.2")),
        ("[IPv6:fe80::1%lo]", Failed("[IPv6:fe80::1%lo] is no address", status="5.1.2")),
        ("[", Failed("[ is no address", status="5.1.2")),
    ],
)
def test_a_domain_that_takes_no_mail_fails(asking: Asking, domain: str, expected: Failed) -> None:
    assert found(asking, domain) == expected


def test_an_address_of_a_family_not_used_is_none(asking: Asking) -> None:
    assert found(asking, "[192.0.2.1]", families="ipv6") == Failed(
        "no mail server of [192.0.2.1] has an IPv6 address", status="5.4.4"
    )


def test_a_name_server_that_fails_defers(asking: Asking) -> None:
    asking.server.treat("example.test", Manner(rcode="SERVFAIL"))
    assert found(asking, "example.test") == Deferred(
        f"the mail servers of example.test are not known: {asking.server.address}: SERVFAIL", status="4.4.3"
    )


def test_a_silent_name_server_defers(asking: Asking) -> None:
    asking.server.treat(".", Manner(silent=True))
    assert found(asking.hasty(), "example.test") == Deferred(
        "the mail servers of example.test are not known: no answer within 0.2 s", status="4.4.3"
    )


def test_hosts_without_address_are_skipped(asking: Asking) -> None:
    assert targets(asking, "half.test") == [B4]


def test_hosts_whose_addresses_are_not_known_now_are_skipped_or_defer(asking: Asking) -> None:
    asking.server.treat("a.example.test", Manner(rcode="SERVFAIL"))
    assert targets(asking, "example.test") == [B4]
    asking.server.remove("b.example.test")
    after = asking.after(301)
    answer = found(after, "example.test")
    assert isinstance(answer, Deferred)
    assert answer.status == "4.4.4"
    assert answer.reason.startswith("no address of a mail server of example.test is known: a.example.test: ")


# Loops.


def test_only_hosts_better_than_this_server_are_tried(asking: Asking) -> None:
    assert targets(asking, "loop.test") == [A6, A4]


@pytest.mark.parametrize(
    ("domain", "own"),
    [
        ("ours.test", OWN),
        ("plain.test", OwnNames(frozenset(), frozenset({("192.0.2.9", 25)}))),
        ("plain.test", OwnNames(frozenset({"plain.test"}), frozenset())),
        ("example.test", OwnNames(frozenset(), frozenset({("2001:db8::1", 25)}))),
        ("[192.0.2.77]", OWN),
        ("[IPv6:::ffff:192.0.2.77]", OWN),
        ("[127.0.0.1]", OwnNames(frozenset(), frozenset({(EVERYWHERE, 25)}))),
        ("[127.0.0.1]", OwnNames(frozenset(), frozenset({("::", 25)}))),
    ],
)
def test_mail_that_would_come_back_fails(asking: Asking, domain: str, own: OwnNames) -> None:
    assert found(asking, domain, own) == Failed(f"mail for {domain} loops back to this server", status="5.4.6")


@pytest.mark.parametrize(
    "own",
    [
        OwnNames(frozenset(), frozenset({("192.0.2.9", 2525)})),
        OwnNames(frozenset(), frozenset({(EVERYWHERE, 25)})),
        OwnNames(frozenset(), frozenset({(EVERYWHERE, 2525), ("192.0.2.8", 25)})),
        OwnNames(frozenset({"in.test"}), frozenset()),
    ],
)
def test_another_port_or_machine_is_no_loop(asking: Asking, own: OwnNames) -> None:
    assert targets(asking, "plain.test", own) == [Target("plain.test", "192.0.2.9", 25)]


# Bounds.


def test_no_more_hosts_are_asked_for_than_the_bound(asking: Asking) -> None:
    asking.server.add("\n".join(f"many.test 300 MX {n} m{n}.test\nm{n}.test 300 A 192.0.2.{n}" for n in range(60)))
    assert [target.host for target in targets(asking, "many.test")] == [f"m{n}.test" for n in range(MOST_HOSTS)]
    assert asking.server.count("m20.test") == 0


def test_no_more_addresses_are_tried_than_the_bound(asking: Asking) -> None:
    asking.server.add("\n".join(f"wide.test 300 A 192.0.2.{n}" for n in range(60)))
    assert len(set(targets(asking, "wide.test"))) == MOST_ADDRESSES


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(domain=st.text(max_size=30) | st.text("[]:.%0123456789abIPv", max_size=20).map(lambda text: f"[{text}"))
def test_any_text_is_a_domain_with_an_answer(asking: Asking, domain: str) -> None:
    assert isinstance(found(asking, domain, NOBODY), MxTargets | Failed)


# What DNSSEC vouches for.


def test_each_step_is_authentic_or_not(asking: Asking) -> None:
    asking.server.treat("example.test", Manner(authentic=True))
    asking.server.treat("b.example.test", Manner())
    answer = found(asking, "example.test")
    assert answer == MxTargets((A6, A4, B4), authentic=True, authentic_hosts=frozenset({"a.example.test"}))
    assert (answer.is_authentic("a.example.test"), answer.is_authentic("b.example.test")) == (True, False)


def test_authentic_hosts_of_a_domain_that_is_not_are_not(asking: Asking) -> None:
    asking.server.treat("b.example.test", Manner(authentic=True))
    asking.server.add("other.test 300 MX 10 b.example.test")
    answer = found(asking, "other.test")
    assert answer == MxTargets((B4,), authentic=False, authentic_hosts=frozenset({"b.example.test"}))
    assert answer.is_authentic("b.example.test") is False


def test_the_absence_of_mx_records_can_be_authentic(asking: Asking) -> None:
    asking.server.treat("plain.test", Manner(authentic=True))
    answer = found(asking, "plain.test")
    assert isinstance(answer, MxTargets)
    assert answer.is_authentic("plain.test")


# Hosts that the operator names.


def of_host(asking: Asking, host: str, families: Families = "any") -> MxTargets | Deferred | Failed:
    return run(host_targets(asking.resolver, host, 2525, families))


@pytest.mark.parametrize(
    ("host", "name", "addresses"),
    [
        ("A.Example.test", "a.example.test", ["2001:db8::1", "192.0.2.1"]),
        ("localhost", "localhost", ["::1", "127.0.0.1"]),
        ("192.0.2.5", "192.0.2.5", ["192.0.2.5"]),
        ("2001:DB8::5", "2001:db8::5", ["2001:db8::5"]),
        ("[192.0.2.5]", "192.0.2.5", ["192.0.2.5"]),
        ("[IPv6:2001:db8::5]", "2001:db8::5", ["2001:db8::5"]),
    ],
)
def test_a_named_host_is_the_only_one(asking: Asking, host: str, name: str, addresses: list[str]) -> None:
    answer = of_host(asking, host)
    assert answer == MxTargets(tuple(Target(name, address, 2525) for address in addresses), authentic=True)


def test_a_named_host_is_authentic_when_its_addresses_are(asking: Asking) -> None:
    asking.server.treat("b.example.test", Manner(authentic=True))
    answer = of_host(asking, "b.example.test")
    assert isinstance(answer, MxTargets)
    assert answer.is_authentic("b.example.test")


def test_mail_for_a_named_host_that_is_not_found_waits_for_the_operator(asking: Asking) -> None:
    assert of_host(asking, "gone.test") == Deferred(
        "gone.test has no address: correct the route, or the name in the DNS", status="4.4.4"
    )
    assert of_host(asking, "b.example.test", "ipv6") == Deferred(
        "b.example.test has no IPv6 address: correct the route, or the name in the DNS", status="4.4.4"
    )


def test_mail_for_a_named_host_waits_for_the_name_server(asking: Asking) -> None:
    asking.server.treat(".", Manner(rcode="SERVFAIL"))
    answer = of_host(asking, "b.example.test")
    assert isinstance(answer, Deferred)
    assert answer.reason.startswith("b.example.test has no address: ")
    assert "SERVFAIL" in answer.reason
