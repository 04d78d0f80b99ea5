# SPDX-License-Identifier: Apache-2.0
"""Deliveries into Maildirs and hand-overs, in batches and in threads; and what else has to wait for the disk.

Blocking work is done here and nowhere else in `delivery/`, so that the event loop never waits.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import apsw

from genkan.delivery.handoff import hand_off_leased
from genkan.delivery.local import LocalDelivery, deliver_batch
from genkan.delivery.outcome import Deferred
from genkan.delivery.route import HandoffRoute, LocalRoute
from genkan.message.trace import delivered_to_field, return_path_field
from genkan.spool.reading import content_blocks
from genkan.storage.engine import StorageError
from genkan.storage.sqlite import open_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from genkan.delivery.outcome import Outcome
    from genkan.maillog import MailLog
    from genkan.spool.queue import Leased, Place

    Routed = tuple[Leased, LocalRoute | HandoffRoute]

T = TypeVar("T")

_BATCH: Final = 64
_THREADS: Final = 2


class Batches:
    """Delivers what needs the disk only. Lives on the event loop; the work is done by two threads."""

    def __init__(
        self, folder: Path, hostname: str, log: MailLog, attempted: Callable[[list[tuple[Leased, Outcome]]], None]
    ) -> None:
        """`folder` is the spool's; `attempted` is told the outcomes, on the event loop."""
        self._hostname = hostname
        self._log = log
        self._attempted = attempted
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Routed] = deque()
        self._running = 0
        self._pump_planned = False
        self._stopping = False
        self._idle: asyncio.Future[None] | None = None
        self._readers = _Readers(folder)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="delivery")

    def put(self, leased: Leased, route: LocalRoute | HandoffRoute) -> None:
        """Deliver it with those that come with it."""
        self._ready.append((leased, route))
        if not self._pump_planned:
            self._pump_planned = True
            self._loop.call_soon(self._pump)

    def waiting(self) -> list[Leased]:
        """Those not begun yet."""
        return [leased for leased, _ in self._ready]

    def recall(self, places: AbstractSet[Place]) -> list[Leased]:
        """Forget these; those that were not begun, and will not be."""
        recalled: list[Leased] = []
        staying: deque[Routed] = deque()
        for leased, route in self._ready:
            if leased.place in places:
                recalled.append(leased)
            else:
                staying.append((leased, route))
        self._ready = staying
        return recalled

    async def run(self, work: Callable[[], T]) -> T:
        """Do something that blocks in one of the threads."""
        return await self._loop.run_in_executor(self._threads, work)

    async def content(self, leased: Leased) -> AsyncGenerator[bytes, None]:
        """The content of a message in blocks. Raises `OSError` when it cannot be read."""
        if leased.content is not None:
            yield leased.content
            return
        blocks = self._readers.content(leased.place[0])
        while (block := await self.run(lambda: next(blocks, None))) is not None:
            yield block

    def read_start(self, leased: Leased, most: int) -> bytes:
        """The first octets of a message, in a thread. Raises `OSError`."""
        start = bytearray()
        for block in self._content(leased)():
            start += block
            if len(start) >= most:
                break
        return bytes(start[:most])

    async def stop(self) -> None:
        """Begin no more deliveries, and wait for those under way."""
        self._stopping = True
        if self._running:
            self._idle = self._loop.create_future()
            await self._idle

    def close(self) -> None:
        """End the threads; `run` may be asked for nothing afterwards."""
        self._threads.shutdown()

    def _pump(self) -> None:
        self._pump_planned = False
        while self._ready and self._running < _THREADS and not self._stopping:
            self._attempt([self._ready.popleft() for _ in range(min(_BATCH, len(self._ready)))])

    def _attempt(self, batch: list[Routed]) -> None:
        self._running += 1
        future = self._loop.run_in_executor(self._threads, self._deliver, batch)
        future.add_done_callback(lambda done: self._done(batch, done))

    def _done(self, batch: list[Routed], done: asyncio.Future[list[Outcome]]) -> None:
        self._running -= 1
        error = done.exception()
        if error is None:
            outcomes = done.result()
        elif len(batch) > 1 and not self._stopping:
            self._log.server("attempt failed, trying one by one", error=repr(error), recipients=len(batch))
            for leased, route in batch:  # whichever made it fail is not to hold up the others
                self._attempt([(replace(leased, attempt=leased.attempt + 1), route)])
            return
        else:
            self._log.failure(batch[0][0].envelope.message_id, error)
            outcomes = [Deferred(f"internal error: {error!r}")] * len(batch)
        self._attempted([(leased, outcome) for (leased, _), outcome in zip(batch, outcomes, strict=True)])
        if self._idle is not None and not self._running and not self._idle.done():
            self._idle.set_result(None)
        self._pump()

    # On a delivery thread.

    def _deliver(self, batch: Sequence[Routed]) -> list[Outcome]:
        """Attempt a batch: the outcomes in its order."""
        local = [self._local(leased, route) for leased, route in batch if isinstance(route, LocalRoute)]
        delivered = iter(deliver_batch(local, self._hostname))
        handed_off = self._hand_off(batch)
        return [
            next(delivered) if isinstance(route, LocalRoute) else handed_off[leased.envelope.message_id]
            for leased, route in batch
        ]

    def _hand_off(self, batch: Sequence[Routed]) -> dict[str, Outcome]:
        """Hand over what another server is to deliver, into its one folder: the outcomes by message id."""
        leased = [one for one, route in batch if isinstance(route, HandoffRoute)]
        folder = next((route.folder for _, route in batch if isinstance(route, HandoffRoute)), None)
        return {} if folder is None else hand_off_leased(leased, folder, self._hostname, self._readers.content)

    def _local(self, leased: Leased, route: LocalRoute) -> LocalDelivery:
        envelope, recipient = leased.envelope, leased.recipient
        reverse_path = envelope.reverse_path if recipient.reverse_path is None else recipient.reverse_path
        fields = return_path_field(reverse_path) + delivered_to_field(route.mailbox)
        return LocalDelivery(
            message_id=envelope.message_id,
            recipient_number=leased.number,
            accepted_at=envelope.accepted_at,
            maildir=route.maildir,
            fields=fields + recipient.fields,
            content=self._content(leased),
            size=leased.size,
            first_attempt=leased.attempt == 1,
        )

    def _content(self, leased: Leased) -> Callable[[], Iterator[bytes]]:
        content = leased.content
        if content is not None:
            return lambda: iter((content,))
        number = leased.place[0]
        return lambda: self._readers.content(number)


class _Readers:
    """A read-only database connection for each delivery thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._local = threading.local()

    def content(self, number: int) -> Iterator[bytes]:
        """The content of a message. Raises `OSError`, the only one that `LocalDelivery` allows, whatever is wrong."""
        try:
            yield from content_blocks(self._connection(), self._folder, number)
        except (StorageError, apsw.Error, ValueError) as error:
            raise OSError(errno.EIO, f"the spool cannot be read: {error}") from error

    def _connection(self) -> apsw.Connection:
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = open_database(self._folder / "spool.db", read_only=True)
        return connection
