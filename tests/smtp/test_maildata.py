# SPDX-License-Identifier: Apache-2.0
"""Mail data: where it ends, dots, bare newlines, size and line length, in any splitting; beside it slow and plain references."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from genkan.smtp.maildata import BareNewline, Chunk, ContentGate, DotReader, Fault, has_only_crlf

# Octets in which line ends and dots are everywhere.
TRICKY = st.lists(st.sampled_from([b"\r\n", b"\r\n", b".", b"\r", b"\n", b"a", b"bc"])).map(b"".join)
LINES = st.lists(st.lists(st.sampled_from([b".", b"a", b"\xff"]), max_size=8).map(b"".join), max_size=8)
LIMIT = 6


def content_of(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


def stuffed(content: bytes) -> bytes:
    """Content as a client sends it after DATA (RFC 5321, 4.5.2): one line after the other."""
    lines = content.split(b"\r\n")[:-1]
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """The octets in pieces, cut at those places."""
    borders = [0, *sorted({place % (len(octets) + 1) for place in places}), len(octets)]
    return [octets[start:end] for start, end in pairwise(borders)]


def single(octets: bytes) -> list[bytes]:
    return [octets[place : place + 1] for place in range(len(octets))]


CUTS = st.lists(st.integers(0, 10_000), max_size=6)


def read_all(pieces: list[bytes]) -> tuple[bytes, bytes | None]:
    reader, content = DotReader(), b""
    for number, piece in enumerate(pieces):
        passed, rest = reader.read(piece)
        content += passed
        if rest is not None:
            return content, rest + b"".join(pieces[number + 1 :])
    return content, None


@given(LINES, st.sampled_from([b"", b"QUIT\r\n", b".\r\n", b"\r\n.\r\n"]), CUTS)
@settings(deadline=None)
def test_what_was_stuffed_is_read_back_in_any_splitting(lines: list[bytes], behind: bytes, places: list[int]) -> None:
    content = content_of(lines)
    wire = stuffed(content) + behind
    assert read_all(cut(wire, places)) == (content, behind)
    assert read_all(single(wire)) == (content, behind)


@given(TRICKY, CUTS)
@settings(deadline=None)
def test_any_octets_read_the_same_in_any_splitting(wire: bytes, places: list[int]) -> None:
    whole, rest = read_all([wire])
    pieces, rest_of_pieces = read_all(cut(wire, places))
    assert rest_of_pieces == rest
    if rest is not None:
        assert pieces == whole


@pytest.mark.parametrize(
    "ending",
    [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\n. \r\n", b"\r\n.\x00\r\n", b".\r\n"],
)
def test_nothing_but_crlf_dot_crlf_ends_mail_data(ending: bytes) -> None:
    content, rest = read_all([b"a" + ending + b"b"])
    assert rest is None
    assert content.startswith(b"a")


@pytest.mark.parametrize(
    ("wire", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a.\r\n.\r\n", b"a.\r\n"),
        (b"\r\n..\r\n..\r\n.\r\n", b"\r\n.\r\n.\r\n"),
    ],
)
def test_one_dot_is_taken_from_each_line_that_begins_with_one(wire: bytes, content: bytes) -> None:
    assert read_all([wire]) == (content, b"")
    assert read_all(single(wire)) == (content, b"")


def pass_all(gate: ContentGate, pieces: list[bytes]) -> bytes:
    passed = b"".join(gate.put(piece) for piece in pieces)
    return passed + gate.finish()


def gate(bare_newline: BareNewline = BareNewline.REFUSE, size: int = 0, line: int = 0) -> ContentGate:
    return ContentGate(bare_newline, size, line)


@given(TRICKY)
def test_every_octet_is_looked_at_for_bare_newlines(octets: bytes) -> None:
    assert has_only_crlf(octets) == (re.search(rb"\r(?!\n)|(?<!\r)\n", octets) is None)


@given(TRICKY, CUTS)
@settings(deadline=None)
def test_bare_newlines_are_refused_in_any_splitting(octets: bytes, places: list[int]) -> None:
    for pieces in ([octets], cut(octets, places), single(octets)):
        checking = gate()
        passed = pass_all(checking, pieces)
        if has_only_crlf(octets):
            assert (passed, checking.fault, checking.size) == (octets, None, len(octets))
        else:
            assert checking.fault is Fault.BARE_NEWLINE


@given(TRICKY, CUTS)
@settings(deadline=None)
def test_normalising_makes_each_newline_one_crlf_in_any_splitting(octets: bytes, places: list[int]) -> None:
    expected = re.sub(rb"\r\n|\r|\n", b"\r\n", octets)
    for pieces in ([octets], cut(octets, places), single(octets)):
        checking = gate(BareNewline.NORMALISE)
        assert pass_all(checking, pieces) == expected
        assert (checking.fault, checking.size) == (None, len(expected))


@given(TRICKY, CUTS, st.sampled_from(list(BareNewline)), st.integers(0, 12))
@example(b"a" * (LIMIT + 1) + b"\r\n\n", [LIMIT + 3], BareNewline.REFUSE, 0)
@settings(deadline=None, max_examples=300)
def test_the_fault_that_is_told_does_not_depend_on_the_splitting(
    octets: bytes, places: list[int], bare_newline: BareNewline, size: int
) -> None:
    checks = [gate(bare_newline, size, LIMIT) for _ in range(3)]
    for check, pieces in zip(checks, ([octets], cut(octets, places), single(octets)), strict=True):
        pass_all(check, pieces)
    assert len({check.fault for check in checks}) == 1


@given(st.lists(st.integers(0, 3 * LIMIT), max_size=6), CUTS)
@settings(deadline=None, max_examples=300)
def test_a_line_over_the_limit_is_found_in_any_splitting(lengths: list[int], places: list[int]) -> None:
    octets = b"".join(b"x" * length + b"\r\n" for length in lengths)
    expected = Fault.LINE_TOO_LONG if any(length > LIMIT for length in lengths) else None
    for pieces in ([octets], cut(octets, places), single(octets)):
        check = gate(line=LIMIT)
        pass_all(check, pieces)
        assert check.fault is expected


@pytest.mark.parametrize(("size", "fault"), [(9, Fault.TOO_BIG), (10, None), (11, None), (0, None)])
def test_content_may_be_as_big_as_the_limit_and_not_bigger(size: int, fault: Fault | None) -> None:
    check = gate(size=size)
    assert pass_all(check, [b"12345", b"678\r\n"]) == (b"12345678\r\n" if fault is None else b"12345")
    assert check.fault is fault


def test_after_a_fault_nothing_passes() -> None:
    check = gate(size=4)
    assert [check.put(piece) for piece in (b"123", b"456", b"7\r\n")] == [b"123", b"", b""]
    assert check.finish() == b""


def test_a_bare_newline_behind_another_fault_still_counts_most() -> None:
    check = gate(size=4, line=LIMIT)
    pass_all(check, [b"x" * 50, b"\r\n", b"\n.\n"])
    assert check.fault is Fault.BARE_NEWLINE


def test_a_chunk_has_all_its_octets_still_to_come() -> None:
    chunk = Chunk(5, last=True)
    assert (chunk.size, chunk.remaining, chunk.last, chunk.refusal) == (5, 5, True, None)
