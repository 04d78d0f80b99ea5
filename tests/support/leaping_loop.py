# SPDX-License-Identifier: Apache-2.0
"""An event loop whose time leaps instead of passing, so that a deadline costs a test nothing and no busy machine misses one."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LeapingLoop(asyncio.SelectorEventLoop):
    """When nothing is left to do it is the time of the next deadline; only for what waits for no socket and no thread."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Leaping(self._leap))

    def time(self) -> float:
        return self._now

    def _leap(self, seconds: float) -> None:
        self._now += seconds


class _Leaping(selectors.SelectSelector):
    """Leaps where others would wait."""

    def __init__(self, leap: Callable[[float], None]) -> None:
        super().__init__()
        self._leap = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "what is waited for will never come"
        self._leap(timeout)
        return super().select(0)
