# SPDX-License-Identifier: Apache-2.0
"""Message ids: `B` and ten digits or more, as the product's (its page kouchiku11). The number behind one is never used again."""

from __future__ import annotations

from typing import Final

_MOST_DIGITS: Final = 18  # of a message number; what a database counts as one


def format_message_id(number: int) -> str:
    """The message id of a number."""
    return f"B{number:010d}"


def message_number(message_id: str) -> int:
    """The number in a message id. Raises `ValueError` when it is none."""
    digits = message_id[1:]
    if message_id[:1] != "B" or not digits.isdecimal() or not digits.isascii() or len(digits) > _MOST_DIGITS:
        msg = f"{message_id!r} is no message id; one looks like B0000000001"
        raise ValueError(msg)
    return int(digits)
