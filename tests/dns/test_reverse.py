# SPDX-License-Identifier: Apache-2.0
"""Names in the reverse tree, and the domain of a client that both the address and the name confirm."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from genkan.dns.reverse import MOST_NAMES, client_domain, client_domain_now, reverse_name
from tests.dns.asking import run
from tests.support.dns_server import Manner

if TYPE_CHECKING:
    from tests.dns.asking import Asking


def domain(asking: Asking, client_address: str = "192.0.2.7") -> str:
    return run(client_domain(asking.resolver, client_address))


@pytest.mark.parametrize(
    ("client_address", "name"),
    [
        ("192.0.2.7", "7.2.0.192.in-addr.arpa"),
        ("::ffff:192.0.2.7", "7.2.0.192.in-addr.arpa"),
        ("2001:db8::7", "7" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa"),
        ("fe80::1%eth0", "1" + ".0" * 28 + ".8.e.f.ip6.arpa"),
    ],
)
def test_an_address_has_its_name_in_the_reverse_tree(client_address: str, name: str) -> None:
    assert reverse_name(client_address) == name


def test_what_is_no_address_has_no_reverse_name() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        reverse_name("mail.example.test")


def test_a_name_that_leads_back_is_the_clients_domain(asking: Asking) -> None:
    asking.server.add(
        "7.2.0.192.in-addr.arpa 60 PTR Mx.out.test\nmx.out.test 60 A 192.0.2.9\nmx.out.test 60 A 192.0.2.7"
    )
    assert domain(asking) == "mx.out.test"


def test_an_ipv6_client_is_confirmed_by_its_own_kind_of_address(asking: Asking) -> None:
    asking.server.add(f"{reverse_name('2001:db8::7')} 60 PTR mx.out.test\nmx.out.test 60 AAAA 2001:db8:0:0::7")
    assert domain(asking, "2001:db8::7") == "mx.out.test"


def test_a_name_that_leads_elsewhere_is_nobodys(asking: Asking) -> None:
    asking.server.add("7.2.0.192.in-addr.arpa 60 PTR mx.bank.test\nmx.bank.test 60 A 192.0.2.1")
    assert domain(asking) == ""


def test_of_several_names_one_that_leads_back_is_taken(asking: Asking) -> None:
    asking.server.add(
        "7.2.0.192.in-addr.arpa 60 PTR a.test\n7.2.0.192.in-addr.arpa 60 PTR b.test\nb.test 60 A 192.0.2.7"
    )
    assert domain(asking) == "b.test"


def test_only_some_of_many_names_are_looked_at(asking: Asking) -> None:
    asking.server.add("\n".join(f"7.2.0.192.in-addr.arpa 60 PTR n{number}.test" for number in range(50)))
    assert domain(asking) == ""
    assert len(asking.server.questions) == 1 + MOST_NAMES


@pytest.mark.parametrize("name", ["a\\032b.test", "a\\.b.test", "x\\(y.test", "\\255.test"])
def test_a_name_that_is_no_host_name_is_not_taken(asking: Asking, name: str) -> None:
    asking.server.add(f"7.2.0.192.in-addr.arpa 60 PTR {name}\n{name} 60 A 192.0.2.7")
    assert domain(asking) == ""


def test_a_client_without_a_name_has_none(asking: Asking) -> None:
    assert domain(asking) == ""


def test_what_is_known_is_there_at_once(asking: Asking) -> None:
    asking.server.add(
        "7.2.0.192.in-addr.arpa 60 PTR a.test\n7.2.0.192.in-addr.arpa 30 PTR b.test\nb.test 60 A 192.0.2.7"
    )
    assert client_domain_now(asking.resolver, "192.0.2.7") is None
    run(ask_pointer(asking))
    assert client_domain_now(asking.resolver, "192.0.2.7") is None
    assert domain(asking) == "b.test"
    assert client_domain_now(asking.resolver, "::ffff:192.0.2.7") == "b.test"
    assert domain(asking, "192.0.2.8") == ""
    assert client_domain_now(asking.resolver, "192.0.2.8") == ""
    assert client_domain_now(asking.after(30).resolver, "192.0.2.7") is None


async def ask_pointer(asking: Asking) -> None:
    await asking.resolver.query(reverse_name("192.0.2.7"), "PTR")


def test_both_questions_together_keep_the_deadline(asking: Asking) -> None:
    asking.server.add("7.2.0.192.in-addr.arpa 60 PTR mx.out.test\nmx.out.test 60 A 192.0.2.7")
    asking.server.treat("arpa", Manner(delay=0.25))
    asking.server.treat("mx.out.test", Manner(silent=True))
    begun = time.monotonic()
    assert domain(asking.hasty(timeout=0.3)) == ""
    assert time.monotonic() - begun < 0.5
