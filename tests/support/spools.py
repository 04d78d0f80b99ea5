# SPDX-License-Identifier: Apache-2.0
"""A spool without a server around it, on an event loop of its own that turns only while a test waits for something."""

from __future__ import annotations

import asyncio
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import apsw
import uvloop

from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import Mailbox
from genkan.spool.queue import Lease
from genkan.spool.reading import content_blocks
from genkan.spool.recording import Record
from genkan.spool.spool import Spool, SpoolLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from genkan.spool.queue import Leased
    from genkan.spool.recording import Finished, PutBack
    from genkan.spool.spool import Draft
    from genkan.storage.engine import StorageError

ACCEPTED: Final = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ANN: Final = Recipient(Mailbox("ann", "in.test"), Mailbox("ann", "in.test"))
BOB: Final = Recipient(Mailbox("bob", "in.test"), Mailbox("bob", "in.test"))
PATIENCE: Final = 10.0  # seconds


def envelope(number: int, *recipients: Recipient) -> Envelope:
    """The envelope of message `number` for these recipients, for ANN without any."""
    reverse_path = Mailbox("carol", "example.net")
    return Envelope(
        f"B{number:010}", ACCEPTED, reverse_path, recipients or (ANN,), "192.0.2.10", "mx.example.net", protocol="ESMTP"
    )


class SpoolOnLoop:
    """What may be asked of a spool, as plain calls that wait for the answer."""

    def __init__(self, spool: Spool, loop: asyncio.AbstractEventLoop) -> None:
        self.spool = spool
        self.loop = loop

    def turn_until(self, condition: Callable[[], bool]) -> None:
        """Turn the event loop until something has happened on it."""

        async def wait() -> None:
            never = self.loop.create_future()
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    await asyncio.wait([never], timeout=0.0005)

        self.loop.run_until_complete(wait())

    def draft(self, *pieces: bytes) -> Draft:
        """A draft of these pieces."""
        draft = self.spool.begin()
        for piece in pieces:
            draft.append(piece)
        return draft

    def finish(self, envelope: Envelope, draft: Draft) -> StorageError | None:
        """Accept a draft: the error, or `None` once the message is durable."""
        outcomes: list[StorageError | None] = []
        self.spool.accept(envelope, draft, outcomes.append)
        self.turn_until(lambda: bool(outcomes))
        return outcomes[0]

    def accept(self, envelope: Envelope, *pieces: bytes) -> StorageError | None:
        """Accept a message of these pieces."""
        return self.finish(envelope, self.draft(*pieces))

    def lease(self, now: datetime = ACCEPTED, limit: int = 100) -> tuple[list[Leased], datetime | None]:
        """What is due at `now`, and when more is."""
        answers: list[tuple[StorageError | None, list[Leased], datetime | None]] = []
        self.spool.submit(Lease(self.spool, now, limit, lambda *answer: answers.append(answer)))
        self.turn_until(lambda: bool(answers))
        error, leased, next_due = answers[0]
        assert error is None
        return leased, next_due

    def record(self, *outcomes: Finished | PutBack) -> StorageError | None:
        """Record outcomes: the error, or `None` once they are durable."""
        answers: list[StorageError | None] = []
        self.spool.submit(Record(self.spool, outcomes, answers.append))
        self.turn_until(lambda: bool(answers))
        return answers[0]

    def settle(self) -> None:
        """Wait for everything that was submitted."""
        self.record()

    def content(self, number: int) -> bytes:
        """The content of a spooled message, as a delivery reads it; nothing when there is none."""
        with closing(self.database()) as connection:
            return b"".join(content_blocks(connection, self.spool.folder, number))

    def database(self) -> apsw.Connection:
        """Another connection to the database."""
        return apsw.Connection(str(self.spool.folder / "spool.db"))


class Taker:
    """Takes what there is room for, and notes it."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken: list[tuple[str, int]] = []
        self.left = 0
        self.held_until: list[datetime] = []

    def claim(self, recipients: int) -> bool:
        if recipients > self.room:
            return False
        self.room -= recipients
        return True

    def take(self, envelope: Envelope, size: int, content: bytes | None) -> None:
        self.taken.append((envelope.message_id, size))
        assert content is None or len(content) == size

    def give_up(self, recipients: int) -> None:
        self.room += recipients

    def hold(self, deadline: datetime) -> None:
        self.held_until.append(deadline)

    def leave(self) -> None:
        self.left += 1


@contextmanager
def open_spool_on_loop(folder: Path, limits: SpoolLimits | None = None) -> Iterator[SpoolOnLoop]:
    """The spool in `folder` for the block; what was submitted is finished, and told, at its end."""
    with closing(uvloop.new_event_loop()) as loop:
        spool = Spool(folder, limits or SpoolLimits(), loop)
        try:
            yield SpoolOnLoop(spool, loop)
        finally:
            spool.close()
            loop.run_until_complete(asyncio.sleep(0))


@contextmanager
def open_spool(folder: Path) -> Iterator[Spool]:
    """As `open_spool_on_loop`, for who only puts something in."""
    with open_spool_on_loop(folder) as opened:
        yield opened.spool
