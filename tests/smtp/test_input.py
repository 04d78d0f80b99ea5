# SPDX-License-Identifier: Apache-2.0
"""What waits to be read: lines and octets come out as they went in, however they were cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.smtp.input import InputBuffer, LineFault
from genkan.smtp.maildata import BareNewline

LIMIT = 10

Lines = list[bytes | LineFault]


def buffer(bare_newline: BareNewline = BareNewline.REFUSE) -> InputBuffer:
    return InputBuffer(bare_newline)


def lines_in(waiting: InputBuffer) -> Lines:
    lines: Lines = []
    while (line := waiting.next_line(LIMIT)) is not None:
        lines.append(line)
    return lines


def read_by_ones(octets: bytes) -> Lines:
    waiting, lines = buffer(), []
    for octet in octets:
        waiting.receive(bytes((octet,)))
        lines += lines_in(waiting)
    return lines


@given(st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"a", b"b" * LIMIT, b"c" * 30])).map(b"".join))
def test_lines_are_the_same_whole_and_octet_by_octet(octets: bytes) -> None:
    waiting = buffer()
    waiting.receive(octets)
    assert read_by_ones(octets) == lines_in(waiting)


def test_a_line_is_given_without_its_crlf_and_only_when_that_has_come() -> None:
    waiting = buffer()
    waiting.receive(b"NOOP\r")
    assert waiting.next_line(LIMIT) is None
    waiting.receive(b"\nQU")
    assert waiting.next_line(LIMIT) == b"NOOP"
    assert (waiting.next_line(LIMIT), waiting.size) == (None, 2)


@pytest.mark.parametrize(("length", "expected"), [(LIMIT, b"x" * LIMIT), (LIMIT + 1, LineFault.TOO_LONG)])
def test_the_limit_counts_a_line_without_its_crlf(length: int, expected: bytes | LineFault) -> None:
    assert read_by_ones(b"x" * length + b"\r\n") == [expected]


def test_of_an_overlong_line_nothing_is_kept() -> None:
    waiting = buffer()
    for _ in range(1000):
        waiting.receive(b"x" * 100)
        assert waiting.next_line(LIMIT) is None
        assert waiting.size <= LIMIT + 1
    waiting.receive(b"\r\nNOOP\r\n")
    assert lines_in(waiting) == [LineFault.TOO_LONG, b"NOOP"]


def test_an_lf_alone_ends_a_line_only_where_it_is_normalised() -> None:
    octets = b"NOOP\nQUIT\r\n"
    refusing, normalising = buffer(), buffer(BareNewline.NORMALISE)
    for waiting in (refusing, normalising):
        waiting.receive(octets)
    assert lines_in(refusing) == [LineFault.BARE_NEWLINE, b"QUIT"]
    assert lines_in(normalising) == [b"NOOP", b"QUIT"]


@given(st.lists(st.tuples(st.binary(max_size=20), st.integers(0, 30))))
def test_octets_are_taken_in_the_order_they_came(steps: list[tuple[bytes, int]]) -> None:
    waiting, taken = buffer(), b""
    for octets, count in steps:
        waiting.receive(octets)
        before = waiting.size
        piece = waiting.take(count)
        assert len(piece) == min(count, before)
        taken += piece
    assert taken + waiting.take(waiting.size) == b"".join(octets for octets, _ in steps)


def test_what_is_put_back_is_read_next() -> None:
    waiting = buffer()
    waiting.receive(b"content QUIT\r\n")
    waiting.put_back(waiting.take(waiting.size)[8:])
    assert lines_in(waiting) == [b"QUIT"]
