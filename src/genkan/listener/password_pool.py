# SPDX-License-Identifier: Apache-2.0
"""Hashes passwords in threads of their own, so that a flood of AUTHs slows down nothing but AUTH."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

THREADS: Final = 2  # each takes some 19 MiB while it hashes
MOST_WAITING: Final = 100  # a second or two of work


class PoolBusy(Exception):
    """More is waiting already than can be done in good time: the client is told 454 and may come again."""


class PasswordPool:
    """Bounded in threads, and so in memory, and in what may wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._waiting = 0

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `function` returns or raises, run in a thread. Raises `PoolBusy` instead of making a long queue longer."""
        if self._waiting >= MOST_WAITING:
            raise PoolBusy
        self._waiting += 1
        try:
            return await self._loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
