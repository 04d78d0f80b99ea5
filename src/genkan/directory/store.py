# SPDX-License-Identifier: Apache-2.0
"""The directory's connection and the caches before it: when to trust them, when to drop them. It knows no table.

Every change counts up a revision, so that other processes drop their caches for changes of the directory only, and not
for each failed AUTH or block of message numbers.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import apsw

from genkan.storage.engine import translated
from genkan.storage.sqlite import Queries, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

K = TypeVar("K")
V = TypeVar("V")

MAX_CACHED: Final = 65536  # entries of one cache
RENEWAL: Final = 0.001  # seconds between two looks for changes, at least


class Store:
    """Queries and transactions of one process on the directory's database; its errors leave as a StorageError."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.queries = Queries.load("directory")
        self._connection = connection
        self._execute = connection.cursor().execute
        self._ask_data_version = self.queries.data_version
        self._translated = translated("the directory")
        self._caches: list[dict[Any, Any]] = []
        self._changed = False
        self._data_version = -1
        self._renew_at = 0.0
        self._revision = -1
        self.refresh()

    def cache(self) -> dict[Any, Any]:
        """A new dictionary that is emptied whenever the directory changed; fill it through `remember` only."""
        cache: dict[Any, Any] = {}
        self._caches.append(cache)
        return cache

    def remember(self, cache: dict[K, V], key: K, value: V) -> V:
        """Keep `value` and return it; a full cache is emptied first, so hostile questions cannot make it grow."""
        if len(cache) >= MAX_CACHED:
            cache.clear()
        cache[key] = value
        return value

    def refresh(self) -> None:
        """Drop the caches if another connection changed the directory since the last call (some 2 us if not)."""
        try:
            [(data_version,)] = self._execute(self._ask_data_version)
        except apsw.Error:
            with self._translated:
                raise
        if data_version != self._data_version:
            self._data_version = data_version
            self._check_revision()

    def renew(self) -> None:
        """As `refresh`, unless that was called within the last millisecond."""
        now = time.monotonic()
        if now >= self._renew_at:
            self._renew_at = now + RENEWAL
            self.refresh()

    def drop_caches(self) -> None:
        """Forget every answer, so that the next question is asked of the database."""
        for cache in self._caches:
            cache.clear()

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one query to its end and return all of its rows; raises StorageError."""
        with self._translated:
            return self._execute(query, parameters).fetchall()

    def row(self, query: str, *parameters: object) -> tuple[Any, ...] | None:
        """The first row of a query, or `None` without any; raises StorageError."""
        rows = self.rows(query, *parameters)
        return rows[0] if rows else None

    @contextmanager
    def change(self) -> Iterator[None]:
        """A transaction that changes the directory: durable at its end, all caches everywhere are dropped."""
        with self.transaction():
            self.mark_changed()
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A durable transaction that leaves the caches alone, unless `mark_changed` is called inside."""
        try:
            with transaction(self._connection):
                yield
        finally:
            if self._changed:
                self._changed = False
                self.drop_caches()

    @contextmanager
    def quick_transaction(self) -> Iterator[None]:
        """As `transaction`, without waiting for the disk: a power failure may undo it, a crash of the process not."""
        self.rows("PRAGMA synchronous = NORMAL")
        try:
            with self.transaction():
                yield
        finally:
            self.rows("PRAGMA synchronous = FULL")

    def mark_changed(self) -> None:
        """Inside a transaction: what it writes concerns the caches of this and of all other processes."""
        self._changed = True
        self.rows(self.queries.revision_next)
        self.drop_caches()

    def close(self) -> None:
        """Close the connection; nothing may be asked afterwards."""
        self._connection.close()

    def _check_revision(self) -> None:
        revision = self.rows(self.queries.revision)[0][0]
        if revision != self._revision:
            self._revision = revision
            self.drop_caches()
