# SPDX-License-Identifier: Apache-2.0
"""Lists of client addresses and of hosts: what is asked, what counts as listed, and what a dead list costs."""

from __future__ import annotations

import asyncio
import time
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dns.blocklists import UNKNOWN, Listing, blocklist_name, host_listed, host_names, listed, listed_now
from tests.dns.asking import run
from tests.support.dns_server import Manner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.dns.asking import Asking

ZONES = ("one.test", "two.test", "three.test")


def zone_of(asking: Asking, *zones: str, client: str = "192.0.2.7") -> str | None:
    return run(listed(asking.resolver, client, zones or ZONES))


def known(asking: Asking, *zones: str) -> str | Listing | None:
    return listed_now(asking.resolver, "192.0.2.7", zones or ZONES)


# Names.


def test_octets_and_nibbles_are_reversed() -> None:
    assert blocklist_name("192.0.2.7", "bl.test") == "7.2.0.192.bl.test"
    assert blocklist_name("::ffff:192.0.2.7", "bl.test") == "7.2.0.192.bl.test"
    assert blocklist_name("2001:db8::7", "bl.test") == "7" + ".0" * 23 + ".8.b.d.0.1.0.0.2.bl.test"


@given(st.ip_addresses(v=4))
def test_an_ipv4_name_leads_back_to_its_address(address: IPv4Address) -> None:
    octets = blocklist_name(str(address), "bl.test").removesuffix(".bl.test").split(".")
    assert ip_address(".".join(reversed(octets))) == address


@given(st.ip_addresses(v=6).filter(lambda address: isinstance(address, IPv6Address) and address.ipv4_mapped is None))
def test_an_ipv6_name_leads_back_to_its_address(address: IPv6Address) -> None:
    nibbles = blocklist_name(str(address), "bl.test").removesuffix(".bl.test").split(".")
    assert len(nibbles) == 32
    assert int("".join(reversed(nibbles)), 16) == int(address)


# Clients.


def test_the_first_zone_of_the_order_that_lists_the_client_is_named(asking: Asking) -> None:
    asking.server.add("7.2.0.192.two.test 60 A 127.0.0.2\n7.2.0.192.three.test 60 A 127.0.0.4")
    asking.server.treat("two.test", Manner(delay=0.05))
    assert zone_of(asking) == "two.test"
    assert zone_of(asking, "three.test", "two.test") == "three.test"


def test_a_client_on_no_list_is_on_none(asking: Asking) -> None:
    assert zone_of(asking) is None
    assert run(listed(asking.resolver, "192.0.2.7", ())) is None


def test_an_ipv6_client_is_looked_up(asking: Asking) -> None:
    asking.server.add(f"{blocklist_name('2001:db8::7', 'one.test')} 60 A 127.0.0.2")
    assert zone_of(asking, client="2001:db8::7") == "one.test"


@pytest.mark.parametrize(
    ("addresses", "zone"),
    [
        (["127.0.0.2"], "one.test"),
        (["127.0.0.1"], "one.test"),
        (["127.255.0.1"], "one.test"),
        (["127.255.255.254"], None),
        (["127.255.255.255", "127.0.0.10"], "one.test"),
        (["192.0.2.1"], None),
        (["12.7.0.2"], None),
    ],
)
def test_only_loopback_addresses_that_are_no_error_count(
    asking: Asking, addresses: list[str], zone: str | None
) -> None:
    asking.server.add("\n".join(f"7.2.0.192.one.test 60 A {address}" for address in addresses))
    assert zone_of(asking) == zone


def test_all_zones_are_asked_before_the_first_has_answered(asking: Asking) -> None:
    asking.server.treat(".", Manner(held=True))

    async def ask() -> str | None:
        asked = asyncio.create_task(listed(asking.resolver, "192.0.2.7", ZONES))
        for zone in ZONES:
            await asyncio.to_thread(asking.server.until_asked, f"7.2.0.192.{zone}")
        asking.server.release()
        return await asked

    assert run(ask()) is None


@pytest.mark.parametrize("manner", [Manner(silent=True), Manner(rcode="SERVFAIL")])
def test_a_dead_zone_has_nothing_against_the_client_and_is_not_asked_each_time(asking: Asking, manner: Manner) -> None:
    asking.server.treat("one.test", manner)
    asking.server.add("7.2.0.192.two.test 60 A 127.0.0.2")
    hasty = asking.hasty(timeout=0.2)
    assert zone_of(hasty) == "two.test"
    asked = asking.server.count("7.2.0.192.one.test")
    assert zone_of(hasty) == "two.test"
    assert asking.server.count("7.2.0.192.one.test") == asked


def test_a_dead_zone_costs_one_deadline_at_most(asking: Asking) -> None:
    asking.server.treat(".", Manner(silent=True))
    begun = time.monotonic()
    assert zone_of(asking.hasty(timeout=0.2)) is None
    assert time.monotonic() - begun < 0.5


# From memory.


def test_what_was_not_asked_is_unknown(asking: Asking) -> None:
    assert known(asking) is UNKNOWN
    assert listed_now(asking.resolver, "192.0.2.7", ()) is None
    assert asking.server.questions == []


@pytest.mark.parametrize(
    ("asked", "answer"),
    [(("one.test",), UNKNOWN), (("one.test", "two.test"), "two.test"), (("two.test",), UNKNOWN), (ZONES, "two.test")],
)
def test_memory_answers_when_the_first_hit_is_sure(asking: Asking, asked: Sequence[str], answer: str | Listing) -> None:
    asking.server.add("7.2.0.192.two.test 60 A 127.0.0.2")
    zone_of(asking, *asked)
    assert known(asking) == answer


def test_memory_knows_that_no_zone_lists_the_client(asking: Asking) -> None:
    asking.server.treat("one.test", Manner(rcode="SERVFAIL"))
    zone_of(asking)
    assert known(asking) is None
    assert known(asking.after(60)) is UNKNOWN


# Hosts.


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("example.com", ["example.com.u.test"]),
        ("a.b.example.co.jp.", ["co.jp.u.test", "example.co.jp.u.test", "b.example.co.jp.u.test"]),
        ("localhost", []),
        ("", []),
        ("192.0.2.7", ["7.2.0.192.u.test"]),
        ("[2001:db8::7]", ["7" + ".0" * 23 + ".8.b.d.0.1.0.0.2.u.test"]),
    ],
)
def test_a_host_is_looked_up_under_each_domain_that_may_be_registered(host: str, names: list[str]) -> None:
    assert host_names(host, "u.test") == names


@pytest.mark.parametrize(
    ("host", "is_listed"),
    [
        ("spam.test", True),
        ("www.SPAM.test", True),
        ("a.b.c.d.spam.test", True),
        ("192.0.2.7", True),
        ("ham.test", False),
        ("notspam.test", False),
        ("mayi.test", False),
        ("a..test", False),
    ],
)
def test_a_host_below_a_listed_domain_is_listed(asking: Asking, host: str, is_listed: bool) -> None:
    asking.server.add(
        "spam.test.u.test 60 A 127.0.0.4\n7.2.0.192.u.test 60 A 127.0.0.2\nmayi.test.u.test 60 A 127.0.0.1"
    )
    assert run(host_listed(asking.resolver, host, "u.test")) is is_listed
