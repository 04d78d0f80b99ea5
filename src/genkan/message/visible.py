# SPDX-License-Identifier: Apache-2.0
"""Foreign text made fit for mail of ours and for the log: one line of bounded length, none of which controls the rest."""

from __future__ import annotations

from typing import Final

MOST_TEXT: Final = 200  # characters


def visible(text: str | bytes, most: int = MOST_TEXT) -> str:
    """One line of at most `most` characters, none of which controls how others are shown; what was cut ends with dots.

    Octets that are no UTF-8 are shown as U+FFFD.
    """
    assert most > len("...")
    start = text[: 8 * most]
    if isinstance(start, bytes):
        start = start.decode("utf-8", "replace")
    if not start.isprintable():
        start = "".join(c if c.isprintable() else " " for c in start)
    shown = " ".join(start.split())
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."
