# SPDX-License-Identifier: Apache-2.0
"""What `genkan doctor` says of SPF: the record, its costs, and whether it permits this server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from genkan.admin.doctor_spf import LONG_RECORD, MOST_COUNTED, check_spf
from genkan.dkim.key_pair import zone_text
from tests.admin.doctoring import HOME, patient
from tests.support.dns_server import Manner

if TYPE_CHECKING:
    from genkan.admin.doctor_case import Home

ZONE: Final = "in.test 60 MX 10 mx.in.test\nmx.in.test 60 A 192.0.2.1\nmx.in.test 60 AAAA 2001:db8::1\n"
FREE: Final = "ok: it takes 0 of 10 terms that ask the DNS"


def said(record: str, more: str = "", home: Home | None = None) -> list[str]:
    with patient(f'{ZONE}in.test 60 TXT "{record}"\n{more}', home) as one:
        return one.said(check_spf)


def besides(record: str, more: str = "") -> list[str]:
    """What is said beside the record itself."""
    first, *rest = said(record, more)
    assert first == f"ok: {record}"
    return rest


def test_a_record_is_shown_with_what_it_costs() -> None:
    assert said("v=spf1 ip4:192.0.2.0/24 -all") == ["ok: v=spf1 ip4:192.0.2.0/24 -all", FREE]
    assert besides(
        "v=spf1 mx a include:x.test ~all", 'x.test 60 TXT "v=spf1 mx:in.test -all"\nin.test 60 A 192.0.2.1'
    ) == ["ok: it takes 4 of 10 terms that ask the DNS"]


def test_without_a_record_one_is_proposed() -> None:
    sentence = "warning: there is no record: anybody may send in the domain's name; publish one that names your servers"
    with patient(ZONE) as one:
        assert one.said(check_spf) == [sentence, 'in.test. IN TXT "v=spf1 mx -all"']
    with patient('in.test 60 MX 0 .\nin.test 60 TXT "something else"') as one:
        assert one.said(check_spf) == [sentence, 'in.test. IN TXT "v=spf1 -all"']


def test_two_records_are_none() -> None:
    assert said("v=spf1 -all", 'in.test 60 TXT "v=spf1 mx -all"') == [
        "error: 2 records begin with v=spf1, and so none counts; keep one"
    ]


def test_a_record_that_cannot_be_read_is_an_error() -> None:
    assert said("v=spf1 ip4:192.0.2.999 -all") == [
        "error: the record is broken: 'ip4:192.0.2.999' is no network; correct it"
    ]


def test_a_zone_that_fails_is_an_error() -> None:
    with patient(ZONE) as one:
        one.server.treat("in.test", Manner(rcode="SERVFAIL"))
        (line,) = one.said(check_spf)
    assert line.startswith("error: the record cannot be had: ")


@pytest.mark.parametrize(
    ("record", "lines"),
    [
        (
            "v=spf1 +all",
            ["error: +all permits everybody to send in the domain's name; let it end with -all or ~all", FREE],
        ),
        ("v=spf1 ?all", ["warning: ?all says nothing of other servers; let it end with -all or ~all", FREE]),
        (
            "v=spf1 ip4:192.0.2.1",
            ["warning: the record has no all: it says nothing of other servers; let it end with -all or ~all", FREE],
        ),
        (
            "v=spf1 -all ip4:192.0.2.1",
            ["note: what stands behind all, or redirect= beside it, is never looked at; take it out", FREE],
        ),
        (
            "v=spf1 ptr -all",
            [
                "warning: ptr is slow and not evaluated by everybody (RFC 7208, 5.5); name the servers otherwise",
                "ok: it takes 1 of 10 terms that ask the DNS",
            ],
        ),
        (
            "v=spf1 exists:%{i}.in.test include:%{o}.in.test -all",
            ["ok: it takes 2 of 10 terms that ask the DNS"],
        ),
    ],
)
def test_terms_that_do_no_good_are_named(record: str, lines: list[str]) -> None:
    assert besides(record) == lines


def test_a_long_record_is_a_warning() -> None:
    record = f"v=spf1 {' '.join(f'ip4:192.0.2.{n}' for n in range(100, 140))} -all"
    with patient(f"{ZONE}in.test 60 TXT {zone_text(record)}") as one:
        assert one.said(check_spf) == [
            f"ok: {record[:97]}...",
            (
                f"warning: the record has {len(record)} octets: not every receiver can fetch it; "
                f"keep it below {LONG_RECORD}, with include: where need be"
            ),
            FREE,
        ]


def test_a_redirect_is_followed_in_place_of_all() -> None:
    assert besides("v=spf1 redirect=x.test", 'x.test 60 TXT "v=spf1 mx:in.test -all"') == [
        "ok: it takes 2 of 10 terms that ask the DNS"
    ]


def test_more_terms_than_receivers_follow_are_an_error() -> None:
    assert besides(f"v=spf1 {'a ' * 11}-all", "in.test 60 A 192.0.2.1") == [
        (
            "error: it takes 11 of 10 terms that ask the DNS: receivers take it for broken; "
            "name networks (ip4:, ip6:) in place of some"
        )
    ]
    assert besides(f"v=spf1 {'a ' * 10}-all", "in.test 60 A 192.0.2.1") == [
        "ok: it takes 10 of 10 terms that ask the DNS"
    ]


def test_a_record_that_includes_itself_comes_to_an_end() -> None:
    with patient(f'{ZONE}in.test 60 TXT "v=spf1 include:in.test include:in.test -all"') as one:
        lines = one.said(check_spf)
        assert one.server.count("in.test", "TXT") == 1
    assert lines[-1].startswith(f"error: it takes at least {MOST_COUNTED + 1} of 10 terms")


@pytest.mark.parametrize(
    ("record", "more", "line"),
    [
        (
            "v=spf1 include:gone.test -all",
            "",
            "error: in.test includes gone.test, which has no SPF record; correct or take out that term",
        ),
        (
            "v=spf1 include:x.test -all",
            'x.test 60 TXT "v=spf1 bogus -all"',
            "error: in.test includes x.test, whose record is broken: 'bogus' is no mechanism; correct or take out that term",
        ),
        (
            "v=spf1 mx:many.test -all",
            "".join(f"many.test 60 MX 10 mx{n}.test\n" for n in range(11)),
            "error: mx means many.test, which has 11 MX records of 10 at most; correct or take out that term",
        ),
        (
            "v=spf1 a:gone.test -all",
            "",
            "warning: it asks for what is not there (2 times at most): gone.test; take these terms out",
        ),
        (
            "v=spf1 a:a.gone.test mx:b.gone.test exists:c.gone.test -all",
            "",
            (
                "error: it asks for what is not there (2 times at most): a.gone.test, b.gone.test, c.gone.test; "
                "take these terms out"
            ),
        ),
    ],
)
def test_terms_that_lead_nowhere_are_named(record: str, more: str, line: str) -> None:
    assert besides(record, more)[-1] == line


def test_an_include_whose_zone_fails_is_a_warning() -> None:
    with patient(f'{ZONE}in.test 60 TXT "v=spf1 include:other.test -all"') as one:
        one.server.treat("other.test", Manner(rcode="SERVFAIL"))
        assert one.said(check_spf)[1:] == ["warning: the DNS does not answer for other.test; look again later"]


def test_every_address_of_our_hostname_has_to_be_permitted() -> None:
    assert said("v=spf1 ip4:192.0.2.0/24 -all", home=HOME)[2:] == [
        "ok: this server, 192.0.2.1, is permitted (in.test: ip4:192.0.2.0/24)",
        "error: this server, 2001:db8::1, is not permitted: fail (in.test: -all); put ip6:2001:db8::1 into the record",
    ]


def test_a_record_that_is_broken_somewhere_has_to_be_corrected_first() -> None:
    lines = said("v=spf1 include:gone.test -all", home=replace(HOME, sources=("192.0.2.77",)))
    assert lines[-1].startswith("error: this server, 192.0.2.77, is not permitted: permerror (")
    assert lines[-1].endswith("; correct the record first")


def test_the_addresses_that_we_are_set_to_send_from_count_instead() -> None:
    home = replace(HOME, sources=("192.0.2.77",))
    assert said("v=spf1 ip4:192.0.2.1 ?all", home=home)[-1] == (
        "warning: this server, 192.0.2.77, is not permitted: neutral (in.test: ?all); put ip4:192.0.2.77 into the record"
    )


def test_a_private_address_says_nothing_of_where_our_mail_comes_from() -> None:
    assert said("v=spf1 -all", home=replace(HOME, sources=("10.0.0.1",)))[1:] == [FREE]
