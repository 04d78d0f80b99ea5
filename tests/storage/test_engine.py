# SPDX-License-Identifier: Apache-2.0
"""Errors of the database library and the operating system come out under our names, with advice."""

from __future__ import annotations

import errno

import apsw
import pytest

from genkan.storage import engine
from genkan.storage.engine import (
    StorageBusy,
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageReadOnly,
    check_library,
    parse_version,
    translated,
)


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (apsw.FullError("x"), StorageFull),
        (apsw.ReadOnlyError("x"), StorageReadOnly),
        (apsw.PermissionsError("x"), StorageReadOnly),
        (apsw.BusyError("x"), StorageBusy),
        (apsw.LockedError("x"), StorageBusy),
        (apsw.CorruptError("x"), StorageCorrupt),
        (apsw.NotADBError("x"), StorageCorrupt),
        (apsw.CantOpenError("x"), StorageError),
        (apsw.IOError("x"), StorageError),
        (OSError(errno.ENOSPC, "No space left on device"), StorageFull),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), StorageFull),
        (OSError(errno.EROFS, "Read-only file system"), StorageReadOnly),
        (PermissionError(errno.EACCES, "Permission denied"), StorageReadOnly),
        (OSError(errno.EIO, "Input/output error"), StorageError),
    ],
)
def test_an_error_has_the_name_of_its_cause(error: Exception, named: type[StorageError]) -> None:
    with pytest.raises(StorageError) as raised, translated("data/spool.db"):
        raise error
    assert type(raised.value) is named
    assert raised.value.__cause__ is error
    assert str(raised.value).startswith("data/spool.db: ")


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError


def test_the_installed_library_is_accepted() -> None:
    check_library()
    assert parse_version(apsw.sqlite_lib_version()) >= (3, 51, 3)


def test_an_sqlite_that_can_lose_commits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(StorageError, match=r"SQLite 3\.51\.2 can lose .* 3\.51\.3"):
        check_library()


def test_versions_compare_as_numbers() -> None:
    assert parse_version("3.100.0") > parse_version("3.51.3") == engine.OLDEST_SQLITE
