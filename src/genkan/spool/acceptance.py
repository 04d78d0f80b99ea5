# SPDX-License-Identifier: Apache-2.0
"""The jobs with which a draft ends: it becomes a message, due or held, or its space is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.message.message_id import message_number
from genkan.spool.hold import HELD, hold_row
from genkan.spool.rows import arrival_row
from genkan.spool.segments import format_extents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genkan.message.envelope import Envelope
    from genkan.spool.hold import Hold
    from genkan.spool.spool import Draft, Spool
    from genkan.spool.writer import Batch
    from genkan.storage.engine import StorageError


class Accept:
    """The job that makes a message durable."""

    __slots__ = ("_content", "_done", "_draft", "_envelope", "_hold", "_leased_until", "_spool")

    def __init__(
        self,
        spool: Spool,
        envelope: Envelope,
        draft: Draft,
        done: Callable[[StorageError | None], None],
        hold: Hold | None,
    ) -> None:
        """`done` is called on the event loop, with an error when nothing was kept. With a `hold` nobody is to deliver it."""
        self._spool = spool
        self._envelope = envelope
        self._draft = draft
        self._done = done
        self._hold = hold
        self._content = draft.finish()
        self._leased_until = spool.claimed_until(envelope) if hold is None else None

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return [extent.segment for extent in self._draft.extents]

    def run(self, batch: Batch) -> None:
        """See `Job`. Raises the draft's own error when its content did not reach the disk."""
        if self._draft.error is not None:
            raise self._draft.error
        envelope = self._envelope
        extents = format_extents(self._draft.extents) or None
        row = arrival_row(envelope, self._draft.size, self._content, extents, self._leased_until)
        if self._hold is None:
            batch.arrivals.append(row)
            return
        connection, queries, number = batch.connection, self._spool.queries, message_number(envelope.message_id)
        connection.execute(queries.insert_arrival, row)
        connection.execute(queries.hold_recipients, (HELD, number))
        connection.execute(queries.insert_hold, hold_row(number, self._hold, envelope.accepted_at))

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        taker = self._spool.taker
        self._spool.release(self._draft.waste)
        if error is not None:
            self._spool.release(self._draft.extents)
            if self._leased_until is not None and taker is not None:
                taker.give_up(len(self._envelope.recipients))
        elif taker is not None:
            if self._hold is not None:
                taker.hold(self._hold.deadline)
            elif self._leased_until is None:
                taker.leave()
            else:
                taker.take(self._envelope, self._draft.size, self._content)
        self._done(error)


class Discard:
    """The job that frees a draft's extents, behind the writes to them that may still be queued."""

    __slots__ = ("_draft", "_last", "_spool")

    def __init__(self, spool: Spool, draft: Draft) -> None:
        """A draft that will not be accepted."""
        self._spool = spool
        self._draft = draft
        self._last = not draft.writes.drafts

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return ()

    def run(self, batch: Batch) -> None:
        """See `Job`: no row is to be changed, and nothing of the draft to be synced unless a copy of it goes on."""
        del batch
        if self._last:
            self._spool.forget(self._draft)

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        del error
        self._spool.release(self._draft.extents)
        self._spool.release(self._draft.waste)
