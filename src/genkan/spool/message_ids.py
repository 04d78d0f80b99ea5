# SPDX-License-Identifier: Apache-2.0
"""Message ids for one worker: taken in blocks that are durably the worker's, given out one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.message.message_id import format_message_id

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

BLOCK: Final = 1000
_REFILL_AT: Final = BLOCK // 2


class MessageIds:
    """Gives out ids that were never given out before. The next block is fetched in a thread while half of one is left."""

    def __init__(self, take_block: Callable[[int], range], loop: asyncio.AbstractEventLoop) -> None:
        """`take_block` gives a block of that many numbers, durably taken; it may block and runs on any thread."""
        self._take_block = take_block
        self._loop = loop
        self._numbers: Iterator[int] = iter(())
        self._left = 0
        self._next_block: range | None = None
        self._fetching = False

    def prepare(self) -> None:
        """Take the first block, which may block; on any thread, before `next` is called. Raises `StorageError`."""
        self._next_block = self._take_block(BLOCK)

    def next(self) -> str:
        """The next id. Raises `StorageError` when there is no block to take it from."""
        if not self._left:
            block = self._next_block if self._next_block is not None else self._take_block(BLOCK)
            self._next_block = None
            self._numbers, self._left = iter(block), len(block)
        self._left -= 1
        if self._left < _REFILL_AT and self._next_block is None and not self._fetching:
            self._fetching = True
            self._loop.run_in_executor(None, self._take_block, BLOCK).add_done_callback(self._fetched)
        return format_message_id(next(self._numbers))

    def _fetched(self, future: asyncio.Future[range]) -> None:
        self._fetching = False
        if not future.cancelled() and future.exception() is None:
            self._next_block = future.result()
