# SPDX-License-Identifier: Apache-2.0
"""A document's text: encodings, line ends, comments, and where its lines stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.rules.document import MAX_LINE, Document, Line, Origin, decode_text


def document(text: str) -> Document:
    return Document("effect.dat", "", 3, text)


@pytest.mark.parametrize(
    "octets", ["件名".encode(), b"\xef\xbb\xbf" + "件名".encode(), "件名".encode("cp932")], ids=["utf8", "bom", "cp932"]
)
def test_a_file_is_read_in_either_encoding(octets: bytes) -> None:
    assert decode_text(octets) == "件名"


def test_what_is_neither_encoding_is_replaced_and_nothing_is_lost_around_it() -> None:
    assert decode_text(b"10.0.0.1 true\n\x81\n10.0.0.2") == "10.0.0.1 true\n\ufffd\n10.0.0.2"


def test_comments_and_blank_lines_are_counted_and_left_out() -> None:
    read = list(document("'---\r\n\r\n10.0.0.1 true \t\r\n \t\r\n#<> default").lines())
    assert read == [Line(3, "10.0.0.1 true"), Line(5, "#<> default")]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_each_kind_of_line_end_ends_a_line(line_end: str) -> None:
    assert list(document(f"a{line_end}b").lines()) == [Line(1, "a"), Line(2, "b")]


def test_other_separators_of_unicode_end_no_line() -> None:
    assert list(document("a\u2028b\x0bc\x0cd\x85e").lines()) == [Line(1, "a\u2028b\x0bc\x0cd\x85e")]


def test_a_mark_at_the_start_of_a_text_is_no_part_of_its_first_line() -> None:
    assert list(document("\ufeff10.0.0.1").lines()) == [Line(1, "10.0.0.1")]


def test_an_overlong_line_is_a_finding_and_no_rule() -> None:
    long = document("a\n" + "b" * (MAX_LINE + 1))
    assert list(long.lines()) == [Line(1, "a")]
    [finding] = long.overlong()
    assert str(finding) == "error: effect.dat:2: is longer than 8192 characters and is not read; shorten it"


def test_an_origin_reads_as_people_say_it() -> None:
    assert str(Origin("mail.dat", "ann@in.test", 4, 12)) == "mail.dat of ann@in.test:12"
    assert str(document("").origin(7)) == "effect.dat:7"


@given(st.text(alphabet="a \t\r\n'\u2028", max_size=80))
def test_lines_are_those_of_the_text(text: str) -> None:
    lines = list(document(text).all_lines())
    plain = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert lines == [Line(number, line.rstrip(" \t")) for number, line in enumerate(plain, start=1)]
