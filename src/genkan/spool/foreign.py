# SPDX-License-Identifier: Apache-2.0
"""A spool that another process accepts into, for one that delivers from it: the queue is ours, the segments are not."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from genkan.spool.ledger import ForeignLedger
from genkan.spool.spool import end_leases
from genkan.spool.writer import Writer
from genkan.storage.lock import DELIVERY_LOCK, lock_folder
from genkan.storage.sqlite import Queries, migrate, open_database

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from genkan.spool.ledger import Ledger
    from genkan.spool.taker import Taker
    from genkan.spool.writer import Job


class ForeignSpool:
    """See `Queue`. What is accepted meanwhile is found by looking, since nobody tells `taker` of it."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        """Open the spool in `folder`. Raises `FolderInUse` when somebody delivers from it already, or `StorageError`."""
        self.folder = folder
        self.queries = Queries.load("spool")
        self.ledger: Ledger = ForeignLedger(self.queries)
        self.taker: Taker | None = None
        self._lock = lock_folder(folder, DELIVERY_LOCK)
        try:
            with closing(open_database(folder / "spool.db")) as connection:
                migrate(connection, "spool")
            end_leases(folder, self.queries)
        except BaseException:
            os.close(self._lock)
            raise
        self._writer = Writer(lambda: open_database(folder / "spool.db"), None, loop)
        self.submit: Callable[[Job], None] = self._writer.submit
        self._writer.start()

    def close(self) -> None:
        """Finish what was submitted and close; blocks for as long as the disk takes."""
        self._writer.stop()
        os.close(self._lock)
