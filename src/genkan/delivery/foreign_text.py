# SPDX-License-Identifier: Apache-2.0
"""What the other ends say in words of their own, made fit for a reason: one line, visible characters, bounded."""

from __future__ import annotations


def visible(text: str | bytes, limit: int) -> str:
    """The first `limit` visible characters on one line; octets that are not UTF-8 are shown as U+FFFD."""
    if isinstance(text, bytes):
        text = text[: limit * 8].decode("utf-8", "replace")
    seen = "".join(character if character.isprintable() else " " for character in text[: limit * 8])
    return " ".join(seen.split())[:limit]
