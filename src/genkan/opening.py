# SPDX-License-Identifier: Apache-2.0
"""What a configuration names, opened: the one place where settings become a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.directory.directory import Directory

if TYPE_CHECKING:
    from genkan.config import Config


def open_directory(config: Config) -> Directory:
    """The directory of the storage folder, for the calling thread; made and migrated as needed. Raises `StorageError`."""
    delimiter = config.directory.subaddress_delimiter
    return Directory.open(config.storage_folder, subaddress_delimiter=delimiter)
