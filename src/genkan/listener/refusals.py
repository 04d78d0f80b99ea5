# SPDX-License-Identifier: Apache-2.0
"""Writes lines into effect.dat for clients whose mail a filter caught (`Level:xx1` of mail.dat, the product's page faq01-81).

Many at once: a change of a document waits for the disk.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from genkan.directory.errors import InvalidValue
from genkan.listener.late_writes import Said
from genkan.rules.clients import client_of, is_loopback
from genkan.rules.effect import SHIPPED, append_refusals

if TYPE_CHECKING:
    from genkan.directory.directory import Directory
    from genkan.listener.late_writes import LateWrites, Write

AUTHOR: Final = "mail.dat"
MOST_LINES: Final = (
    20_000  # of effect.dat; beyond them the server adds none: all workers read all of them again each time
)


class ClientRefusals:
    """Takes clients on the event loop; each gets `CLIENT false` in the server's effect.dat within a moment."""

    def __init__(self, late_writes: LateWrites) -> None:
        self._soon = late_writes.add(self._take, "effect.dat could not be extended")
        self._clients: dict[str, None] = {}

    def refuse(self, client_address: str) -> None:
        """Refuse a client from now on, unless it is loopback."""
        if is_loopback(client_of(client_address)):
            return
        self._clients[client_address] = None
        self._soon()

    def _take(self) -> Write | None:
        clients, self._clients = self._clients, {}
        return partial(_write, clients) if clients else None


def _write(clients: dict[str, None], directory: Directory) -> Said:
    def change(octets: bytes) -> bytes:
        if octets.count(b"\n") >= MOST_LINES:
            raise InvalidValue(f"it has {MOST_LINES} lines; take out clients that come no more")
        # Whatever its encoding: what is added is ASCII.
        return append_refusals(octets.decode("latin-1"), clients).encode("latin-1")

    comment = f"caught: {', '.join(clients)}"[:200]
    directory.documents.edit("effect.dat", None, change, AUTHOR, comment, absent=SHIPPED.encode())
    return Said("effect.dat extended", {"clients": list(clients)})
