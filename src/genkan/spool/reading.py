# SPDX-License-Identifier: Apache-2.0
"""Reading spools without owning them: for delivery threads, and for an operator while workers write."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain, groupby
from typing import TYPE_CHECKING, Final

from genkan.message.message_id import format_message_id, message_number
from genkan.spool.hold import Held, held_from_row
from genkan.spool.rows import moment
from genkan.spool.segments import parse_extents, read_extent, segment_path
from genkan.spool.selection import chosen
from genkan.storage.engine import StorageCorrupt, translated
from genkan.storage.sqlite import Queries, migrate, open_database

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime
    from pathlib import Path

    import apsw

    from genkan.spool.rows import Row
    from genkan.spool.selection import Chosen, Selection

_PAGE: Final = 500


@cache
def _queries() -> Queries:
    return Queries.load("spool")


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """A recipient that waits: `state` is `due`, `waiting` (for `due_at`), `leased` (an attempt is under way) or `held`.

    While its message is held, `due_at` is the deadline of the decision. `held` is what holds the recipient itself:
    `operator`, `brake` or `undeliverable`; then `due_at` means nothing. `route` is the destination the operator has named.
    """

    forward_path: str
    mailbox: str
    state: str
    due_at: datetime
    attempts: int
    last_outcome: str
    held: str = ""
    route: str = ""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message in a spool, with the recipients it still has, or those of them that were asked for.

    `reverse_path` is "" for the null one; `size` is in octets.
    `held` says for what and for whom it waits, when it does.
    """

    message_id: str
    accepted_at: datetime
    size: int
    reverse_path: str
    client_address: str
    hello_domain: str
    account: str
    spool: Path
    recipients: tuple[QueuedRecipient, ...]
    held: Held | None


def spool_folders(storage_folder: Path) -> list[Path]:
    """The spools below a storage folder, by number."""
    folders = [path.parent for path in storage_folder.glob("spool/*/spool.db")]
    return sorted(folders, key=lambda folder: (len(folder.name), folder.name))


def list_queued(storage_folder: Path, now: datetime) -> Iterator[QueuedMessage]:
    """All messages of all workers, each spool in the order of acceptance. Raises `StorageError`."""
    yield from _listed(storage_folder, now, _queries().messages)


def list_chosen(storage_folder: Path, now: datetime, selection: Selection) -> Iterator[QueuedMessage]:
    """The messages with recipients that fit, and those recipients only, in the same order.

    Raises `StorageError`, and `ValueError` for what is no message id.
    """
    for folder in spool_folders(storage_folder):
        with _opened(folder) as connection:
            recipients = chain.from_iterable(chosen(connection, selection, now))
            for number, group in groupby(recipients, key=lambda recipient: recipient.message):
                numbers = {recipient.number for recipient in group}
                for row in connection.execute(_queries().message, (number,)).fetchall():
                    yield _queued(connection, folder, row, now, numbers)


def choose(storage_folder: Path, now: datetime, selection: Selection) -> Iterator[Chosen]:
    """The recipients that fit, of all spools, as rows. Raises as `list_chosen`."""
    for folder in spool_folders(storage_folder):
        with _opened(folder) as connection:
            yield from chain.from_iterable(chosen(connection, selection, now))


def last_message_number(folder: Path) -> int:
    """The highest number of a message in a spool, 0 when there is none. Raises `StorageError`."""
    with _opened(folder) as connection:
        [(last,)] = connection.execute(_queries().last_message).fetchall()
    assert isinstance(last, int)
    return last


def list_held(storage_folder: Path, now: datetime) -> Iterator[QueuedMessage]:
    """Those that are held, in the same order. Raises `StorageError`."""
    yield from _listed(storage_folder, now, _queries().held_messages)


def _listed(storage_folder: Path, now: datetime, query: str) -> Iterator[QueuedMessage]:
    for folder in spool_folders(storage_folder):
        with _opened(folder) as connection:
            last = 0
            rows: list[Row]
            while rows := connection.execute(query, (last, _PAGE)).fetchall():
                for row in rows:
                    yield _queued(connection, folder, row, now)
                last = rows[-1][0]


def find_message(storage_folder: Path, message_id: str, now: datetime) -> QueuedMessage | None:
    """The message of that id, wherever it lies. Raises `ValueError` for what is no message id, `StorageError`."""
    number, queries = message_number(message_id), _queries()
    for folder in spool_folders(storage_folder):
        with _opened(folder) as connection:
            for row in connection.execute(queries.message, (number,)).fetchall():
                return _queued(connection, folder, row, now)
    return None


def read_content(message: QueuedMessage) -> Iterator[bytes]:
    """The content of a listed message in blocks; nothing when it has meanwhile been delivered. Raises `StorageError`."""
    with _opened(message.spool) as connection:
        yield from content_blocks(connection, message.spool, message_number(message.message_id))


def content_blocks(connection: apsw.Connection, folder: Path, number: int) -> Iterator[bytes]:
    """The content of message `number` in blocks. Raises `OSError` when a content segment is damaged."""
    found: list[Row] = connection.execute(_queries().content, (number,)).fetchall()
    for content, extents in found:
        if content:
            yield content
        for extent in parse_extents(extents or ""):
            descriptor = os.open(segment_path(folder / "segments", extent.segment), os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield from read_extent(descriptor, extent)
            finally:
                os.close(descriptor)


@contextmanager
def _opened(folder: Path) -> Iterator[apsw.Connection]:
    """A spool's database for the block. Raises `StorageError`, also when an older version of this program made it."""
    connection = open_database(folder / "spool.db", read_only=True)
    try:
        with translated():
            migrate(connection, "spool")
            yield connection
    finally:
        connection.close()


def _queued(
    connection: apsw.Connection, folder: Path, row: Row, now: datetime, numbers: Collection[int] | None = None
) -> QueuedMessage:
    """A message as its row says, with the recipients of these numbers, or all."""
    number, accepted_at, size, reverse_path, client_address, hello_domain, account = row[:7]
    assert isinstance(number, int)
    assert isinstance(accepted_at, int)
    assert isinstance(size, int)
    held = _held(connection, folder, number)
    recipients: list[Row] = connection.execute(_queries().recipients, (number,)).fetchall()
    return QueuedMessage(
        message_id=format_message_id(number),
        accepted_at=moment(accepted_at),
        size=size,
        reverse_path=str(reverse_path or ""),
        client_address=str(client_address),
        hello_domain=str(hello_domain),
        account=str(account),
        spool=folder,
        recipients=tuple(
            _recipient(columns, held, now) for columns in recipients if numbers is None or columns[0] in numbers
        ),
        held=held,
    )


def _held(connection: apsw.Connection, folder: Path, number: int) -> Held | None:
    found = connection.execute(_queries().hold, (number,)).fetchall()
    try:
        return held_from_row(found[0]) if found else None
    except ValueError as error:
        msg = (
            f"{folder}/spool.db: the hold of {format_message_id(number)} is damaged, restore it from a backup ({error})"
        )
        raise StorageCorrupt(msg) from error


def _recipient(columns: Row, hold: Held | None, now: datetime) -> QueuedRecipient:
    _, forward_path, mailbox, attempts, due_at, leased_until, outcome, held, route = columns
    due = moment(due_at) if hold is None else hold.hold.deadline
    if hold is not None:
        state = "held"
    elif leased_until is not None:
        state = "leased"
    elif held:
        state = "held"
    else:
        state = "due" if due <= now else "waiting"
    return QueuedRecipient(forward_path, mailbox, state, due, attempts, outcome or "", held, route)
