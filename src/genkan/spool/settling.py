# SPDX-License-Identifier: Apache-2.0
"""Held mail whose time has come: what was decided, or else what its hold says for the deadline, is carried out.

Decisions are written by other processes (`deciding.py`); only the spool's own worker carries them out, since it alone
knows which content segments are in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from genkan.message.message_id import format_message_id
from genkan.spool.rows import microseconds, moment
from genkan.spool.segments import Extent, parse_extents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import apsw

    from genkan.spool.hold import Choice, Kind
    from genkan.spool.queue import Queue
    from genkan.spool.rows import Row
    from genkan.spool.writer import Batch
    from genkan.storage.engine import StorageError

    SettleDone = Callable[["StorageError | None", "list[Settled]", "datetime | None"], None]

MOST_SETTLED: Final = 200  # holds in one transaction


@dataclass(frozen=True, slots=True)
class Settled:
    """A hold that is over: its recipients (mailboxes) are due now, or the message is gone.

    `by` is who decided so, "" when it was the deadline.
    """

    message_id: str
    kind: Kind
    verdict: Choice
    by: str
    comment: str
    rule: str
    reason: str
    recipients: tuple[str, ...]


class Settle:
    """The job that carries out what was decided, and what is beyond its deadline; at most `MOST_SETTLED` holds."""

    __slots__ = ("_done", "_freed", "_next_due", "_now", "_settled", "_spool")

    def __init__(self, spool: Queue, now: datetime, done: SettleDone) -> None:
        """`done` gets what was settled, and the moment at which the next one is due (long past: at once), if any."""
        self._spool = spool
        self._now = now
        self._done = done
        self._settled: list[Settled] = []
        self._freed: list[Extent] = []
        self._next_due: datetime | None = None

    def segments(self) -> Sequence[int]:
        """See `Job`."""
        return ()

    def run(self, batch: Batch) -> None:
        """See `Job`."""
        connection, queries = batch.connection, self._spool.queries
        self._freed = []
        due: list[Row] = connection.execute(queries.due_holds, (microseconds(self._now), MOST_SETTLED)).fetchall()
        self._settled = [self._settle(connection, row) for row in due]
        ((next_due,),) = connection.execute(queries.next_due_hold)
        self._next_due = None if next_due is None else moment(next_due)
        self._spool.ledger.write(connection, (), self._freed)

    def _settle(self, connection: apsw.Connection, row: Row) -> Settled:
        message, kind, verdict, by, comment, rule, reason = row
        queries = self._spool.queries
        if verdict == "approve":
            mailboxes = connection.execute(queries.release_recipients, (microseconds(self._now), message)).fetchall()
        else:
            mailboxes = connection.execute(queries.delete_recipients_of, (message,)).fetchall()
            for (extents,) in connection.execute(queries.delete_message, (message,)).fetchall():
                self._freed += parse_extents(str(extents or ""))
        connection.execute(queries.delete_hold, (message,))
        recipients = tuple(str(mailbox) for (mailbox,) in mailboxes)
        return Settled(format_message_id(message), kind, verdict, by, comment, rule, reason, recipients)

    def done(self, error: StorageError | None) -> None:
        """See `Job`."""
        if error is not None:
            self._done(error, [], None)
            return
        self._spool.ledger.apply((), self._freed)
        self._done(None, self._settled, self._next_due)
