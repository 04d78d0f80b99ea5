# SPDX-License-Identifier: Apache-2.0
"""Words of other ends, fit for a log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from genkan.delivery.foreign_text import visible


def test_control_characters_and_line_ends_become_single_blanks() -> None:
    assert visible("one\r\n\ttwo\x1b[2J\x00\u2028three \u202e", 100) == "one two [2J three"


def test_octets_that_are_no_text_are_shown_as_such() -> None:
    assert visible(b"caf\xc3\xa9 \xff", 100) == "caf\u00e9 \ufffd"


@given(st.text() | st.binary(), st.integers(1, 50))
def test_any_text_becomes_one_line_of_bounded_length(text: str | bytes, limit: int) -> None:
    shown = visible(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
