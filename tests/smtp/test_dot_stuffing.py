# SPDX-License-Identifier: Apache-2.0
"""Dot transparency on the way out: what our own reader takes away again, in any splitting."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genkan.smtp.dot_stuffing import DotStuffer
from tests.smtp.test_maildata import CUTS, TRICKY, content_of, cut, read_all, single, stuffed

LINES = st.lists(st.lists(st.sampled_from([b".", b"a", b"\xff"]), max_size=4).map(b"".join), max_size=8)


def sent(pieces: list[bytes]) -> bytes:
    stuffer = DotStuffer()
    return b"".join([*map(stuffer.put, pieces), stuffer.finish()])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"a\r\n.\r\n..b\r\n", b"a\r\n..\r\n...b\r\n.\r\n"),
        (b"a.b\n.c\r.d\r\n", b"a.b\n.c\r.d\r\n.\r\n"),
        (b"a\r", b"a\r\r\n.\r\n"),
    ],
)
def test_a_line_that_begins_with_a_dot_gets_another(content: bytes, expected: bytes) -> None:
    assert sent([content]) == expected
    assert sent(single(content)) == expected


@given(LINES, CUTS)
@settings(deadline=None)
def test_lines_are_sent_as_a_slow_client_would_send_them(lines: list[bytes], places: list[int]) -> None:
    content = content_of(lines)
    assert sent(cut(content, places)) == stuffed(content)


@given(TRICKY | st.binary(max_size=50), CUTS, CUTS)
@settings(deadline=None)
def test_any_content_is_read_back_in_any_splitting(content: bytes, places: list[int], reads: list[int]) -> None:
    wire = sent(cut(content, places))
    assert sent(single(content)) == wire
    whole = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    assert read_all(cut(wire + b"QUIT\r\n", reads)) == (whole, b"QUIT\r\n")


def test_a_block_without_such_a_line_is_not_copied() -> None:
    block = b"x" * 70 + b"\r\n"
    assert DotStuffer().put(block) is block
