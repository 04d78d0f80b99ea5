# SPDX-License-Identifier: Apache-2.0
"""Spools mail that the server itself writes and that comes of no recipient's outcome, each once, whatever crashes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from genkan.spool.rows import arrival_row, microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from genkan.spool.post import Post
    from genkan.spool.queue import Queue
    from genkan.spool.writer import Batch
    from genkan.storage.engine import StorageError

REMEMBERED: Final = timedelta(days=30)  # that a key was used; nobody tries for so long


class PostOnce:
    """The job that spools messages of our own; one whose key was used before is there already, or was delivered."""

    __slots__ = ("_done", "_fresh", "_now", "_posts", "_queue")

    def __init__(
        self, queue: Queue, posts: Mapping[str, Post], now: datetime, done: Callable[[StorageError | None], None]
    ) -> None:
        """`posts` by their keys, without an origin; `done` is called on the event loop once all of them are durable."""
        self._queue = queue
        self._posts = posts
        self._now = now
        self._done = done
        self._fresh = False

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return ()

    def run(self, batch: Batch) -> None:
        """See `Job`."""
        connection, queries = batch.connection, self._queue.queries
        self._fresh = False
        connection.execute(queries.own_mail_purge, (microseconds(self._now - REMEMBERED),))
        for key, post in self._posts.items():
            if connection.execute(queries.own_mail_note, (key, microseconds(self._now))).fetchall():
                row = arrival_row(post.envelope, len(post.content), post.content, None, None)
                connection.execute(queries.insert_arrival, row)
                self._fresh = True

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        taker = self._queue.taker
        if error is None and self._fresh and taker is not None:
            taker.leave()
        self._done(error)
