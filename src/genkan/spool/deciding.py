# SPDX-License-Identifier: Apache-2.0
"""What another process than a spool's worker may write into it: decisions about held mail, and that there is something new.

Short transactions beside the worker's own. The worker compares a count once a second (`OutsideChanges`), looks at its
queue when it has changed, and carries out what it finds there.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Protocol

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


class Changes(Protocol):
    """Tells who delivers from a spool that another process has changed it."""

    @property
    def interval(self) -> float:
        """Seconds between two questions."""
        ...

    @property
    def are_an_operators(self) -> bool:
        """Whether what is told of are an operator's commands, and not also the mail that comes in."""
        ...

    def were_made(self) -> bool:
        """Whether something was changed since the last call. Raises `StorageError`."""
        ...

    def close(self) -> None:
        """Ask nothing afterwards."""
        ...


class OutsideChanges:
    """Tells the process that accepts into a spool whether operators have changed it; some 10 microseconds a question."""

    interval = 1.0
    are_an_operators = True

    def __init__(self, folder: Path) -> None:
        """Belongs to the thread that made it. Raises `StorageError`."""
        self._connection = open_database(folder / "spool.db", read_only=True)
        self._query = Queries.load("spool").outside_changes
        self._seen = self._count()

    def close(self) -> None:
        """Ask nothing afterwards."""
        self._connection.close()

    def were_made(self) -> bool:
        """Whether something was changed since the last call. Raises `StorageError`."""
        count = self._count()
        changed, self._seen = count != self._seen, count
        return changed

    def _count(self) -> int:
        with translated("the spool"):
            return int(self._connection.execute(self._query).get)


class AllChanges:
    """Tells a process that does not accept into a spool of everything that is committed there, mail accepted included."""

    interval = 0.05
    are_an_operators = False

    def __init__(self, folder: Path) -> None:
        """Belongs to the thread that made it. Raises `StorageError`."""
        self._connection = open_database(folder / "spool.db", read_only=True)
        self._query = Queries.load("spool").data_version
        self._seen = self._version()

    def close(self) -> None:
        """See `Changes`."""
        self._connection.close()

    def were_made(self) -> bool:
        """See `Changes`."""
        version = self._version()
        changed, self._seen = version != self._seen, version
        return changed

    def _version(self) -> int:
        with translated("the spool"):
            return int(self._connection.execute(self._query).get)
