# SPDX-License-Identifier: Apache-2.0
"""MTA-STS policies in the directory database, so that all workers know them, and a restart forgets none (RFC 8461, 5.1)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from genkan.delivery.sts import StsPolicy
from genkan.directory.sts_policies import StoredPolicy
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.directory.directory import Directory


class DirectoryPolicies:
    """See `PolicyStore`. A directory that cannot be asked is like one that knows no policy: it is fetched then."""

    def __init__(self, directory: Directory, open_directory: Callable[[], Directory]) -> None:
        """`directory` is read on the event loop; to write, another one is opened in a thread."""
        self._directory = directory
        self._open_directory = open_directory

    async def get(self, domain: str) -> StsPolicy | None:
        """See `PolicyStore`."""
        try:
            stored = self._directory.sts_policies.get(domain)
        except StorageError:
            return None
        if stored is None:
            return None
        return StsPolicy(stored.id, stored.mode, stored.mx, stored.expires - stored.fetched, stored.fetched)

    async def put(self, domain: str, policy: StsPolicy) -> None:
        """See `PolicyStore`."""
        stored = StoredPolicy(domain, policy.id, policy.mode, policy.mx, policy.fetched, policy.expires)
        await asyncio.get_running_loop().run_in_executor(None, self._write, stored)

    def _write(self, stored: StoredPolicy) -> None:
        with suppress(StorageError), self._open_directory() as directory:
            directory.sts_policies.drop_expired(stored.fetched)
            directory.sts_policies.put(stored)
