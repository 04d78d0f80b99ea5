# SPDX-License-Identifier: Apache-2.0
"""The grammar of SPF records (RFC 7208, 12): what is one, what it says, what breaks it, and that none takes long to read."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dns.spf_macros import LONGEST_RECORD, BrokenRecord, Macro
from genkan.dns.spf_record import MOST_DIRECTIVES, MOST_MACROS, Directive, Record, parse_record, select

TERMS: Final = (
    "all",
    "a:b.test/24",
    "mx//64",
    "ip4:192.0.2.0/24",
    "ip6:2001:db8::/32",
    "ptr",
    "exists:%{i}.test",
    "x=y",
)


def only(term: str) -> Directive:
    (directive,) = parse_record(f"v=spf1 {term}").directives
    return directive


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v=spf1", True),
        ("V=SPF1 -all", True),
        ("v=spf10 -all", False),
        ("v=spf1\t-all", False),
        (" v=spf1", False),
        ("", False),
    ],
)
def test_a_record_begins_with_its_version_and_a_blank(text: str, expected: bool) -> None:
    assert select([text, "x"]) == [text] * expected


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("-all", Directive("fail", "all", "-all")),
        ("?ALL", Directive("neutral", "all", "?ALL")),
        ("~a", Directive("softfail", "a", "~a")),
        ("+a/24", Directive("pass", "a", "+a/24", prefix4=24)),
        ("mx//0", Directive("pass", "mx", "mx//0", prefix6=0)),
        ("a:b.test/0//64", Directive("pass", "a", "a:b.test/0//64", ("b.test",), prefix4=0, prefix6=64)),
        ("a:b/c.test", Directive("pass", "a", "a:b/c.test", ("b/c.test",))),
        ("a:b.test.", Directive("pass", "a", "a:b.test.", ("b.test.",))),
        ("ptr", Directive("pass", "ptr", "ptr")),
        ("a:b.1x", Directive("pass", "a", "a:b.1x", ("b.1x",))),
        ("a:b.1--2", Directive("pass", "a", "a:b.1--2", ("b.1--2",))),
        ("a:.x.", Directive("pass", "a", "a:.x.", (".x.",))),
        ("include:b.x-1", Directive("pass", "include", "include:b.x-1", ("b.x-1",))),
        ("ip4:192.0.2.1", Directive("pass", "ip4", "ip4:192.0.2.1", None, 0xC0000201, 32, 32)),
        ("ip6:2001:DB8::/32", Directive("pass", "ip6", "ip6:2001:DB8::/32", None, 0x20010DB8 << 96, 32, 32)),
    ],
)
def test_a_directive_is_read(term: str, expected: Directive) -> None:
    assert only(term) == expected


def test_macros_are_read_into_their_parts() -> None:
    assert only("exists:%{L2r-+}._.%{d}").domain == (
        Macro("l", 2, True, "-+", True),
        "._.",
        Macro("d", 0, False, ".", False),
    )
    assert only("exists:a%%b%_c%-%{i}").domain == ("a", "%", "b", " ", "c", "%20", Macro("i", 0, False, ".", False))


def test_modifiers_are_found_wherever_they_stand_and_unknown_ones_mean_nothing() -> None:
    record = parse_record("v=spf1 exp=why.test  redirect=b.test moo=%{l} -all ip4=192.0.2.1 ")
    assert record == Record((Directive("fail", "all", "-all"),), ("b.test",), ("why.test",))


@pytest.mark.parametrize(
    "term",
    [
        *("-", "alles", "all:b.test", "all/24", "ip5:192.0.2.1", "a\tb", "caf\u00e9", "-redirect=b.test", "1x=y"),
        *(
            "a:",
            "a:b",
            "a:b.1",
            "a:b..",
            "a:b.1/2",
            "a:b.x_y",
            "a:b.test/33",
            "a:b.test/024",
            "a/24/64",
            "a//129",
            "a/",
            "mx///64",
            "a:b.-x",
            "a:b.x-",
        ),
        *("ip4", "ip4:", "ip4:192.0.2", "ip4:192.0.2.1/33", "ip4:192.0.2.1/08", "ip4:192.0.2.256", "ip4:::1"),
        *(
            "ip6:192.0.2.1",
            "ip6:::1/129",
            "ip6:1::2::3",
            "ip6:fe80::1%eth0",
            "include",
            "include:",
            "include:b.test/24",
        ),
        *(
            "exists",
            "ptr:",
            "ptr/24",
            "a:%",
            "a:%{x}",
            "a:%{d",
            "a:%{d0}",
            "a:%{dr2}",
            "a:%{c}.test",
            "a:%(d).test",
            "x=%{t}",
        ),
        *("redirect=", "exp=b", "redirect=b.test redirect=c.test", "exp=b.test exp=b.test"),
    ],
)
def test_one_broken_term_breaks_the_record(term: str) -> None:
    with pytest.raises(BrokenRecord):
        parse_record(f"v=spf1 +all {term}")


def test_a_record_has_a_longest() -> None:
    parse_record("v=spf1 " + "x=y " * ((LONGEST_RECORD - 7) // 4))
    with pytest.raises(BrokenRecord, match="4096 octets"):
        parse_record("v=spf1 " + "x=y " * (LONGEST_RECORD // 4))


def test_a_record_has_a_bound_of_macros_and_mechanisms() -> None:
    """Of each about ten times what an honest record may have."""
    parse_record("v=spf1 x=" + "%{d}" * MOST_MACROS)
    with pytest.raises(BrokenRecord, match="50 macros"):
        parse_record("v=spf1 x=%{l} a:" + "%{d}" * MOST_MACROS)
    parse_record("v=spf1" + " a" * MOST_DIRECTIVES)
    with pytest.raises(BrokenRecord, match="400 mechanisms"):
        parse_record("v=spf1" + " a" * MOST_DIRECTIVES + " -all")


@given(st.lists(st.sampled_from(TERMS), max_size=8), st.text(st.characters(max_codepoint=255), max_size=20))
def test_any_text_is_a_record_or_broken(terms: list[str], junk: str) -> None:
    whole = parse_record(" ".join(["v=spf1", *terms]))
    assert [directive.text for directive in whole.directives] == [term for term in terms if term != "x=y"]
    with suppress(BrokenRecord):  # and nothing else
        parse_record(" ".join(["v=spf1", *terms, junk]))


@pytest.mark.parametrize(
    "text",
    [
        "a:" + "1" * 4000,
        "a:" + "1-" * 2000,
        "a:" + "." * 4000,
        "a:" + "/1" * 2000,
        "x=" + "%{d}" * 1000,
        "a " * 2000,
        "a:x." + "a" * 3900 + "!",
        "a:x." + "a1" * 1950 + "!",
        "a:x." + "1" * 3900,
        "%" * 4000,
        "a:%{" + "l" * 4000,
    ],
)
def test_no_record_takes_long_to_read(text: str) -> None:
    begun = time.process_time()
    with suppress(BrokenRecord):
        parse_record(f"v=spf1 {text}")
    assert time.process_time() - begun < 0.05


def test_a_broken_record_is_not_read_anew_for_every_mail() -> None:
    text = "v=spf1 " + "ip4:192.0.2.1 " * 280 + "nonsense"
    begun = time.process_time()
    for _ in range(1000):
        with pytest.raises(BrokenRecord, match="'nonsense' is no mechanism"):
            parse_record(text)
    assert time.process_time() - begun < 0.3
