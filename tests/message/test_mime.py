# SPDX-License-Identifier: Apache-2.0
"""The text reader: which texts it finds, that splitting changes nothing, and that hostile content stays cheap."""

from __future__ import annotations

import base64
import itertools
import quopri
import tracemalloc
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.mime import MAX_DEPTH, MAX_HEADER, MAX_PARTS, TextReader

WORD = "未承諾広告"
MIXED = b"From: a@in.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
LIMIT = 100_000


class Found(NamedTuple):
    """All that a reader tells."""

    texts: list[str]
    content_types: list[str]
    subject: str


def read(*chunks: bytes, limit: int = LIMIT) -> Found:
    reader = TextReader(limit)
    for chunk in chunks:
        reader.feed(chunk)
    reader.finish()
    return Found(reader.texts, reader.content_types, reader.header.text("subject"))


def texts(content: bytes, limit: int = LIMIT) -> list[str]:
    return read(content, limit=limit).texts


def part(content_type: bytes, body: bytes, encoding: bytes = b"") -> bytes:
    field = b"Content-Transfer-Encoding: %s\r\n" % encoding if encoding else b""
    return b"--b\r\nContent-Type: %s\r\n%s\r\n%s\r\n" % (content_type, field, body)


pieces = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"--",
        b"--b",
        b"--c",
        b"--b--",
        b"\r\n--b\r\n",
        b"\r\n--c\r\n",
        b" ",
        b"x",
        b"\xe3\x81\x82",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        b"Content-Type: multipart/digest; boundary=c\n\n",
        b"Content-Type: text/html\r\n\r\n<b>",
        b"Content-Type: message/rfc822\n\n",
        b"Content-Type: image/png\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"=",
        b"YQ==",
    ]
)
contents = st.lists(pieces, max_size=40).map(b"".join)


def test_plain_text_and_header_are_found() -> None:
    assert read(b"Subject: =?utf-8?q?=C3=A9?=\r\n\r\nHello\r\nthere\r\n") == (
        ["Hello\r\nthere\r\n"],
        ["text/plain"],
        "é",
    )


@pytest.mark.parametrize("content", [b"", b"\r\n", b"Subject: x", b"Subject: x\r\n", b"Subject: x\r\n\r\n"])
def test_content_without_a_body_has_no_text(content: bytes) -> None:
    assert texts(content) == []


def test_the_header_ends_at_the_first_blank_line_even_when_it_is_the_first() -> None:
    assert read(b"\r\nSubject: body\r\n") == (["Subject: body\r\n"], ["text/plain"], "")


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("iso-2022-jp", "iso2022_jp"), ("Shift_JIS", "cp932"), ("EUC-JP", "euc_jp"), ("utf-8", "utf-8")],
)
@pytest.mark.parametrize("encoding", ["7bit", "8bit", "binary", "BASE64", "quoted-printable", "x-unknown"])
def test_a_word_is_the_same_in_every_charset_and_encoding(charset: str, codec: str, encoding: str) -> None:
    octets = WORD.encode(codec)
    match encoding:
        case "BASE64":
            octets = base64.encodebytes(octets)
        case "quoted-printable":
            octets = quopri.encodestring(octets)
    header = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    assert texts(header.encode() + octets) == [WORD]


@pytest.mark.parametrize("codec", ["iso2022_jp", "cp932", "euc_jp", "utf-8"])
def test_a_word_without_a_charset_is_guessed(codec: str) -> None:
    assert texts(b"\n" + WORD.encode(codec)) == [WORD]


def test_parts_are_read_in_their_order_without_preamble_epilogue_and_attachments() -> None:
    content = (
        MIXED
        + part(b"text/plain", b"one")
        + part(b"image/png", b"no text\r\n--bb\r\n--\r\n")
        + part(b"text/calendar", base64.b64encode(b"two"), b"base64")
        + b"--b--\r\nepilogue"
    )
    assert read(content).texts == ["one", "two"]
    assert read(content).content_types == ["multipart/mixed", "text/plain", "image/png", "text/calendar"]


def test_nested_multiparts_and_messages_are_read() -> None:
    inner = b"--c\r\n\r\ninner\r\n--c--\r\nnot read"
    message = b"Subject: x\r\nContent-Type: text/plain\r\n\r\nforwarded"
    content = (
        MIXED
        + part(b"multipart/alternative; boundary=c", inner)
        + part(b"message/rfc822", message)
        + part(b"text/plain", b"last")
    )
    assert texts(content) == ["inner", "forwarded", "last\r\n"]


def test_parts_of_a_digest_are_messages() -> None:
    content = b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nforwarded\n--b--\n"
    assert read(content).texts == ["forwarded"]


def test_an_outer_delimiter_ends_inner_multiparts() -> None:
    content = MIXED + part(b"multipart/mixed; boundary=c", b"--c\r\n\r\nnever ended") + part(b"text/plain", b"next")
    assert texts(content) == ["never ended", "next\r\n"]


def test_a_delimiter_of_a_multipart_that_ended_is_text() -> None:
    content = MIXED + part(b"multipart/mixed; boundary=c", b"--c--") + part(b"text/plain", b"one\r\n--c\r\n\r\ntwo")
    assert texts(content) == ["one\r\n--c\r\n\r\ntwo\r\n"]


def test_html_is_given_as_it_is_and_as_visible_text() -> None:
    assert texts(b"Content-Type: text/html\n\n<p>V<b></b>iagra &amp; more") == [
        "<p>V<b></b>iagra &amp; more",
        "\nViagra & more",
    ]


def test_html_without_markup_is_given_once() -> None:
    assert texts(b"Content-Type: text/html\n\nplain") == ["plain"]


def test_a_delimiter_may_have_blanks_behind_it_and_needs_a_whole_line() -> None:
    content = MIXED + b"--b \t\r\n\r\none\r\n--bc\r\n --b\r\n--b--  \r\nno"
    assert texts(content) == ["one\r\n--bc\r\n --b"]


def test_a_part_without_a_blank_line_is_read_as_text() -> None:
    assert texts(MIXED + b"--b\r\nclick here\r\n--b--") == ["click here"]


def test_parts_behind_the_end_of_a_multipart_are_read_all_the_same() -> None:
    assert texts(MIXED + b"--b--\r\n--b\r\n\r\nhidden\r\n--b--") == ["hidden"]


@pytest.mark.parametrize("boundary", [b"", b'; boundary=""', b"; boundary=" + b"x" * 1000])
def test_a_multipart_without_a_usable_boundary_is_read_as_text(boundary: bytes) -> None:
    assert texts(b"Content-Type: multipart/mixed" + boundary + b"\n\n--x\n\nbody") == ["--x\n\nbody"]


def test_broken_encodings_give_what_can_be_read() -> None:
    assert texts(b"Content-Transfer-Encoding: base64\n\nYWJj*ZGVm\n-- \n!!") == ["abcdef"]
    assert texts(b"Content-Transfer-Encoding: quoted-printable\n\na=ZZb=\nc=") == ["a=ZZbc"]


def test_texts_together_are_no_longer_than_the_limit() -> None:
    content = MIXED + part(b"text/plain", b"a" * 30) + part(b"text/plain", b"b" * 30) + part(b"text/plain", b"c" * 30)
    assert texts(content, 40) == ["a" * 30, "b" * 10]
    assert read(content, limit=40).content_types == ["multipart/mixed", "text/plain", "text/plain", "text/plain"]


def test_octets_that_are_no_text_count_too() -> None:
    content = MIXED + part(b"text/plain", b"!" * 1000, b"base64") + part(b"text/plain", b"text")
    assert texts(content, 250) == []
    assert texts(content, 300) == ["text\r\n"]


def test_the_limit_holds_for_text_that_is_far_too_long() -> None:
    assert texts(b"\n" + b"a" * 10_000, 7) == ["a" * 7]
    assert texts(b"\n", 0) == []


def test_the_limit_counts_octets_whatever_they_become() -> None:
    assert texts("\n日本語".encode(), 6) == ["日本"]
    assert texts(b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(b"a" * 100), 60) == ["a" * 60]
    assert texts(b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=61" * 100, 60) == ["a" * 60]


@pytest.mark.parametrize("size", [2, 1000, 65536])
@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_under_way_hardly_more_is_held_than_the_limit(encoding: str, size: int) -> None:
    limit = 256 * 1024
    content = b"Content-Transfer-Encoding: %b\n\n" % encoding.encode() + b"QUFB" * limit
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    reader = TextReader(limit)
    tracemalloc.start()
    try:
        for piece in pieces:
            reader.feed(piece)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.5 * limit
    reader.finish()
    assert sum(map(len, reader.texts)) == limit


def test_a_header_section_is_kept_up_to_a_bound_and_the_body_is_still_found() -> None:
    content = b"Subject: x\n" + b"X: y\n" * MAX_HEADER + b"\nbody"
    assert read(content) == (["body"], ["text/plain"], "x")


def test_parts_are_counted_and_the_rest_is_left_alone() -> None:
    content = MIXED + b"--b\n\nx\n" * (MAX_PARTS + 10)
    assert len(texts(content)) == MAX_PARTS - 1


def test_multiparts_too_deep_are_read_as_text() -> None:
    header = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"
    content = b"".join(header % (n, n) for n in range(MAX_DEPTH + 2)) + b"\nbottom"
    found = read(content)
    assert found.content_types == ["multipart/mixed"] * (MAX_DEPTH + 1)
    assert found.texts == [f"--b{MAX_DEPTH}\n" + (header % (MAX_DEPTH + 1, MAX_DEPTH + 1)).decode() + "\nbottom"]


@given(contents, st.lists(st.integers(0, 200), max_size=8), st.integers(0, 30))
def test_splitting_changes_nothing(content: bytes, cuts: list[int], limit: int) -> None:
    whole = read(content, limit=limit)
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    assert read(*(content[a:b] for a, b in itertools.pairwise(edges)), limit=limit) == whole
    assert read(*(content[i : i + 1] for i in range(len(content))), limit=limit) == whole


@given(st.binary(max_size=200), st.integers(0, 50))
def test_whatever_comes_is_read_within_the_limit(content: bytes, limit: int) -> None:
    reader = TextReader(limit)
    reader.feed(content)
    reader.finish()
    assert sum(map(len, reader.texts)) <= 2 * limit


@given(st.lists(st.text(alphabet="ab \n", max_size=20).map(lambda text: text.encode()), min_size=1, max_size=6))
def test_parts_come_out_as_they_went_in(bodies: list[bytes]) -> None:
    content = MIXED + b"".join(part(b"text/plain", body) for body in bodies) + b"--b--\r\n"
    assert texts(content) == [body.decode() for body in bodies if body]


@pytest.mark.parametrize(
    "body",
    [
        b"a" * 5_000_000,
        b"\n--" * 300_000,
        b"\n--bx" * 300_000,
        b"\n--b" * 300_000,
        b"\n--b" + b" " * 2_000_000,
        b"\r" * 2_000_000,
        b"\n" * 2_000_000,
        b"\n--b\nContent-Type: image/png\n\n" + (b"A" * 76 + b"\r\n") * 50_000,
        b"\n--b\nContent-Transfer-Encoding: base64\n\n" + b"=" * 1_000_000,
        b"\n--b\nContent-Type: text/html\n\n" + b'<a"' * 300_000,
        b"\n--b\nContent-Type: message/rfc822\n\n" * 20_000,
        b"\n--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 20_000,
    ],
)
def test_hostile_content_costs_one_pass(body: bytes) -> None:
    content = MIXED + body
    reader = TextReader(LIMIT)
    for start in range(0, len(content), 65536):
        reader.feed(content[start : start + 65536])
    reader.finish()
    assert sum(map(len, reader.texts)) <= 2 * LIMIT
