# SPDX-License-Identifier: Apache-2.0
"""Foreign text made fit for mail of ours: one line of bounded length, on which nothing controls how the rest is shown."""

from __future__ import annotations

from typing import Final

MOST_TEXT: Final = 200  # characters


def visible(text: str, most: int = MOST_TEXT) -> str:
    """One line of at most `most` characters, none of which controls how others are shown."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * most]).split())
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."
