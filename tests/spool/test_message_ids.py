# SPDX-License-Identifier: Apache-2.0
"""Message ids of a worker: in order, never twice, the next block fetched before it is needed."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import pytest

from genkan.directory.directory import Directory
from genkan.spool.message_ids import BLOCK, MessageIds
from genkan.storage.engine import StorageBusy, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path


class Blocks:
    """Gives out blocks of numbers, or fails while `failure` is set; notes the threads that asked."""

    def __init__(self) -> None:
        self._starts = count(1, BLOCK)
        self.failure: StorageError | None = None
        self.threads: list[threading.Thread] = []

    def take(self, size: int) -> range:
        self.threads.append(threading.current_thread())
        if self.failure is not None:
            raise self.failure
        start = next(self._starts)
        return range(start, start + size)


def run(work: Callable[[MessageIds], Coroutine[None, None, None]], take: Callable[[int], range]) -> None:
    async def main() -> None:
        await work(MessageIds(take, asyncio.get_running_loop()))

    asyncio.run(main())


async def fetched(ids: MessageIds) -> None:
    """Let a thread that fetches a block finish, and the loop hear of it."""
    while ids._fetching:  # noqa: ASYNC110  (until a thread has ended)
        await asyncio.sleep(0)


def test_ids_follow_each_other_from_block_to_block() -> None:
    async def work(ids: MessageIds) -> None:
        found = []
        for _ in range(3 * BLOCK):
            found.append(ids.next())
            if len(found) % 100 == 0:
                await fetched(ids)
        assert found == [f"B{number:010}" for number in range(1, 3 * BLOCK + 1)]

    run(work, Blocks().take)


def test_only_the_first_block_may_be_waited_for() -> None:
    blocks = Blocks()

    async def work(ids: MessageIds) -> None:
        ids.prepare()
        for number in range(5 * BLOCK):
            ids.next()
            if number % 100 == 0:
                await fetched(ids)

    run(work, blocks.take)
    assert [thread is threading.main_thread() for thread in blocks.threads] == [True, *[False] * 5]


def test_a_block_that_could_not_be_fetched_is_fetched_again() -> None:
    blocks = Blocks()

    async def work(ids: MessageIds) -> None:
        ids.prepare()
        blocks.failure = StorageBusy("busy")
        found = [ids.next() for _ in range(BLOCK - 10)]
        await fetched(ids)
        blocks.failure = None
        found += [ids.next() for _ in range(5)]
        await fetched(ids)
        found += [ids.next() for _ in range(100)]
        assert found == [f"B{number:010}" for number in range(1, BLOCK + 96)]

    run(work, blocks.take)


def test_without_a_block_the_error_of_the_directory_shows() -> None:
    blocks = Blocks()
    blocks.failure = StorageBusy("busy")

    async def work(ids: MessageIds) -> None:
        with pytest.raises(StorageBusy, match="busy"):
            ids.next()
        blocks.failure = None
        assert ids.next() == "B0000000001"

    run(work, blocks.take)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with closing(Directory.open(tmp_path)) as directory:
        yield directory


def test_two_workers_never_get_the_same_id(directory: Directory, tmp_path: Path) -> None:
    def take(size: int) -> range:
        with Directory.open(tmp_path) as another:
            return another.next_message_ids(size)

    async def work(ids: MessageIds) -> None:
        other = MessageIds(directory.next_message_ids, asyncio.get_running_loop())
        other._loop = ids._loop
        found = [one.next() for _ in range(400) for one in (ids, other)]
        assert len(set(found)) == 800

    run(work, take)
