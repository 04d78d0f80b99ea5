# SPDX-License-Identifier: Apache-2.0
"""The header scan and the parting from the body: what is counted and kept, however it is split, and that it stays small."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.content import MAX_BODY, HeaderScan, Parting

HEADER = (
    b"Received: from a.example\r\n by b.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"RECEIVED \t: by c.example\r\n"
    b"X-Received: by d.example\r\n"
    b"Subject: Received:\r\n received: folded\r\n"
    b"From: Ann\r\n\t<ann@in.test>\r\n"
)


class Found(NamedTuple):
    """All that a scan tells."""

    received: int
    from_fields: int
    from_field: bytes
    header_octets: int
    ended: bool


def scan(*chunks: bytes) -> Found:
    header = HeaderScan()
    for chunk in chunks:
        header.feed(chunk)
    return Found(header.received, header.from_fields, header.from_field, header.header_octets, header.ended)


def read_line_by_line(content: bytes) -> Found:
    """The same the plain way, with the whole content in memory."""
    head, blank, _ = (b"\n" + content).partition(b"\n\n")
    as_crlf, crlf_blank, _ = (b"\n" + content).partition(b"\n\r\n")
    if crlf_blank and (not blank or len(as_crlf) < len(head)):
        head, blank = as_crlf, crlf_blank
    octets = len(head) if blank else len(content)
    fields = re.split(rb"\n(?![ \t])", head[1:])
    names = [field.partition(b":")[0].rstrip(b" \t").lower() if b":" in field else b"" for field in fields]
    bodies = [field.partition(b":")[2] for field, name in zip(fields, names, strict=True) if name == b"from"]
    body = re.sub(rb"\r?\n", b"", bodies[0][:MAX_BODY]).strip(b" \t\r") if bodies else b""
    return Found(names.count(b"received"), len(bodies), body, octets, bool(blank))


pieces = st.sampled_from(
    [b"Received", b"received", b"From", b"FROM", b"Subject", b":", b": x", b" ", b"\t", b"\r\n", b"\r\n ", b"\n", b"\r"]
)
contents = st.lists(pieces, max_size=60).map(b"".join)


def test_received_fields_are_counted_in_any_case_and_folded_lines_are_not() -> None:
    assert scan(HEADER + b"\r\nReceived: in the body\r\n").received == 2


def test_the_from_body_is_unfolded() -> None:
    assert scan(HEADER + b"\r\n").from_field == b"Ann\t<ann@in.test>"


def test_only_the_first_from_field_is_remembered_and_all_are_counted() -> None:
    found = scan(b"From: ann@in.test\r\nfrom: eve@out.test\r\nFrom : x\r\n\r\n")
    assert (found.from_field, found.from_fields) == (b"ann@in.test", 3)


def test_header_octets_leave_out_the_blank_line() -> None:
    assert scan(HEADER + b"\r\nbody\r\n").header_octets == len(HEADER)


@given(st.lists(st.sampled_from([b"\r\n", b"\n", b"A: b\r\n", b" c\n", b"d"]), max_size=12), st.integers(0, 30))
def test_header_lines_are_those_before_the_blank_one(pieces: list[bytes], cut: int) -> None:
    content = b"".join(pieces)
    header = HeaderScan()
    for chunk in (content[:cut], content[cut:]):
        header.feed(chunk)
    before = re.split(rb"^\r?\n", content, maxsplit=1, flags=re.MULTILINE)[0]
    assert header.header_lines == before.count(b"\n")


def test_header_octets_grow_before_the_header_section_ends() -> None:
    assert scan(b"X: " + b"a" * 500, b"a" * 500).header_octets == 1003


def test_content_without_header_ends_it_at_once() -> None:
    assert scan(b"\r\nReceived: x\r\nFrom: y\r\n") == Found(0, 0, b"", 0, ended=True)


def test_feeding_after_the_end_changes_nothing() -> None:
    ended = scan(HEADER + b"\r\n")
    assert scan(HEADER + b"\r\n", b"\r\nReceived: x\r\nFrom: y\r\n") == ended


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_chunks_of_any_size_give_the_same(size: int) -> None:
    content = HEADER + b"To: bob\r\n" + b"X: " + b"y" * 5000 + b"\r\nReceived: z\r\n\r\nReceived: body\r\n"
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    assert scan(*chunks) == read_line_by_line(content)


@given(contents, st.lists(st.integers(0, 200)))
def test_any_splitting_gives_what_reading_line_by_line_gives(content: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(content)]
    chunks = [content[start:end] for start, end in pairwise(places)]
    assert scan(*chunks) == read_line_by_line(content)


@pytest.mark.parametrize("excess", [-3, -2, -1, 0, 1, 2, 3, 5000])
@pytest.mark.parametrize("size", [1, 4096, 100_000])
def test_a_long_from_body_is_cut_at_the_same_octet_however_it_is_split(excess: int, size: int) -> None:
    content = b"From:" + b"a" * (MAX_BODY + excess) + b"\r\nTo: x\r\n\r\n"
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    assert scan(*chunks).from_field == b"a" * (MAX_BODY + min(excess, 0))


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\r\n x\r\n\r\n"])
@pytest.mark.parametrize("excess", [-1, 0, 1, 5000])
@pytest.mark.parametrize("size", [1, 4096, 100_000])
def test_a_from_field_that_was_cut_says_nothing_for_sure(excess: int, size: int, end: bytes) -> None:
    content = b"From:" + b"a" * (MAX_BODY + excess) + end
    header = HeaderScan()
    for start in range(0, len(content), size):
        header.feed(content[start : start + size])
    is_whole = excess + (2 if b"x" in end else 0) <= 0
    assert header.only_from_field == (b"a" * (MAX_BODY + excess) if is_whole else None)


def test_nor_do_two_of_them_however_their_names_are_spaced() -> None:
    for blanks in (0, 80, 81, 5000):
        header = HeaderScan()
        header.feed(b"From: ann@in.test\r\nFrom" + b" " * blanks + b": bob@in.test\r\n\r\n")
        assert (header.from_fields, header.only_from_field) == (2, None)


def test_endless_lines_are_not_kept() -> None:
    header = HeaderScan()
    for start in (b"From: ", b"\r\nReceived", b"\r\nX: "):
        header.feed(start)
        for _ in range(50):
            header.feed(b" " * 65536)
    kept = [getattr(header, name) for name in HeaderScan.__slots__]
    assert sum(len(value) for value in kept if isinstance(value, bytes)) < MAX_BODY + 200


def test_a_hostile_header_costs_one_pass() -> None:
    hostile = (b"\nreceived" + b" " * 79) * 20_000
    assert scan(hostile, hostile).received == 0


# The parting from the body.


class Reading:
    """Takes a body, and knows how often it was begun."""

    def __init__(self) -> None:
        self.sections: list[bytes] = []
        self.body = b""

    def begin(self, section: bytes) -> Reading:
        assert self.body == b""
        self.sections.append(section)
        return self

    def feed(self, octets: bytes) -> None:
        self.body += octets


def parted(*chunks: bytes, keep: int = 1 << 20) -> tuple[list[bytes], bytes]:
    """The header sections that were given out, which should be one, and the body."""
    reading = Reading()
    parting = Parting(HeaderScan(keep), reading.begin)
    for chunk in chunks:
        parting.feed(chunk)
    parting.finish()
    return reading.sections, reading.body


def cut_at(content: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(content)]
    return [content[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("lines", [b"", b"A: b|", b"A: b|\tc|D: e|"])
@pytest.mark.parametrize("body", [b"", b"x", b"one|", b"|", b"||one||", b"A: b||C: d|"])
def test_the_body_is_what_follows_the_first_blank_line(lines: bytes, body: bytes, end: bytes) -> None:
    section, rest = lines.replace(b"|", end), body.replace(b"|", end)
    assert parted(section + end + rest) == ([section], rest)


@pytest.mark.parametrize("content", [b"", b"\r", b"A", b"A: b", b"A: b\r\n", b"A: b\r\n ", b"A: b\n\r"])
def test_content_without_a_blank_line_is_all_header(content: bytes) -> None:
    assert parted(content) == ([content], b"")


@given(contents, contents, st.lists(st.integers(0, 300)))
def test_cuts_change_neither_section_nor_body(head: bytes, body: bytes, cuts: list[int]) -> None:
    content = head + b"\r\n\r\n" + body
    (section,), rest = parted(*cut_at(content, cuts))
    assert ([section], rest) == parted(content)
    blank = content.removeprefix(section).removesuffix(rest)
    assert section + blank + rest == content
    assert blank in (b"\r\n", b"\n")
    assert len(section) == read_line_by_line(content).header_octets


@given(contents, st.lists(st.integers(0, 300)))
def test_what_is_no_blank_line_when_it_is_cut_is_none(content: bytes, cuts: list[int]) -> None:
    assert parted(*cut_at(content, cuts)) == parted(content)


def test_who_reads_the_body_is_shown_it_at_once_and_not_before() -> None:
    reading = Reading()
    parting = Parting(HeaderScan(100), reading.begin)
    parting.feed(b"A: b\r\n\r")
    assert reading.sections == []
    parting.feed(b"\nbo")
    assert (reading.sections, reading.body) == ([b"A: b\r\n"], b"bo")
    parting.feed(b"dy")
    assert reading.body == b"body"


def test_nobody_may_want_to_read_the_body() -> None:
    begun: list[bytes] = []
    parting = Parting(HeaderScan(100), begun.append)
    for chunk in (b"A: b\r\n\r\n", b"body", b"\r\n\r\n"):
        parting.feed(chunk)
    parting.finish()
    assert begun == [b"A: b\r\n"]


def test_of_a_section_that_is_too_long_only_the_start_is_kept() -> None:
    assert parted(b"A: " + b"b" * 50, b"b" * 50 + b"\r\n\r\nbody", keep=10) == ([b"A: bbbbbbb"], b"body")
