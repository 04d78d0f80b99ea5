# SPDX-License-Identifier: Apache-2.0
"""What an operator's process changes in the queue of a spool that a worker serves: retry, hold, release, reroute, delete.

In short transactions, between which the worker's own get their turn. Mail that waits for approval is only ever deleted here.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from genkan.message.message_id import format_message_id
from genkan.spool.hold import HELD
from genkan.spool.ledger import ForeignLedger
from genkan.spool.reading import choose, spool_folders
from genkan.spool.rows import microseconds
from genkan.spool.segments import parse_extents
from genkan.spool.selection import chosen
from genkan.storage.sqlite import BUSY_TIMEOUT, Queries, migrate, open_database, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    import apsw

    from genkan.spool.rows import Row
    from genkan.spool.selection import Chosen, Selection

CHUNK: Final = 1000  # recipients that one transaction changes
_ASK_AGAIN: Final = 0.001  # seconds; a busy worker's commits leave short gaps, which SQLite's own patience would miss
FAIL: Final = "fail:"  # the route of a recipient that is to be given up; the reason follows


@dataclass(frozen=True, slots=True)
class Retry:
    """Attempt at once what waits for its time."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Attempt no more until it is released; an attempt that is under way is the last."""


@dataclass(frozen=True, slots=True)
class Release:
    """Let go what the operator or the brake holds, or what could not be delivered; it is attempted at once."""


@dataclass(frozen=True, slots=True)
class Reroute:
    """Send it to this destination, whatever the routes say, and at once; "" follows the routes again."""

    destination: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Forget it, and tell nobody; with a `bounce` the worker fails it for that reason, and tells the sender."""

    bounce: str = ""


Change = Retry | Hold | Release | Reroute | Delete


@dataclass(frozen=True, slots=True)
class Changed:
    """How many recipients were changed, and of how many messages.

    `under_way` are others for which an attempt is under way: a retry leaves them alone; held and deleted ones are held should
    the attempt fail, rerouted and bounced ones go their new way then. `for_approval` wait for a decision, and were left alone.
    """

    recipients: int = 0
    messages: int = 0
    under_way: int = 0
    for_approval: int = 0

    def __add__(self, other: Changed) -> Changed:
        """Both together; of different messages."""
        return Changed(
            self.recipients + other.recipients,
            self.messages + other.messages,
            self.under_way + other.under_way,
            self.for_approval + other.for_approval,
        )


class _Touched(NamedTuple):
    """A recipient that a change concerns; `leased`: an attempt is under way."""

    message: int
    leased: int


def preview(storage_folder: Path, selection: Selection, change: Change, now: datetime) -> Changed:
    """What `carry_out` would do at this moment; nothing is changed. Raises as it does."""
    tally = _Tally()
    for recipient in choose(storage_folder, now, selection):
        if _concerns(change, recipient):
            left = recipient.state == "leased" and not isinstance(change, Release)
            tally.add([_Touched(recipient.message, int(left))])
        else:
            tally.for_approval += recipient.for_approval
    return tally.changed()


def carry_out(
    storage_folder: Path,
    selection: Selection,
    change: Change,
    now: datetime,
    note: Callable[[list[str]], None],
) -> Changed:
    """Change all recipients that fit, in all spools, at most 1000 in a transaction.

    `note` is told the ids of messages before they are deleted in spite of waiting for approval; after a crash they may still
    be there. Raises `StorageError`, and `ValueError` for what is no message id; what was changed by then stays so.
    """
    changed = Changed()
    for folder in spool_folders(storage_folder):
        with closing(open_database(folder / "spool.db")) as connection:
            migrate(connection, "spool")
            connection.set_busy_handler(_ask_again)
            tally = _Tally()
            for page in chosen(connection, selection, now, CHUNK):
                concerned = [recipient for recipient in page if _concerns(change, recipient)]
                tally.for_approval += sum(one.for_approval for one in page if not _concerns(change, one))
                if concerned:
                    _note_held(concerned, note)
                    tally.add(_change(connection, change, concerned, now))
            changed += tally.changed()
    return changed


def _ask_again(times: int) -> bool:
    """Whether to ask for the lock once more, a moment later."""
    time.sleep(_ASK_AGAIN)
    return times * _ASK_AGAIN < BUSY_TIMEOUT


def _concerns(change: Change, recipient: Chosen) -> bool:
    match change:
        case Retry() | Hold():
            return not recipient.for_approval and not recipient.held
        case Release():
            return not recipient.for_approval and bool(recipient.held)
        case Reroute():
            return not recipient.for_approval
        case Delete():
            return True
        case never:
            assert_never(never)


def _note_held(concerned: list[Chosen], note: Callable[[list[str]], None]) -> None:
    held = dict.fromkeys(recipient.message for recipient in concerned if recipient.for_approval)
    if held:
        note([format_message_id(message) for message in held])


def _change(connection: apsw.Connection, change: Change, concerned: list[Chosen], now: datetime) -> list[_Touched]:
    """One transaction. What has gone meanwhile is not touched; leases are looked at now."""
    queries = Queries.load("spool")
    pairs = json.dumps([(recipient.message, recipient.number) for recipient in concerned])
    due_at = microseconds(now)
    rows: list[Row]
    with transaction(connection):
        match change:
            case Retry():
                rows = connection.execute(queries.retry_chosen, (pairs, due_at)).fetchall()
            case Hold():
                rows = connection.execute(queries.hold_chosen, (pairs, HELD)).fetchall()
            case Release():
                rows = connection.execute(queries.release_chosen, (pairs, due_at)).fetchall()
            case Reroute(destination):
                rows = connection.execute(queries.reroute_chosen, (pairs, due_at, destination)).fetchall()
            case Delete(bounce) if bounce:
                rows = connection.execute(queries.fail_chosen, (pairs, due_at, FAIL + bounce)).fetchall()
                connection.execute(queries.end_holds_of_failed, (_messages(rows),))
            case Delete():
                rows = _delete(connection, queries, pairs)
            case never:
                assert_never(never)
        connection.execute(queries.count_outside_change)
    return [_Touched(*row) for row in rows]


def _delete(connection: apsw.Connection, queries: Queries, pairs: str) -> list[Row]:
    """Delete what nobody is delivering: while somebody is, its content must not be overwritten, so that is held instead."""
    left: list[Row] = connection.execute(queries.hold_leased, (pairs, HELD)).fetchall()
    deleted: list[Row] = connection.execute(queries.delete_chosen, (pairs,)).fetchall()
    messages = _messages(deleted)
    gone: list[Row] = connection.execute(queries.delete_finished_messages, (messages,)).fetchall()
    connection.execute(queries.end_holds_of_deleted, (messages,))
    ForeignLedger(queries).write(connection, (), [one for (text,) in gone for one in parse_extents(text or "")])
    return left + deleted


def _messages(rows: Iterable[Row]) -> str:
    return json.dumps(list({message for message, _ in rows}))


class _Tally:
    """Counts what a change has touched in one spool, or in several one behind the other."""

    def __init__(self) -> None:
        self.for_approval = 0
        self._recipients = 0
        self._messages = 0
        self._under_way = 0
        self._last_message = -1

    def add(self, touched: list[_Touched]) -> None:
        """A message's recipients may come in several calls, but with none of another message in between."""
        messages = {message for message, leased in touched if not leased}
        self._recipients += sum(not leased for _, leased in touched)
        self._under_way += sum(leased for _, leased in touched)
        self._messages += len(messages - {self._last_message})
        self._last_message = max(messages, default=self._last_message)

    def changed(self) -> Changed:
        """The counts so far."""
        return Changed(self._recipients, self._messages, self._under_way, self.for_approval)
