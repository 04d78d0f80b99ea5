# SPDX-License-Identifier: Apache-2.0
"""Lists of addresses: where each stands, and when that is not sure."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.address_list import LONGEST, MOST_ADDRESSES, parse_addresses


@pytest.mark.parametrize(
    ("body", "addresses"),
    [
        ("ann@in.test", ["ann@in.test"]),
        ("Ann <ann@in.test>", ["ann@in.test"]),
        ("<ann@in.test>", ["ann@in.test"]),
        ('"Last, Ann <x@y>" <ann@in.test>', ["ann@in.test"]),
        ('"a \\" , <x@y>" <ann@in.test>', ["ann@in.test"]),
        ("(a (nested \\) ) comment, <x@y>) ann@in.test (Ann)", ["ann@in.test"]),
        ("Ann (of <x@y>)<ann@in.test>(end)", ["ann@in.test"]),
        ("ann@out.test <ann@in.test>", ["ann@in.test"]),
        ("Dr. Ann O'Neil [home] <ann@in.test>", ["ann@in.test"]),
        ("=?utf-8?Q?Ann=2C?= <ann@in.test>", ["ann@in.test"]),
        ("\N{HIRAGANA LETTER A}\udc82\udcf1 <ann@in.test>", ["ann@in.test"]),
        ('"a b, c"@in.test', ['"a b, c"@in.test']),
        ('<"a>b"@in.test>', ['"a>b"@in.test']),
        ("<ann@[IPv6:::1]>, bob@[192.0.2.1]", ["ann@[IPv6:::1]", "bob@[192.0.2.1]"]),
        ("a@x.test,b@y.test , C <c@z.test>", ["a@x.test", "b@y.test", "c@z.test"]),
        (",a@x.test,,b@y.test,", ["a@x.test", "b@y.test"]),
        ("Friends: a@x.test, B <b@y.test>;", ["a@x.test", "b@y.test"]),
        ("Friends: a@x.test;, c@z.test", ["a@x.test", "c@z.test"]),
        ("undisclosed recipients:;", []),
        ("", []),
        (" (nobody) ", []),
        ("ann", ["ann"]),
        ("ann @ in.test", ["ann @ in.test"]),
    ],
)
def test_addresses_are_found(body: str, addresses: list[str]) -> None:
    assert parse_addresses(body) == tuple(addresses)


@pytest.mark.parametrize(
    "body",
    [
        "<a@x.test> <b@y.test>",
        "<a@x.test> Ann",
        "<a@x.test>b",
        "<>",
        "Ann <>",
        "<a@x.test",
        "a@x.test>",
        '"Ann <a@x.test>',
        "(Ann <a@x.test>",
        "Ann) <a@x.test>",
        "a@x.test; b@y.test",
        "a: b: c@x.test;",
        ": a@x.test;",
        "<a@x.test>: b@y.test;",
        "Friends: a@x.test",
        "<@route.test,@other.test:a@x.test> <",
        "a@[192.0.2.1",
        "a@x.test\0",
        "a" * (LONGEST + 1),
        ",".join(["a@x.test"] * (MOST_ADDRESSES + 1)),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(body: str) -> None:
    assert parse_addresses(body) is None


WORDS = st.lists(st.sampled_from(["Ann", '"a, <x@y>"', "(c (d))", "[e]", "=?utf-8?q?f?="]), max_size=3).map(" ".join)


@given(st.lists(st.tuples(WORDS, st.sampled_from(["a@x.test", '"b c"@y.test', "d@[::1]"])), max_size=5))
def test_names_change_nothing(people: list[tuple[str, str]]) -> None:
    body = ",\t".join(f"{name} <{address}> (x)" for name, address in people)
    assert parse_addresses(body) == tuple(address for _, address in people)


@given(st.text(st.sampled_from('ab@.,:;<>()"\\[] '), max_size=40))
def test_no_address_holds_what_separates_addresses(body: str) -> None:
    for address in parse_addresses(body) or ():
        assert address == address.strip() != ""


@pytest.mark.parametrize(
    "piece", ["(", "()", '"', '""', "<", "<>", "a ", "a,", '\\"', "(\\", "a: ;", "[", "\t", '"\\', "a@"]
)
def test_no_body_takes_long(piece: str) -> None:
    body = (piece * LONGEST)[:LONGEST]
    before = time.process_time()
    parse_addresses(body)
    parse_addresses("<" + body[1:])
    assert time.process_time() - before < 0.1
