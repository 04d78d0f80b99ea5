# SPDX-License-Identifier: Apache-2.0
"""The queue of recipients: lease those that are due, record what became of them.

A recipient is leased for one attempt; its outcome ends the lease. A worker that opens its spool ends all leases that a crash
left: the next attempt then knows from its number that the one before may have succeeded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkan.spool.hold import HELD
from genkan.spool.rows import LEASE, envelope_from_row, microseconds, moment, recipient_from_row
from genkan.spool.segments import Extent, parse_extents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import apsw

    from genkan.message.envelope import Envelope, Recipient
    from genkan.spool.rows import Row
    from genkan.spool.spool import Spool
    from genkan.spool.writer import Batch
    from genkan.storage.engine import StorageError

    LeaseDone = Callable[["StorageError | None", "list[Leased]", "datetime | None"], None]


@dataclass(frozen=True, slots=True)
class Leased:
    """A recipient that is the lease-holder's to deliver; `size` is the content's, in octets, `attempt` counts from 1."""

    envelope: Envelope
    size: int
    number: int
    recipient: Recipient
    attempt: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The recipient needs nothing more: delivered, or failed for good and reported."""

    message: int
    number: int


@dataclass(frozen=True, slots=True)
class PutBack:
    """Try the recipient again at `due_at`; `outcome` says why, for whoever lists the queue."""

    message: int
    number: int
    due_at: datetime
    outcome: str


class Lease:
    """The job that leases due recipients, the oldest first."""

    __slots__ = ("_done", "_leased", "_limit", "_next_due", "_now", "_spool")

    def __init__(self, spool: Spool, now: datetime, limit: int, done: LeaseDone) -> None:
        """At most `limit` recipients; `done` gets them and the moment at which the next one is due, if any."""
        self._spool = spool
        self._now = now
        self._limit = limit
        self._done = done
        self._leased: list[Leased] = []
        self._next_due: datetime | None = None

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return ()

    def run(self, batch: Batch) -> None:
        """See `Job`. A row that cannot be understood is put back, for it must not hold up all others."""
        connection, queries = batch.connection, self._spool.queries
        self._leased = []
        due: list[Row] = connection.execute(queries.due_recipients, (microseconds(self._now), self._limit)).fetchall()
        messages: dict[int, tuple[Envelope, int]] = {}
        until = microseconds(self._now + LEASE)
        for message, number in due:
            (row,) = connection.execute(queries.lease_recipient, (until, message, number))
            try:
                self._leased.append(self._read(connection, row, messages))
            except ValueError as error:
                reason = f"the spool's row is damaged: {error}"
                connection.execute(queries.defer_recipient, (until, reason, message, number))
        ((next_due,),) = connection.execute(queries.next_due)
        self._next_due = None if next_due is None or next_due >= HELD else moment(next_due)

    def _read(self, connection: apsw.Connection, row: Row, messages: dict[int, tuple[Envelope, int]]) -> Leased:
        """What a leased row says; `messages` holds those already read. Raises `ValueError` on damage."""
        message, number, forward_path, mailbox, notify, original, attempt = row
        if message not in messages:
            (columns,) = connection.execute(self._spool.queries.message, (message,))
            messages[message] = envelope_from_row(columns, ()), columns[2]
        recipient = recipient_from_row((forward_path, mailbox, notify, original))
        return Leased(*messages[message], number, recipient, attempt)

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        self._done(error, self._leased if error is None else [], self._next_due)


class Record:
    """The job that records outcomes; a message whose last recipient is finished goes, and its content with it."""

    __slots__ = ("_done", "_freed", "_outcomes", "_spool")

    def __init__(
        self, spool: Spool, outcomes: Sequence[Finished | PutBack], done: Callable[[StorageError | None], None]
    ) -> None:
        """`done` is called on the event loop once the outcomes are durable."""
        self._spool = spool
        self._outcomes = outcomes
        self._done = done
        self._freed: list[Extent] = []

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return ()

    def run(self, batch: Batch) -> None:
        """See `Job`."""
        connection, queries = batch.connection, self._spool.queries
        self._freed = []
        for outcome in self._outcomes:
            if isinstance(outcome, PutBack):
                due_at = microseconds(outcome.due_at)
                connection.execute(queries.defer_recipient, (due_at, outcome.outcome, outcome.message, outcome.number))
        finished = [(outcome.message, outcome.number) for outcome in self._outcomes if isinstance(outcome, Finished)]
        if finished:
            connection.execute(queries.delete_recipients, (json.dumps(finished),))
            messages = json.dumps([message for message, _ in finished])
            for (extents,) in connection.execute(queries.delete_finished_messages, (messages,)):
                self._freed += parse_extents(extents or "")

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        if error is None:
            self._spool.release(self._freed)
        self._done(error)
