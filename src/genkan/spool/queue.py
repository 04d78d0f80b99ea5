# SPDX-License-Identifier: Apache-2.0
"""The queue of recipients: lease those that are due, record what became of them.

A recipient is leased for one attempt; its outcome ends the lease. A worker that opens its spool ends all leases that a crash
left: the next attempt then knows from its number that the one before may have succeeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkan.spool.rows import LEASE, envelope_from_row, microseconds, moment, recipient_from_row
from genkan.spool.segments import Extent, parse_extents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import apsw

    from genkan.message.envelope import Envelope, Recipient
    from genkan.spool.spool import Spool
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

    def run(self, connection: apsw.Connection) -> None:
        """See `Job`."""
        queries = self._spool.queries
        self._leased = []
        due = connection.execute(queries.due_recipients, (microseconds(self._now), self._limit)).fetchall()
        messages: dict[int, tuple[Envelope, int]] = {}
        until = microseconds(self._now + LEASE)
        for message, number in due:
            ((*_, forward_path, mailbox, notify, original, attempt),) = connection.execute(
                queries.lease_recipient, (until, message, number)
            )
            if message not in messages:
                (row,) = connection.execute(queries.message, (message,))
                messages[message] = envelope_from_row(row, ()), row[2]
            recipient = recipient_from_row((forward_path, mailbox, notify, original))
            self._leased.append(Leased(*messages[message], number, recipient, attempt))
        ((next_due,),) = connection.execute(queries.next_due)
        self._next_due = None if next_due is None else moment(next_due)

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

    def run(self, connection: apsw.Connection) -> None:
        """See `Job`."""
        queries = self._spool.queries
        self._freed = []
        for outcome in self._outcomes:
            key = (outcome.message, outcome.number)
            if isinstance(outcome, PutBack):
                connection.execute(queries.defer_recipient, (microseconds(outcome.due_at), outcome.outcome, *key))
                continue
            connection.execute(queries.delete_recipient, key)
            for (extents,) in connection.execute(queries.delete_finished_message, (outcome.message,)):
                self._freed += parse_extents(extents or "")

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        if error is None:
            self._spool.release(self._freed)
        self._done(error)
