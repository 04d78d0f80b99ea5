# SPDX-License-Identifier: Apache-2.0
"""Fields as signatures take them: from the bottom up, their own left out, the value of b= left out."""

from __future__ import annotations

from hashlib import sha256
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dkim.header_section import HeaderField, HeaderSection
from genkan.message.header import HeaderFields

SECTION = HeaderSection(b"A: 1\r\nB : 2\r\n  3\r\nno field\r\na:4\r\nC:5")

pieces = st.sampled_from([b"A", b"b", b"From", b":", b" ", b"\t", b"\r\n", b"\r\n ", b"\n", b"\r", b"\x85", b"\xe9"])
sections = st.lists(pieces, max_size=40).map(b"".join)


def test_a_field_has_its_name_its_octets_and_its_body() -> None:
    (field,) = SECTION.named(b"b")
    assert (field.name, field.octets, field.body) == (b"b", b"B : 2\r\n  3\r\n", b" 2\r\n  3\r\n")
    assert (field.canonical("simple"), field.canonical("relaxed")) == (field.octets, b"b:2 3\r\n")
    assert field.canonical("relaxed") is field.canonical("relaxed")


def test_fields_are_taken_from_the_bottom_up_and_no_more_than_there_are() -> None:
    taken = SECTION.selected((b"a", b"c", b"a", b"a", b"x", b""))
    assert [field.octets for field in taken] == [b"a:4\r\n", b"C:5", b"A: 1\r\n"]
    assert (SECTION.count(b"a"), SECTION.count(b"x"), SECTION.named(b"x")) == (2, 0, ())


def test_a_signature_does_not_cover_its_own_field() -> None:
    section = HeaderSection(b"S: own\r\nS: other\r\n")
    own, other = section.named(b"s")
    assert list(section.selected((b"s", b"s"), own)) == [other]


@pytest.mark.parametrize(
    ("field", "simple", "relaxed"),
    [
        (b"S: b=x; bh=y\r\n", b"S: b=; bh=y", b"s:b=; bh=y"),
        (b"S: bh=y; b = x\r\n z\r\n", b"S: bh=y; b =", b"s:bh=y; b ="),
        (b"S:bh=b=;\r\n b=\r\n x ;\r\n", b"S:bh=b=;\r\n b=;", b"s:bh=b=; b=;"),
        (b"S: ab=1; b=x; v=b=1\r\n", b"S: ab=1; b=; v=b=1", b"s:ab=1; b=; v=b=1"),
        (b"S: a=1", b"S: a=1", b"s:a=1"),
    ],
)
def test_only_the_value_of_the_signature_is_left_out(field: bytes, simple: bytes, relaxed: bytes) -> None:
    made = HeaderField(b"s", field)
    assert made.canonical_unsigned("simple") == simple
    assert made.canonical_unsigned("relaxed") == relaxed


def test_what_is_hashed_are_the_fields_and_the_signature_last() -> None:
    section = HeaderSection(b"S: h=a:a; b=x\r\nA: 1\r\na:  2\r\n")
    own = section.named(b"s")[0]
    simple = sha256(b"a:  2\r\nA: 1\r\nS: h=a:a; b=").digest()
    assert section.digest((b"a", b"a", b"a"), "simple", own) == simple
    assert section.digest((b"a", b"a"), "relaxed", own) == sha256(b"a:2\r\na:1\r\ns:h=a:a; b=").digest()


@given(sections)
def test_no_field_is_seen_by_readers_that_a_signature_does_not_see(section: bytes) -> None:
    for name in (b"a", b"b", b"ab", b"from"):
        bodies = [
            b"".join(field.body.replace(b"\r\n", b"\n").split(b"\n")) for field in HeaderSection(section).named(name)
        ]
        shown = HeaderFields(section).all(name.decode())
        assert [body.strip(b" \t\r") for body in bodies] == [one.replace(b"\r\n", b"").strip(b" \t\r") for one in shown]


@pytest.mark.parametrize(
    "header",
    [
        b"a:" + b" " * 262_000 + b"\r\n",
        b"a:" + b"\r\n " * 87_000 + b"\r\n",
        b"a:\r\n" * 65_000,
        b"a" * 262_000,
        b"s:" + b";" * 262_000,
        b"s:" + b"; " * 131_000,
        b"s:" + b"b" * 262_000,
        b"s:" + b"; b" * 87_000,
    ],
)
def test_a_hostile_header_costs_its_length(header: bytes) -> None:
    started = process_time()
    section = HeaderSection(header)
    for name in (b"a", b"s"):
        for field in section.named(name):
            field.canonical("relaxed")
            field.canonical_unsigned("relaxed")
    assert process_time() - started < 2
