# SPDX-License-Identifier: Apache-2.0
"""What `genkan doctor` says of MX records and of the hosts they lead to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from genkan.admin.doctor_case import MOST_ADDRESSES, MOST_HOSTS
from genkan.admin.doctor_mx import check_mx, is_public
from genkan.delivery.mx import OwnNames
from tests.admin.doctoring import HOME, patient
from tests.support.dns_server import Manner

if TYPE_CHECKING:
    from genkan.admin.doctor_case import Home

MX: Final = "in.test. IN MX 10 mx.in.test."
HERE: Final = "mx.in.test 60 A 192.0.2.1\n"


def said(zone: str, home: Home | None = None) -> list[str]:
    with patient(zone, home) as one:
        return one.said(check_mx)


def test_hosts_with_addresses_are_fine() -> None:
    zone = "in.test 60 MX 20 b.test\nin.test 60 MX 10 a.test\na.test 60 A 192.0.2.1\na.test 60 AAAA 2001:db8::1\n"
    assert said(f"{zone}b.test 60 A 192.0.2.2") == ["ok: a.test [192.0.2.1, 2001:db8::1]", "ok: b.test [192.0.2.2]"]


@pytest.mark.parametrize(
    ("zone", "lines"),
    [
        (
            "in.test 60 A 192.0.2.1",
            ["warning: there is no MX record: mail goes to the address of in.test itself; publish an MX record"],
        ),
        (
            'in.test 60 TXT "x"',
            ["error: there is neither an MX record nor an address: nobody can send mail there; publish an MX record"],
        ),
        (
            "in.test 60 MX 0 .",
            ["note: in.test takes no mail (null MX); publish MX records if it is to take some"],
        ),
        (
            f"in.test 60 MX 0 .\nin.test 60 MX 10 mx.in.test\n{HERE}",
            [
                "error: a null MX stands beside other MX records; keep the null MX alone, or take it away",
                "ok: mx.in.test [192.0.2.1]",
            ],
        ),
        (
            "in.test 60 MX 10 192.0.2.1",
            ["error: 192.0.2.1 is an address, and only names may stand there; name the host"],
        ),
        (
            "in.test 60 MX 10 gone.test",
            ["error: gone.test has no address; publish its A or AAAA record, or take it out of the MX records"],
        ),
        (
            f"in.test 60 MX 10 alias.test\nalias.test 60 CNAME mx.in.test\n{HERE}",
            [
                (
                    "warning: alias.test is an alias of mx.in.test (CNAME), which RFC 2181, 10.3, forbids; "
                    "give it an address record of its own, or name the other host"
                )
            ],
        ),
        (
            "in.test 60 MX 10 mx.in.test\nmx.in.test 60 A 10.0.0.1",
            [
                "note: mx.in.test has the address 10.0.0.1, that only its own network reaches; publish it there only",
                "ok: mx.in.test [10.0.0.1]",
            ],
        ),
    ],
)
def test_what_is_odd_about_the_records_is_said(zone: str, lines: list[str]) -> None:
    assert said(zone) == lines


def test_a_host_whose_zone_fails_is_a_warning() -> None:
    with patient("in.test 60 MX 10 mx.other.test") as one:
        one.server.treat("other.test", Manner(rcode="SERVFAIL"))
        (line,) = one.said(check_mx)
    assert line.startswith("warning: the addresses of mx.other.test cannot be had: ")
    assert line.endswith("SERVFAIL; correct its zone")


def test_of_very_many_hosts_the_best_are_looked_at() -> None:
    zone = "".join(f"in.test 60 MX {n} mx{n:02}.test\nmx{n:02}.test 60 A 192.0.2.{n}\n" for n in range(1, 16))
    with patient(zone) as one:
        lines = one.said(check_mx)
        assert one.server.count("mx11.test") == 0
    assert lines[0] == f"note: of 15 hosts the first {MOST_HOSTS} are looked at; name fewer"
    assert lines[1:] == [f"ok: mx{n:02}.test [192.0.2.{n}]" for n in range(1, MOST_HOSTS + 1)]


def test_of_very_many_addresses_the_first_are_looked_at() -> None:
    zone = "".join(f"mx.in.test 60 A 192.0.2.{n}\n" for n in range(1, 100))
    (line,) = said(f"in.test 60 MX 10 mx.in.test\n{zone}")
    assert line.count("192.0.2.") == MOST_ADDRESSES


def test_a_domain_of_ours_leads_here_by_name_or_by_address() -> None:
    assert said(f"in.test 60 MX 10 mx.in.test\n{HERE}", HOME) == ["ok: mx.in.test [192.0.2.1], this server"]
    zone = f"in.test 60 MX 10 other.test\nother.test 60 A 192.0.2.1\n{HERE}"
    assert said(zone, HOME) == ["ok: other.test [192.0.2.1], this server"]


def test_an_address_that_we_listen_on_is_ours_whatever_the_name() -> None:
    listening = replace(HOME, own=OwnNames(frozenset(), frozenset({("192.0.2.9", 25)})))
    zone = f"in.test 60 MX 10 other.test\nother.test 60 A 192.0.2.9\n{HERE}"
    assert said(zone, listening) == ["ok: other.test [192.0.2.9], this server"]


def test_a_domain_of_ours_that_leads_elsewhere_is_a_warning() -> None:
    assert said(f"in.test 60 MX 10 other.test\nother.test 60 A 192.0.2.9\n{HERE}", HOME) == [
        "ok: other.test [192.0.2.9]",
        (
            "warning: no MX host is mx.in.test or has an address of it: the domain's mail does not come here; "
            "publish this, unless another server takes the mail first"
        ),
        MX,
    ]


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("in.test 60 MX 0 .", "error: a null MX says that the domain takes no mail, yet it is ours; "),
        ("in.test 60 A 192.0.2.1", "warning: there is no MX record: "),
        ('in.test 60 TXT "x"', "error: there is neither an MX record nor an address: "),
    ],
)
def test_a_domain_of_ours_is_given_the_record_that_it_lacks(zone: str, start: str) -> None:
    line, record = said(f"{zone}\n{HERE}", HOME)
    assert line.startswith(start)
    assert record == MX


def test_a_hostname_without_an_address_is_an_error() -> None:
    zone = "in.test 60 MX 10 other.test\nother.test 60 A 192.0.2.9\n"
    assert said(zone, HOME)[-1] == "error: the hostname mx.in.test has no address; publish its A or AAAA record"
    assert [line for line in said("in.test 60 MX 10 mx.in.test", HOME) if line.startswith("error")] == [
        "error: mx.in.test has no address; publish its A or AAAA record, or take it out of the MX records"
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", True),
        ("8.8.8.8", True),
        ("2001:db8::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.31.255.255", False),
        ("172.32.0.1", True),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.1.1", False),
        ("::1", False),
        ("fd00::1", False),
        ("fe80::1", False),
    ],
)
def test_addresses_of_ones_own_network_are_not_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected
