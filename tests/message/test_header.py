# SPDX-License-Identifier: Apache-2.0
"""Header fields by name, unfolded and decoded; structured values and their parameters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.header import HeaderFields, parse_structured

HEADER = HeaderFields(
    b"Received: one\r\nSUBJECT :  a\r\n\tb \r\nno field\r\nreceived:two\r\nX-Empty:\r\n"
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@in.test>\r\n\r\n"
)

pieces = st.sampled_from(
    [b"A", b"b", b"Subject", b":", b" ", b"\t", b"\r\n", b"\r\n ", b"\n", b"\r", b"\x85", b"\x0c", b"\xe9"]
)
sections = st.lists(pieces, max_size=40).map(b"".join)


def test_names_are_found_in_any_case_and_bodies_are_unfolded() -> None:
    assert HEADER.first("subject") == b"a\tb"
    assert HEADER.all("Received") == (b"one", b"two")


def test_a_field_without_text_is_there_and_another_is_not() -> None:
    assert HEADER.first("x-empty") == b""
    assert HEADER.first("x-other") is None
    assert (HEADER.all("x-other"), HEADER.texts("x-other"), HEADER.text("x-other")) == ((), (), "")


def test_text_is_decoded() -> None:
    assert HEADER.text("from") == "Jürgen <j@in.test>"


def test_the_first_field_may_be_folded_and_the_last_without_a_line_end() -> None:
    assert HeaderFields(b"a: b\n c").first("a") == b"b c"


def test_only_line_feeds_end_lines() -> None:
    assert HeaderFields(b"a: 1\x0cb: 2\x85c: 3\rd: 4\n").all("a") == (b"1\x0cb: 2\x85c: 3\rd: 4",)


@given(sections)
def test_fields_are_those_of_a_reading_line_by_line(section: bytes) -> None:
    expected: dict[bytes, list[bytes]] = {}
    for field in re.split(rb"\n(?![ \t])", section):
        name, colon, body = field.partition(b":")
        name = name.rstrip(b" \t")
        if colon and re.fullmatch(rb"[!-9;-~]+", name):
            expected.setdefault(name.lower(), []).append(re.sub(rb"\r?\n", b"", body).strip(b" \t\r\n"))
    header = HeaderFields(section)
    for name in (b"a", b"b", b"ab", b"subject"):
        assert header.all(name.decode()) == tuple(expected.get(name, ()))


@given(st.binary(max_size=100))
def test_whatever_comes_is_no_failure(section: bytes) -> None:
    header = HeaderFields(section)
    assert len(header.all("a")) == len(header.texts("a"))


@pytest.mark.parametrize("piece", [b"a:\n", b"\n ", b"a \t", b"a:\r\n \r\n", b":", b"\r"])
def test_a_hostile_section_costs_one_pass(piece: bytes) -> None:
    header = HeaderFields(b"a:" + piece * 200_000)
    assert header.first("a") is not None


@pytest.mark.parametrize(
    ("body", "value", "parameters"),
    [
        (None, "", {}),
        (b"Text/Plain", "text/plain", {}),
        (b'text/html; Charset="UTF-8"; format=flowed', "text/html", {"charset": "UTF-8", "format": "flowed"}),
        (b'multipart/mixed;boundary="a b;\\"c"', "multipart/mixed", {"boundary": 'a b;"c'}),
        (b"text/plain; charset=a; charset=b", "text/plain", {"charset": "a"}),
        (b"text/plain; charset*=us-ascii'en'utf-8", "text/plain", {"charset": "utf-8"}),
        (b'x/y; boundary*0="ab"; boundary*1=cd', "x/y", {"boundary": "abcd"}),
        (b"x/y; a*0=b; a*0=c; a*1=d", "x/y", {"a": "bd"}),
        (b'x/y; boundary="not closed', "x/y", {"boundary": "not closed"}),
        (b"; ;; = ;a", "", {}),
    ],
)
def test_structured_values_are_read_as_they_come(body: bytes | None, value: str, parameters: dict[str, str]) -> None:
    assert parse_structured(body) == (value, parameters)


@given(st.text(alphabet="a=;\"'\\* 0\r\n/", max_size=60))
def test_no_structured_value_is_a_failure(body: str) -> None:
    parse_structured(body.encode())
