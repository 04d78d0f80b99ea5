# SPDX-License-Identifier: Apache-2.0
"""Macros filled in (RFC 7208, 7): the RFC's own examples, names that are too long, and that filling in takes no time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dns.spf_macros import (
    LONGEST_NAME,
    Asked,
    BrokenRecord,
    Expansion,
    parse_explanation,
    parse_macros,
)
from tests.dns.zones import BROKEN, Zone, answered

if TYPE_CHECKING:
    from genkan.dns.spf_macros import Asking

NOW: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def asked_about(client: str = "192.0.2.3", local_part: str = "strong-bad") -> Asked:
    return Asked(ip_address(client), local_part, "email.example.com", "mx.example.org", lambda: NOW)


def filled(text: str, client: str = "192.0.2.3", zone: Zone | None = None) -> str:
    return answered(Expansion(asked_about(client)).text(parse_macros(text), "email.example.com"), zone or {})[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # RFC 7208, 7.4
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{d0999}", "email.example.com"),
        (f"%{{d{'9' * 4000}}}", "email.example.com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{h}%%%_%-", "mx.example.org% %20"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%{l1+-}", "bad"),
    ],
)
def test_macros_are_filled_in_as_the_rfc_has_it(text: str, expected: str) -> None:
    assert filled(text) == expected


def test_an_ipv6_client_is_its_nibbles() -> None:
    assert filled("%{ir}.%{v}", "2001:db8::cb01") == "1.0.b.c" + ".0" * 20 + ".8.b.d.0.1.0.0.2.ip6"


def test_explanations_may_have_blanks_and_tell_address_receiver_and_time() -> None:
    parts = parse_explanation("%{c} is not ours, %{r}, at %{t}")
    assert answered(Expansion(asked_about("2001:db8::1")).text(parts, "d.test"), {})[0] == (
        f"2001:db8::1 is not ours, unknown, at {int(NOW.timestamp())}"
    )
    for text in ("caf\u00e9", "a\tb", "%{x}"):
        with pytest.raises(BrokenRecord):
            parse_explanation(text)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a.test", "mx.email.example.com", "email.example.com"), "email.example.com"),
        (("a.test", "mx.email.example.com"), "mx.email.example.com"),
        (("a.test",), "a.test"),
        (("liar.test",), "unknown"),
        ((f"a.{BROKEN}",), "unknown"),
        ((), "unknown"),
    ],
)
def test_the_clients_name_is_one_that_leads_back_best_one_of_the_domain(names: tuple[str, ...], expected: str) -> None:
    zone: Zone = {(name, "A"): ("192.0.2.3",) for name in names if name != "liar.test"}
    zone["3.2.0.192.in-addr.arpa", "PTR"] = names
    assert filled("%{p}", zone=zone) == expected


def test_of_many_names_ten_are_looked_at() -> None:
    zone: Zone = {("3.2.0.192.in-addr.arpa", "PTR"): tuple(f"n{number:02}.test" for number in range(40))}
    _, asked = answered(Expansion(asked_about()).text(parse_macros("%{p}"), "d.test"), zone)
    assert len(asked) == 11


@given(st.lists(st.text("ab", min_size=1, max_size=63), min_size=1, max_size=200))
def test_of_a_name_that_is_too_long_the_last_labels_are_asked_for(labels: list[str]) -> None:
    text = ".".join(labels)
    name, _ = answered(Expansion(asked_about()).name((text, "."), "d.test"), {})
    assert len(name) <= LONGEST_NAME
    assert text == name or (
        text.endswith(f".{name}") and len(name) + len(labels[-name.count(".") - 2]) + 1 > LONGEST_NAME
    )


def test_no_macro_string_takes_long_to_fill_in() -> None:
    asked = asked_about(local_part=".".join("ab" * 21))
    parts = parse_macros("%{L99r.-+,/_=}" * 290)
    begun = time.process_time()
    name, _ = answered(Expansion(asked).name(parts, "d.test"), {})
    assert time.process_time() - begun < 0.1
    assert len(name) <= LONGEST_NAME


def test_the_clients_name_is_asked_for_once_however_often_it_is_wanted() -> None:
    names = ("a.test", "b.test", "c.test")
    zone: Zone = {("3.2.0.192.in-addr.arpa", "PTR"): names, ("c.test", "A"): ("192.0.2.3",)}
    expansion = Expansion(asked_about())

    def twice() -> Asking[tuple[str, str, str]]:
        first = yield from expansion.text(parse_macros("%{p}.%{p1}"), "d.test")
        again = yield from expansion.text(parse_macros("%{p}"), "d.test")
        other = yield from expansion.text(parse_macros("%{p}"), "b.test")
        return first, again, other

    found, asked = answered(twice(), zone)
    assert found == ("c.test.test", "c.test", "c.test")
    assert [question.name for question in asked] == ["3.2.0.192.in-addr.arpa", *names]


@given(st.text(max_size=30))
def test_a_macro_in_upper_case_is_escaped_as_in_a_uri(local_part: str) -> None:
    asked = asked_about(local_part=local_part)
    (text, _) = answered(Expansion(asked).text(parse_macros("%{L}"), "d.test"), {})
    assert re.fullmatch(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*", text)
    assert unquote(text) == local_part
