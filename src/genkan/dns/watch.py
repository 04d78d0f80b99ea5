# SPDX-License-Identifier: Apache-2.0
"""Notices when no name server replies any more, and when they do again: mail goes on, but nothing is known of its origin."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]


class Watch:
    """`tell` is told why, and "" when there are replies again; one is enough, whatever it says."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._last_reply = float("-inf")
        self._is_silent = False

    def replied(self, now: float) -> None:
        """A server has replied."""
        self._last_reply = now
        if self._is_silent:
            self._is_silent = False
            self._tell("")

    def gave_up(self, begun: float, why: str) -> None:
        """A question that was asked from `begun` on has failed."""
        if self._last_reply < begun and not self._is_silent:
            self._is_silent = True
            self._tell(why)
