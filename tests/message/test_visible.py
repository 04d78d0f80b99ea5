# SPDX-License-Identifier: Apache-2.0
"""Foreign words become fit for mail and log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from genkan.message.visible import MOST_TEXT, visible


def test_control_characters_and_line_ends_become_single_blanks() -> None:
    assert visible("one\r\n\ttwo\x1b[2J\x00\u2028three \u202e") == "one two [2J three"


def test_octets_that_are_no_text_are_shown_as_such() -> None:
    assert visible(b"caf\xc3\xa9 \xff") == "caf\u00e9 \ufffd"


def test_what_is_cut_ends_with_dots() -> None:
    assert visible("x" * 10, 10) == "x" * 10
    assert visible("x" * 11, 10) == "xxxxxxx..."
    assert visible("安".encode() * 500) == "安" * (MOST_TEXT - 3) + "..."


@given(st.text() | st.binary(), st.integers(4, 50))
def test_any_text_becomes_one_line_of_bounded_length(text: str | bytes, most: int) -> None:
    shown = visible(text, most)
    assert shown.isprintable()
    assert len(shown) <= most
