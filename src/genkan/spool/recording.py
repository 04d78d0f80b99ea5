# SPDX-License-Identifier: Apache-2.0
"""What became of leased recipients, recorded together with the messages that this brings about, in one transaction.

So a crash neither loses a bounce, a forwarded copy or a list's mail, nor makes one twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkan.spool.hold import HELD
from genkan.spool.ledger import take_changes
from genkan.spool.rows import arrival_row, microseconds
from genkan.spool.segments import Extent, cut_extents, format_extents, parse_extents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import apsw

    from genkan.spool.post import Post
    from genkan.spool.queue import Leased, Place, Queue
    from genkan.spool.rows import Row
    from genkan.spool.writer import Batch
    from genkan.storage.engine import StorageError


@dataclass(frozen=True, slots=True)
class Finished:
    """The recipient needs nothing more: delivered, or failed for good and reported."""

    message: int
    number: int


@dataclass(frozen=True, slots=True)
class PutBack:
    """Try the recipient again at `due_at`; `outcome` says why, for whoever lists the queue.

    `warned`: the sender is told now that it takes long. Without `attempted` the lease does not count as an attempt.
    """

    message: int
    number: int
    due_at: datetime
    outcome: str
    warned: bool = False
    attempted: bool = True


@dataclass(frozen=True, slots=True)
class KeptBack:
    """The recipient is tried no more until the operator says otherwise; `hold` names in a word what holds it."""

    message: int
    number: int
    hold: str
    outcome: str


Entry = Finished | PutBack | KeptBack


@dataclass(frozen=True, slots=True)
class Consequence:
    """A message that comes of what happened to recipients, by message and number; without any of them there it does not."""

    post: Post
    of: tuple[tuple[int, int], ...]


class Record:
    """The job that records outcomes; a message whose last recipient is finished goes, and its content with it."""

    __slots__ = ("_consequences", "_done", "_entries", "_freed", "_queue", "_shared")

    def __init__(
        self,
        queue: Queue,
        entries: Sequence[Entry],
        done: Callable[[StorageError | None], None],
        consequences: Sequence[Consequence] = (),
    ) -> None:
        """`done` is called on the event loop once all of it is durable."""
        self._queue = queue
        self._entries = entries
        self._consequences = consequences
        self._done = done
        self._freed: list[Extent] = []
        self._shared: list[Extent] = []

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return ()

    def run(self, batch: Batch) -> None:
        """See `Job`."""
        connection = batch.connection
        self._freed, self._shared = [], []
        if self._consequences:
            self._post(connection)
        for entry in self._entries:
            self._keep(connection, entry)
        self._finish(connection, [entry for entry in self._entries if isinstance(entry, Finished)])
        self._queue.ledger.write(connection, self._shared, self._freed)

    def _keep(self, connection: apsw.Connection, entry: Entry) -> None:
        """Put a recipient back. What the operator holds meanwhile stays held."""
        queries = self._queue.queries
        match entry:
            case PutBack(message, number, due_at, outcome, warned, attempted):
                values = (message, number, microseconds(due_at), outcome, int(warned), int(not attempted), HELD)
                connection.execute(queries.defer_recipient, values)
            case KeptBack(message, number, hold, outcome):
                connection.execute(queries.hold_recipient, (message, number, HELD, outcome, hold))
            case Finished():
                pass

    def _finish(self, connection: apsw.Connection, finished: list[Finished]) -> None:
        if not finished:
            return
        queries = self._queue.queries
        pairs = json.dumps([(entry.message, entry.number) for entry in finished])
        connection.execute(queries.delete_recipients, (pairs,)).fetchall()
        messages = json.dumps([entry.message for entry in finished])
        for (extents,) in connection.execute(queries.delete_finished_messages, (messages,)):
            self._freed += parse_extents(extents or "")

    def _post(self, connection: apsw.Connection) -> None:
        """Insert the messages that come of recipients which are still there: the operator may have deleted them."""
        wanted = json.dumps([pair for consequence in self._consequences for pair in consequence.of])
        there = set(connection.execute(self._queue.queries.there, (wanted,)))
        for consequence in self._consequences:
            if not there.isdisjoint(consequence.of):
                self._insert(connection, consequence.post)

    def _insert(self, connection: apsw.Connection, post: Post) -> None:
        """Insert one message; what it shares with its origin is not read, but for content that lies in the origin's row."""
        size, content, extents = len(post.content), post.content, list[Extent]()
        if post.origin is not None:
            origin: Row = connection.execute(self._queue.queries.origin, (post.origin,)).fetchall()[0]
            origin_size, inline, text = origin
            size += origin_size - post.skip
            inline = inline or b""
            content += inline[post.skip :]
            extents = cut_extents(parse_extents(text or ""), max(0, post.skip - len(inline)))
        self._shared += extents
        row = arrival_row(post.envelope, size, content, format_extents(extents) or None, None)
        connection.execute(self._queue.queries.insert_arrival, row)

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        if error is None:
            self._queue.ledger.apply(self._shared, self._freed)
        self._done(error)


class TakeChanges:
    """The job of the process that gives out the segments: it learns what others have shared and freed there."""

    __slots__ = ("_freed", "_queue", "_shared")

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._shared: list[Extent] = []
        self._freed: list[Extent] = []

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return ()

    def run(self, batch: Batch) -> None:
        """See `Job`."""
        self._shared, self._freed = take_changes(batch.connection, self._queue.queries)

    def done(self, error: StorageError | None) -> None:
        """See `Job`. What could not be taken is there the next time."""
        if error is None:
            self._queue.ledger.apply(self._shared, self._freed)


class Recall:
    """The job that asks which leased recipients are still to be attempted, since an operator has changed the queue."""

    __slots__ = ("_done", "_leased", "_queue", "_wanted")

    def __init__(self, queue: Queue, leased: Sequence[Leased], done: Callable[[set[Place]], None]) -> None:
        """`done` gets the places of those that nobody has deleted, held, or sent another way."""
        self._queue = queue
        self._leased = leased
        self._done = done
        self._wanted: set[Place] = set()

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return ()

    def run(self, batch: Batch) -> None:
        """See `Job`."""
        asked = json.dumps([(*one.place, one.recipient.route) for one in self._leased])
        self._wanted = set(batch.connection.execute(self._queue.queries.still_wanted, (asked,)))

    def done(self, error: StorageError | None) -> None:
        """See `Job`. While the database cannot be asked all of them are wanted: what is not will be told later."""
        self._done({one.place for one in self._leased} if error is not None else self._wanted)
