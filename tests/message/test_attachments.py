# SPDX-License-Identifier: Apache-2.0
"""The parts of a whole mail."""

from __future__ import annotations

import time
from base64 import encodebytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.attachments import MAX_DEPTH, MAX_HEADER, MOST_PARTS, PIECE, Part, parts_of


def parts(content: bytes) -> list[Part]:
    return list(parts_of(content))


def test_a_mail_without_parts_is_one() -> None:
    assert parts(b"From: x\r\n\r\nhello\r\n") == [Part("text/plain", "", b"hello\r\n")]
    assert parts(b"\r\nhello") == [Part("text/plain", "", b"hello")]
    assert parts(b"From: x\r\n") == [Part("text/plain", "", b"")]
    assert parts(b"") == [Part("text/plain", "", b"")]


def test_parts_come_in_their_order_with_names_and_decoded() -> None:
    content = (
        b'Content-Type: MULTIPART/mixed; boundary="outer b "\r\n\r\npreamble\r\n'
        b"--outer b\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
        b"--inner\r\n\r\nfirst\r\n--inner \r\nContent-Type: text/html\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db\r\n--inner--\r\nepilogue\r\n"
        b"--outer b\r\nContent-Type: Application/GZIP; name=n.gz\r\nContent-Transfer-Encoding: BASE64\r\n\r\naGVs\r\nbG8=\r\n"
        b'--outer b\r\nContent-Disposition: attachment; filename="f (1).xml"\r\nContent-Type: text/xml; name=x\r\n\r\n<a/>\r\n'
        b"--outer b--\r\n--outer b\r\n\r\nepilogue\r\n"
    )
    assert parts(content) == [
        Part("text/plain", "", b"first"),
        Part("text/html", "", b"a=b"),
        Part("application/gzip", "n.gz", b"hello"),
        Part("text/xml", "f (1).xml", b"<a/>"),
    ]
    assert parts(content.replace(b"\r\n", b"\n")) == parts(content)


def test_a_mail_within_the_mail_is_one_part() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
    assert parts(b"Content-Type: message/rfc822\r\n\r\n" + inner) == [Part("message/rfc822", "", inner)]


def test_a_multipart_that_is_cut_off_ends_there() -> None:
    assert parts(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\ny") == [
        Part("text/plain", "", b"x\r\ny")
    ]
    assert parts(b"Content-Type: multipart/mixed; boundary=b\r\n\r\nx\r\n--bc\r\n\r\ny") == []


def test_a_part_with_an_endless_header_section_has_no_body() -> None:
    fields = b"Content-Type: text/xml\r\nX: " + b"x" * MAX_HEADER
    assert parts(fields + b"\r\n\r\nbody") == [Part("text/xml", "", b"")]
    assert parts(b"\r\n" + fields + b"\r\n\r\nbody") == [Part("text/plain", "", fields + b"\r\n\r\nbody")]


def test_where_a_header_section_ends_is_the_same_for_each_line_end() -> None:
    for blank in (b"\r\n\r\n", b"\n\n", b"\n\r\n", b"\r\n\n"):
        assert parts(b"Content-Type: text/xml" + blank + b"a\n\nb\r\n\r\n") == [Part("text/xml", "", b"a\n\nb\r\n\r\n")]


def test_a_large_part_is_decoded_whole() -> None:
    octets = bytes(range(256)) * (PIECE // 100)
    head = b"Content-Transfer-Encoding: base64\r\n\r\n"
    assert parts(head + encodebytes(octets)) == [Part("text/plain", "", octets)]


def test_what_has_no_boundary_or_lies_too_deep_is_not_taken_apart() -> None:
    assert parts(b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx") == [Part("multipart/mixed", "", b"--\r\n\r\nx")]
    content = b"x"
    for number in range(MAX_DEPTH + 1):
        content = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%b" % (number, number, content)
    assert [part.content_type for part in parts(content)] == ["multipart/mixed"]


def test_only_so_many_parts_are_looked_at() -> None:
    assert (
        len(parts(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 1000)) == MOST_PARTS - 1
    )


@given(
    st.lists(st.sampled_from([b"--b", b"--b--", b"\r\n", b"\n", b" ", b"Content-Type: multipart/x; boundary=b", b"x"]))
)
def test_whatever_a_mail_is_it_has_parts_or_none(pieces: list[bytes]) -> None:
    content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"".join(pieces)
    assert sum(len(part.octets) for part in parts_of(content)) <= len(content)


@pytest.mark.parametrize(
    "piece", [b"\r\n--b", b"--", b"\n", b"\r", b"\r\n--b\r\n\r\n", b" ", b"\r\n--b \t", b"a: b\r\n", b"\n--bc"]
)
def test_no_mail_takes_long(piece: bytes) -> None:
    content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + piece * (1024 * 1024 // len(piece))
    before = time.process_time()
    parts(content)
    assert time.process_time() - before < 0.5
