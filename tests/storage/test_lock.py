# SPDX-License-Identifier: Apache-2.0
"""A folder is one process's until its descriptor is closed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from genkan.storage.engine import StorageError
from genkan.storage.lock import FolderInUse, lock_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_locked_folder_is_refused_until_it_is_let_go(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = lock_folder(folder)
    with pytest.raises(FolderInUse, match=f"{folder} is in use: another genkan serves it"):
        lock_folder(folder)
    os.close(first)
    os.close(lock_folder(folder))


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    os.close(lock_folder(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=f"{tmp_path}/file/data"):
        lock_folder(tmp_path / "file" / "data")
