# SPDX-License-Identifier: Apache-2.0
"""Opening, migrating and querying SQLite files, on a real disk."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import apsw
import apsw.ext
import pytest

from genkan.storage.engine import StorageCorrupt, StorageError, StorageFull, StorageReadOnly
from genkan.storage.sqlite import Queries, migrate, migrations, open_database, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    opened = open_database(tmp_path / "some.db")
    yield opened
    opened.close()


def test_every_commit_is_synced_and_nothing_is_mapped(connection: apsw.Connection) -> None:
    names = ("journal_mode", "synchronous", "mmap_size", "busy_timeout", "foreign_keys")
    actual = {name: connection.pragma(name) for name in names}
    full = 2
    assert actual == {
        "journal_mode": "wal",
        "synchronous": full,
        "mmap_size": 0,
        "busy_timeout": 10_000,
        "foreign_keys": 1,
    }


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "new.db")
    connection.execute("CREATE TABLE t (a)")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    connection.close()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"absent/some\.db: .*No such file"):
        open_database(tmp_path / "absent" / "some.db")


def test_a_symbolic_link_to_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "some.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StorageError):
        open_database(tmp_path / "some.db")
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "some.db").write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(StorageCorrupt, match="restore it"):
        open_database(tmp_path / "some.db")


def test_a_read_only_connection_cannot_write(tmp_path: Path) -> None:
    writer = open_database(tmp_path / "some.db")
    writer.execute("CREATE TABLE t (a); INSERT INTO t VALUES (7)")
    reader = open_database(tmp_path / "some.db", read_only=True)
    assert reader.execute("SELECT a FROM t").get == 7
    with pytest.raises(StorageReadOnly), transaction(reader):
        reader.execute("DELETE FROM t")
    reader.close()
    writer.close()


def test_opening_read_only_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        open_database(tmp_path / "some.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_transaction_is_undone_by_any_exception(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE t (a)")
    with pytest.raises(ZeroDivisionError), transaction(connection):  # noqa: PT012  (the block is what is tested)
        connection.execute("INSERT INTO t VALUES (1)")
        raise ZeroDivisionError
    with transaction(connection):
        connection.execute("INSERT INTO t VALUES (2)")
    assert connection.execute("SELECT a FROM t").fetchall() == [(2,)]


def test_a_full_disk_is_named_and_leaves_no_open_transaction(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE t (a)")
    connection.pragma("max_page_count", 3)
    with pytest.raises(StorageFull), transaction(connection):
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM t").get == 0


def _schema(connection: apsw.Connection) -> list[tuple[str, str, str]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()  # type: ignore[return-value]


@pytest.mark.parametrize("schema", ["directory", "spool"])
def test_migrating_gives_the_sum_of_the_migrations(schema: str, tmp_path: Path) -> None:
    at_once = open_database(tmp_path / "at_once.db")
    migrate(at_once, schema)
    step_by_step = apsw.Connection(":memory:")
    for step in migrations(schema):
        step_by_step.execute(step)
    expected = _schema(step_by_step)
    actual = _schema(at_once)
    version = at_once.pragma("user_version")
    at_once.close()
    assert actual == expected
    assert expected
    assert version == len(migrations(schema))


def test_migrating_again_changes_nothing(connection: apsw.Connection) -> None:
    migrate(connection, "directory")
    before = connection.total_changes()
    migrate(connection, "directory")
    assert connection.total_changes() == before


def test_a_newer_database_is_refused_with_advice(connection: apsw.Connection) -> None:
    connection.pragma("user_version", 9999)
    with pytest.raises(StorageError, match=r"made by a newer version .*directory 9999.* install that version"):
        migrate(connection, "directory")


def test_an_old_database_open_read_only_is_refused_with_advice(tmp_path: Path) -> None:
    open_database(tmp_path / "some.db").close()
    reader = open_database(tmp_path / "some.db", read_only=True)
    with pytest.raises(StorageReadOnly, match="older version of this program; start the server once"):
        migrate(reader, "directory")
    reader.close()


def test_a_failing_migration_leaves_the_database_as_it_was(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE lock (a)")
    with pytest.raises(StorageError, match="already exists"):
        migrate(connection, "directory")
    assert [name for _, name, _ in _schema(connection)] == ["lock"]
    assert connection.pragma("user_version") == 0


@pytest.mark.parametrize("schema", ["directory", "spool"])
def test_every_named_query_fits_the_schema(schema: str, tmp_path: Path) -> None:
    connection = open_database(tmp_path / "some.db")
    migrate(connection, schema)
    for function in ("folded", "folded_domain"):  # of genkan.spool.selection
        connection.create_scalar_function(function, _unchanged, 1)
    queries = vars(Queries.load(schema))
    for query in queries.values():
        parameters = (None,) * apsw.ext.query_info(connection, query).bindings_count
        connection.execute(f"EXPLAIN {query}", parameters).fetchall()
    connection.close()
    assert queries


def _unchanged(*values: apsw.SQLiteValue) -> apsw.SQLiteValue:
    return values[0]


def test_queries_are_read_by_name() -> None:
    queries = Queries("-- a header\n\n-- name: first\nSELECT 1\n\n-- name: second\n-- why\nSELECT\n  2\n")
    assert (queries.first, queries.second) == ("SELECT 1", "-- why\nSELECT\n  2")


def test_a_query_that_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="no query is named absent"):
        _ = Queries("").absent


def test_a_query_given_twice_is_refused() -> None:
    with pytest.raises(StorageError, match="first is given twice"):
        Queries("-- name: first\nSELECT 1\n-- name: first\nSELECT 2")
