# SPDX-License-Identifier: Apache-2.0
"""Message ids and the numbers behind them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.message_id import format_message_id, message_number


@given(st.integers(0, 10**18 - 1))
def test_the_number_of_a_message_id_comes_back(number: int) -> None:
    assert message_number(format_message_id(number)) == number


@pytest.mark.parametrize("text", ["", "B", "0000000001", "b0000000001", "B12x", "B-1", "B１２", "B 1", "B" + "9" * 19])
def test_what_is_no_message_id_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is no message id; one looks like B0000000001"):
        message_number(text)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, "B0000000001"), (9_999_999_999, "B9999999999"), (10_000_000_000, "B10000000000")],
)
def test_a_message_id_has_ten_digits_or_more(number: int, expected: str) -> None:
    assert format_message_id(number) == expected
