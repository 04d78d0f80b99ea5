# SPDX-License-Identifier: Apache-2.0
"""What `genkan doctor` says of the reverse names of mail servers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from genkan.admin.doctor_reverse import MOST_ADDRESSES, check_reverse_names
from tests.admin.doctoring import HOME, patient
from tests.support.dns_server import Manner

if TYPE_CHECKING:
    from genkan.admin.doctor_case import Home

ZONE: Final = "in.test 60 MX 10 mx.in.test\nmx.in.test 60 A 192.0.2.1\n"
POINTER: Final = "1.2.0.192.in-addr.arpa"
RECORD: Final = f"{POINTER}. IN PTR mx.in.test."
REMEDY: Final = "have this published by whoever gives you the address"


def said(zone: str, home: Home | None = None) -> list[str]:
    with patient(f"{ZONE}{zone}", home) as one:
        return one.said(check_reverse_names)


def test_a_name_that_leads_back_is_fine_whatever_it_is() -> None:
    assert said(f"{POINTER} 60 PTR mx.in.test") == ["ok: 192.0.2.1 is mx.in.test"]
    assert said(f"{POINTER} 60 PTR h1.test\nh1.test 60 A 192.0.2.1", HOME) == [
        "ok: 192.0.2.1 is h1.test and not mx.in.test"
    ]


def test_an_address_without_a_name_is_a_warning_and_an_error_where_we_send_from_it() -> None:
    assert said("") == [f"warning: 192.0.2.1 (mx.in.test) has no name; {REMEDY}", RECORD]
    assert said("", HOME) == [
        f"error: 192.0.2.1 (mx.in.test) has no name: many receivers refuse mail from it; {REMEDY}",
        RECORD,
    ]


def test_a_name_that_does_not_lead_back_is_none() -> None:
    assert said(f"{POINTER} 60 PTR h1.test\nh1.test 60 A 192.0.2.2") == [
        f"warning: 192.0.2.1 (mx.in.test) has the name h1.test, which does not lead back; {REMEDY}",
        RECORD,
    ]


def test_an_ipv6_address_has_its_place_in_the_tree() -> None:
    lines = said(f"{POINTER} 60 PTR mx.in.test\nmx.in.test 60 AAAA 2001:db8::1")
    assert lines[1:] == [
        f"warning: 2001:db8::1 (mx.in.test) has no name; {REMEDY}",
        f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa. IN PTR mx.in.test.",
    ]


def test_the_addresses_that_we_are_set_to_send_from_are_looked_at() -> None:
    lines = said(f"{POINTER} 60 PTR mx.in.test", replace(HOME, sources=("192.0.2.7",)))
    assert [line.partition(" ")[0] for line in lines] == ["error:", "7.2.0.192.in-addr.arpa.", "ok:"]


def test_private_addresses_have_no_names_to_speak_of() -> None:
    with patient("in.test 60 MX 10 mx.in.test\nmx.in.test 60 A 10.0.0.1\n") as one:
        assert one.said(check_reverse_names) == []


def test_a_tree_that_fails_is_a_warning() -> None:
    with patient(ZONE) as one:
        one.server.treat("arpa", Manner(rcode="SERVFAIL"))
        (line,) = one.said(check_reverse_names)
    assert line.startswith("warning: the name of 192.0.2.1 cannot be had: ")


def test_of_very_many_addresses_the_first_are_looked_at() -> None:
    hosts = range(1, 9)
    zone = "".join(f"in.test 60 MX 10 m{host}.test\n" for host in hosts)
    zone += "".join(f"m{host}.test 60 A 192.0.{host}.{n}\n" for host in hosts for n in range(1, 9))
    with patient(zone) as one:
        assert len(one.found(check_reverse_names)) == MOST_ADDRESSES
