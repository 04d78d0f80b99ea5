# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in a database, by name, whatever the engine; and whether the engine's library may be used at all.

Raised through `directory` and `spool`; `listener` turns StorageFull into 452 4.3.1 and the others into 451 4.3.0.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

import apsw

if TYPE_CHECKING:
    from types import TracebackType

# Older versions can lose committed transactions when the write-ahead log is reset while another process writes.
OLDEST_SQLITE: Final = (3, 51, 3)


class StorageError(Exception):
    """The database did not do what was asked; nothing of the transaction under way was kept."""


class StorageFull(StorageError):
    """The disk or a quota of the operating system is full; asking again may work once space was freed."""


class StorageReadOnly(StorageError):
    """The database, its folder or its file system may not be written to."""


class StorageOutdated(StorageReadOnly):
    """An older version of this program made the database, and only a server that starts may change that."""


class StorageBusy(StorageError):
    """Another process kept the database locked for longer than we wait (10 seconds)."""


class StorageCorrupt(StorageError):
    """The file is damaged or is no database; it has to be restored."""


_NAMED: Final[tuple[tuple[type[apsw.Error], type[StorageError], str], ...]] = (
    (apsw.FullError, StorageFull, "the disk is full, free some space"),
    (apsw.ReadOnlyError, StorageReadOnly, "it cannot be written to, check its owner, its mode and its file system"),
    (apsw.PermissionsError, StorageReadOnly, "access is denied, check its owner and its mode"),
    (apsw.BusyError, StorageBusy, "another process keeps it locked, try again"),
    (apsw.LockedError, StorageBusy, "another process keeps it locked, try again"),
    (apsw.CorruptError, StorageCorrupt, "it is damaged, restore it from a backup"),
    (apsw.NotADBError, StorageCorrupt, "it is not a database, restore it from a backup"),
    (apsw.CantOpenError, StorageError, "it cannot be opened, check that its folder exists and may be written to"),
)

# What SQLite calls an input or output error, though it only found no room to grow the index of its write-ahead log.
_NO_ROOM: Final = frozenset({apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_SHMOPEN})

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class Translation:
    """A `with` block that lets errors out under the names above; without state, so one serves any number of queries."""

    __slots__ = ("_subject",)

    def __init__(self, subject: str) -> None:
        self._subject = subject

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, apsw.Error):
            raise _from_sqlite(self._subject, error) from error
        if isinstance(error, OSError):
            raise _from_system(self._subject, error) from error


def translated(subject: str = "the database") -> Translation:
    """Turn errors of the database library and the operating system into the named ones; `subject` opens the text."""
    return Translation(subject)


def check_library() -> None:
    """Refuse an SQLite older than 3.51.3, which may lose what was committed; raises StorageError."""
    version = apsw.sqlite_lib_version()
    if parse_version(version) < OLDEST_SQLITE:
        oldest = ".".join(str(number) for number in OLDEST_SQLITE)
        raise StorageError(
            f"SQLite {version} can lose committed transactions: install a newer apsw (with SQLite {oldest} or later)"
        )


def parse_version(text: str) -> tuple[int, ...]:
    """The numbers of a dotted version such as "3.54.1", comparable one by one."""
    return tuple(int(number) for number in text.split("."))


def _from_sqlite(subject: str, error: apsw.Error) -> StorageError:
    if getattr(error, "extendedresult", None) in _NO_ROOM:
        return StorageFull(f"{subject}: the disk is full, free some space ({error})")
    for kind, named, advice in _NAMED:
        if isinstance(error, kind):
            return named(f"{subject}: {advice} ({error})")
    return StorageError(f"{subject}: {error}")


def _from_system(subject: str, error: OSError) -> StorageError:
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StorageFull(f"{subject}: the disk is full, free some space ({reason})")
    if error.errno in _READ_ONLY:
        return StorageReadOnly(f"{subject}: it cannot be written to, check its owner and its mode ({reason})")
    return StorageError(f"{subject}: {reason}")
