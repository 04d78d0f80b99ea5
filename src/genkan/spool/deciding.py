# SPDX-License-Identifier: Apache-2.0
"""What another process than a spool's worker may write into it: decisions about held mail, and that there is something new.

Short transactions beside the worker's own. The worker compares a count once a second (`Changes`), looks at its
queue when it has changed, and carries out what it finds there.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from genkan.message.message_id import message_number
from genkan.spool.hold import held_from_row
from genkan.spool.rows import microseconds
from genkan.storage.engine import translated
from genkan.storage.sqlite import Queries, migrate, open_database, transaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genkan.spool.hold import Decision, Held
    from genkan.spool.reading import QueuedMessage


def decide(message: QueuedMessage, decision: Decision, keep: Callable[[], object]) -> Held | None:
    """Record a decision about a held message; the hold with the decision that counts, this one or an earlier one.

    `None` when the message is not held any more. `keep` is called just before the commit, if this decision counts: what it
    writes elsewhere may be there without the decision after a crash, never the other way round. Raises `StorageError`.
    """
    path, number, queries = message.spool / "spool.db", message_number(message.message_id), Queries.load("spool")
    with closing(open_database(path)) as connection:
        migrate(connection, "spool")
        values = (number, decision.verdict, decision.by, microseconds(decision.at), decision.comment)
        with transaction(connection):
            connection.execute(queries.decide_hold, values)
            if connection.changes():
                connection.execute(queries.count_outside_change)
                keep()
            found = connection.execute(queries.hold, (number,)).fetchall()
        return held_from_row(found[0]) if found else None


class Changes:
    """Tells whether a spool has changed since somebody asked last; some 10 microseconds a question.

    `interval` are the seconds between two questions that suit it; `are_an_operators`: it tells of operators' commands alone.
    """

    def __init__(self, folder: Path, *, of_everybody: bool = False) -> None:
        """What operators do to it; `of_everybody` else too, mail that is accepted included. Belongs to its thread.

        Raises `StorageError`.
        """
        self.are_an_operators = not of_everybody
        self.interval = 0.05 if of_everybody else 1.0
        queries = Queries.load("spool")
        self._connection = open_database(folder / "spool.db", read_only=True)
        self._query = queries.data_version if of_everybody else queries.outside_changes
        self._seen = self._ask()

    def close(self) -> None:
        """Ask nothing afterwards."""
        self._connection.close()

    def were_made(self) -> bool:
        """Whether something was changed since the last call. Raises `StorageError`."""
        found = self._ask()
        changed, self._seen = found != self._seen, found
        return changed

    def _ask(self) -> int:
        with translated("the spool"):
            return int(self._connection.execute(self._query).get)
