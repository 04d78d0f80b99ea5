# SPDX-License-Identifier: Apache-2.0
"""Writes lines into effect.dat for clients whose mail a filter caught (`Level:xx1` of mail.dat, the product's page faq01-81).

In a thread, and many at once: a change of a document waits for the disk.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from genkan.directory.directory import Directory
from genkan.directory.errors import DirectoryError, InvalidValue
from genkan.rules.clients import client_of, is_loopback
from genkan.rules.effect import SHIPPED, append_refusals
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from genkan.maillog import MailLog

AUTHOR: Final = "mail.dat"
MOST_LINES: Final = (
    20_000  # of effect.dat; beyond them the server adds none: all workers read all of them again each time
)
_REST: Final = 1.0  # seconds between two changes
_PATIENCE: Final = 5.0  # seconds


class ClientRefusals:
    """Takes clients on the event loop; each gets `CLIENT false` in the server's effect.dat within a moment."""

    def __init__(self, storage_folder: Path, loop: asyncio.AbstractEventLoop, log: MailLog) -> None:
        """The thread begins with the first client."""
        self._storage_folder = storage_folder
        self._loop = loop
        self._log = log
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def refuse(self, client_address: str) -> None:
        """Refuse a client from now on, unless it is loopback."""
        if is_loopback(client_of(client_address)):
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="refusals", daemon=True)
            self._thread.start()
        self._queue.put(client_address)

    def close(self) -> None:
        """Write what waits; a few seconds are waited for it."""
        if self._thread is not None:
            self._closing.set()
            self._queue.put(None)
            self._thread.join(_PATIENCE)

    def _work(self) -> None:
        while (client := self._queue.get()) is not None:
            clients, ended = self._waiting(client)
            try:
                with Directory.open(self._storage_folder) as directory:  # opened anew: so the next client is a new try
                    self._write(directory, clients)
            except (DirectoryError, StorageError) as error:
                self._tell("effect.dat could not be extended", clients=list(clients), error=str(error))
            else:
                self._tell("effect.dat extended", clients=list(clients))
            if ended:
                return
            self._closing.wait(_REST)

    def _waiting(self, first: str) -> tuple[dict[str, None], bool]:
        """All clients that wait, each once, and whether this is the end."""
        clients = {first: None}
        while not self._queue.empty():
            client = self._queue.get()
            if client is None:
                return clients, True
            clients[client] = None
        return clients, False

    def _write(self, directory: Directory, clients: dict[str, None]) -> None:
        def change(octets: bytes) -> bytes:
            if octets.count(b"\n") >= MOST_LINES:
                raise InvalidValue(f"it has {MOST_LINES} lines; take out clients that come no more")
            # Whatever its encoding: what is added is ASCII.
            return append_refusals(octets.decode("latin-1"), clients).encode("latin-1")

        comment = f"caught: {', '.join(clients)}"[:200]
        directory.documents.edit("effect.dat", None, change, AUTHOR, comment, absent=SHIPPED.encode())

    def _tell(self, event: str, **details: object) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(partial(self._log.server, event, **details))
