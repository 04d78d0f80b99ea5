# SPDX-License-Identifier: Apache-2.0
"""Numbers of messages, handed out once and never again, in blocks so that a worker asks seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genkan.directory.store import Store


class MessageNumbers:
    """The counter that all workers share; numbers of a block not used before a crash are lost, not used again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, count: int) -> range:
        """The next `count` numbers, from 1 on; on disk as taken before this returns. Raises StorageError."""
        if count < 1:
            raise ValueError("a block of message numbers holds at least one")
        with self._store.transaction():
            [(following,)] = self._store.rows(self._store.queries.message_numbers_take, count)
        return range(following - count, following)

    def following(self) -> int:
        """The number that the next block begins with."""
        [(following,)] = self._store.rows(self._store.queries.message_numbers_next)
        return int(following)

    def raise_to(self, minimum: int) -> None:
        """Hand out no number below `minimum` any more; the counter never goes back."""
        with self._store.transaction():
            self._store.rows(self._store.queries.message_numbers_raise, minimum)
