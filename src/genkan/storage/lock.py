# SPDX-License-Identifier: Apache-2.0
"""A folder that one process at a time may use."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from genkan.storage.engine import StorageError, translated

if TYPE_CHECKING:
    from pathlib import Path

LOCK_FILE: Final = "lock"
DELIVERY_LOCK: Final = "lock.deliver"  # of who delivers what another process accepts


class FolderInUse(StorageError):
    """Another process has the folder."""


def lock_folder(folder: Path, name: str = LOCK_FILE) -> int:
    """Make the folder (0700) if need be and lock it until the descriptor is closed or the process ends.

    Locks of different names do not see each other.

    Raises `FolderInUse`, or another `StorageError` when there can be no such folder.
    """
    with translated(str(folder)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        msg = f"{folder} is in use: another genkan serves it"
        raise FolderInUse(msg) from error
    return descriptor
