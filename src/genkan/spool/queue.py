# SPDX-License-Identifier: Apache-2.0
"""The queue of recipients: lease those that are due; what may become of them is recorded by `recording.py`.

A recipient is leased for one attempt; its outcome ends the lease. Who opens a spool to deliver from it ends all leases that
a crash left: the next attempt then knows from its number that the one before may have succeeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from genkan.message.message_id import message_number
from genkan.spool.hold import HELD
from genkan.spool.rows import LEASE, envelope_from_row, microseconds, moment, recipient_from_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    import apsw

    from genkan.message.envelope import Envelope, Recipient
    from genkan.spool.ledger import Ledger
    from genkan.spool.rows import Row
    from genkan.spool.taker import Taker
    from genkan.spool.writer import Batch, Job
    from genkan.storage.engine import StorageError
    from genkan.storage.sqlite import Queries

    Place = tuple[int, int]  # of a recipient: the message's number, and its own
    _Message = tuple[Envelope, int, bytes | None]
    LeaseDone = Callable[["StorageError | None", "list[Leased]", "datetime | None"], None]


class Queue(Protocol):
    """A spool as those see it who deliver from it: `taker` is told of what is accepted, `ledger` of content that goes."""

    folder: Path
    queries: Queries
    ledger: Ledger
    taker: Taker | None

    @property
    def submit(self) -> Callable[[Job], None]:
        """Asks for a job, on the event loop."""
        ...


@dataclass(frozen=True, slots=True)
class Leased:
    """A recipient that is the lease-holder's to deliver; `size` is the content's, in octets, `attempt` counts from 1.

    With `warned` the sender was told that it takes long. Small content is here already, in `content`.
    """

    envelope: Envelope
    size: int
    number: int
    recipient: Recipient
    attempt: int
    warned: bool = False
    content: bytes | None = None

    @property
    def place(self) -> Place:
        """Where the spool has it."""
        return message_number(self.envelope.message_id), self.number


class Lease:
    """The job that leases due recipients, the oldest first."""

    __slots__ = ("_done", "_leased", "_limit", "_next_due", "_now", "_spool")

    def __init__(self, spool: Queue, now: datetime, limit: int, done: LeaseDone) -> None:
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
        messages: dict[int, _Message] = {}
        until = microseconds(self._now + LEASE)
        for message, number in due:
            (row,) = connection.execute(queries.lease_recipient, (until, message, number))
            try:
                self._leased.append(self._read(connection, row, messages))
            except ValueError as error:
                reason = f"the spool's row is damaged: {error}"
                connection.execute(queries.defer_recipient, (message, number, until, reason, 0, 0, HELD))
        ((next_due,),) = connection.execute(queries.next_due)
        self._next_due = None if next_due is None or next_due >= HELD else moment(next_due)

    def _read(self, connection: apsw.Connection, row: Row, messages: dict[int, _Message]) -> Leased:
        """What a leased row says; `messages` holds those already read. Raises `ValueError` on damage."""
        message, number, attempt, warned = row[:4]
        if message not in messages:
            (columns,) = connection.execute(self._spool.queries.message_and_content, (message,))
            messages[message] = envelope_from_row(columns, ()), columns[2], columns[13]
        envelope, size, content = messages[message]
        return Leased(envelope, size, number, recipient_from_row(row[4:]), attempt, bool(warned), content)

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        self._done(error, self._leased if error is None else [], self._next_due)
