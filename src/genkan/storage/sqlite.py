# SPDX-License-Identifier: Apache-2.0
"""SQLite through APSW: open a database durably, migrate it, load its named queries. No query and no table stands here.

A connection belongs to the thread that opened it, and never outlives a fork.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Self

import apsw

from genkan.storage.engine import StorageError, StorageOutdated, check_library, translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

BUSY_TIMEOUT: Final = 10.0  # seconds

MOST_ROWS_AT_ONCE: Final = 64  # so few texts that all of them stay prepared
_NAME: Final = "-- name:"


def open_database(path: Path, *, read_only: bool = False) -> apsw.Connection:
    """A connection to the SQLite file at `path`: WAL, every commit synced, no mapping, 10 s of patience for locks.

    Makes the file (mode 0600) unless `read_only`. Raises StorageError and those below it.
    """
    check_library()
    with translated(str(path)):
        if not read_only:
            _create_private(path)
        flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
        connection = apsw.Connection(str(path), flags=flags)
        try:
            _configure(connection)
            if read_only:
                _patiently(connection, "SELECT count(*) FROM sqlite_schema")
            else:
                _use_wal(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Commit what the block did, all or nothing; the write lock is taken at its start, so what it reads cannot move.

    Raises StorageBusy when the lock is not free within 10 s, StorageFull and others when the commit fails.
    """
    with translated(connection.filename):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise


def insert_rows(connection: apsw.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert many rows with few statements; `statement` inserts one and ends in `VALUES (?, ...)`. Raises apsw.Error."""
    start = 0
    while start < len(rows):
        count = min(len(rows) - start, MOST_ROWS_AT_ONCE)
        values = [value for row in rows[start : start + count] for value in row]
        connection.execute(_insert_many(statement, count), values)
        start += count


@cache
def _insert_many(statement: str, count: int) -> str:
    head, _, row = statement.rpartition("VALUES")
    return f"{head}VALUES {', '.join([row.strip(' ;')] * count)}"


def migrate(connection: apsw.Connection, schema: str) -> None:
    """Bring the database to the newest version of `schema` ("directory", "spool"), all missing steps or none.

    Raises StorageError for a database made by a newer program, StorageOutdated for an old one that is open read-only.
    """
    steps = migrations(schema)
    if _check_version(connection, schema, len(steps)) == len(steps):
        return
    if connection.readonly("main"):
        raise StorageOutdated(f"{connection.filename}: made by an older version of this program; start the server once")
    with transaction(connection):
        version = _check_version(connection, schema, len(steps))
        for step in steps[version:]:
            connection.execute(step).fetchall()  # to its end: a statement that gives rows would hold up those behind it
        connection.execute(f"PRAGMA user_version = {len(steps)}")


def migrations(schema: str) -> tuple[str, ...]:
    """The SQL of each step of `schema`, in order; files are numbered from 0001 without a gap, else StorageError."""
    folder = _sql() / schema
    named = sorted((file.name, file) for file in folder.iterdir() if file.name.endswith(".sql"))
    for number, (name, _) in enumerate(named, start=1):
        if not name.startswith(f"{number:04d}_"):
            raise StorageError(f"migrations of {schema}: {name} stands where {number:04d}_ was expected")
    return tuple(file.read_text("utf-8") for _, file in named)


class Queries:
    """The named queries of one schema as attributes: `queries.lock` is the text below `-- name: lock`."""

    def __init__(self, text: str) -> None:
        """Read the sections of `text`; raises StorageError for a name given twice."""
        for name, query in _sections(text):
            if name in self.__dict__:
                raise StorageError(f"query {name} is given twice")
            self.__dict__[name] = query

    @classmethod
    def load(cls, schema: str) -> Self:
        """The queries of `schema` ("directory", "spool") that come with the program."""
        return cls((_sql() / f"{schema}.sql").read_text("utf-8"))

    def __getattr__(self, name: str) -> str:
        raise AttributeError(f"no query is named {name}")


def _sql() -> Traversable:
    return files("genkan.storage") / "sql" / "sqlite"


def _create_private(path: Path) -> None:
    # O_EXCL, since opening and closing a database that exists would drop the locks this process holds on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def _configure(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(int(BUSY_TIMEOUT * 1000))
    for setting in ("synchronous = FULL", "mmap_size = 0", "foreign_keys = ON", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {setting}").fetchall()


def _use_wal(connection: apsw.Connection, path: Path) -> None:
    if _patiently(connection, "PRAGMA journal_mode = WAL") != "wal":
        raise StorageError(f"{path}: write-ahead logging is not possible here, put it on a local file system")


def _patiently(connection: apsw.Connection, statement: str) -> object:
    """The first use of a database: SQLite refuses it at once, without its own patience, while another process opens or closes."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            return connection.execute(statement).get
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _check_version(connection: apsw.Connection, schema: str, newest: int) -> int:
    with translated(connection.filename):
        version = int(connection.execute("PRAGMA user_version").get)
    if version > newest:
        raise StorageError(
            f"{connection.filename}: made by a newer version of this program ({schema} {version}, here {newest}); "
            "install that version or restore an older backup"
        )
    return version


def _roll_back(connection: apsw.Connection) -> None:
    # Some errors have rolled back already; none of this may hide the error that brought us here.
    if connection.in_transaction:
        with suppress(apsw.Error):
            connection.execute("ROLLBACK")


def _sections(text: str) -> Iterator[tuple[str, str]]:
    name = ""
    lines: list[str] = []
    for line in [*text.split("\n"), _NAME]:
        if line.startswith(_NAME):
            if name:
                yield name, "\n".join(lines).strip()
            name = line.removeprefix(_NAME).strip()
            lines = []
        else:
            lines.append(line)
