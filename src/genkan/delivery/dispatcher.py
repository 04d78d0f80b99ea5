# SPDX-License-Identifier: Apache-2.0
"""Delivers what is due: takes leased recipients, finds their route, attempts them in batches, records what became of them.

Nothing here may lose mail: whatever goes wrong is `Deferred` and tried again. Held mail is let go, or goes, when it was
decided or its deadline has come.
"""

from __future__ import annotations

import asyncio
import errno
import random
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import apsw

from genkan.delivery.handoff import hand_off_leased
from genkan.delivery.local import LocalDelivery, deliver_batch
from genkan.delivery.outcome import Deferred, Delivered, Failed, Outcome
from genkan.delivery.route import HandoffRoute, LocalRoute, NoRoute
from genkan.message.message_id import message_number
from genkan.message.trace import delivered_to_field, return_path_field
from genkan.spool.deciding import OutsideChanges
from genkan.spool.queue import Finished, Lease, Leased, PutBack, Record
from genkan.spool.reading import content_blocks
from genkan.spool.schedule import next_attempt
from genkan.spool.settling import Settle
from genkan.storage.engine import StorageError
from genkan.storage.sqlite import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from genkan.clock import Clock
    from genkan.delivery.route import Route, Router
    from genkan.maillog import MailLog
    from genkan.message.envelope import Envelope
    from genkan.spool.settling import Settled
    from genkan.spool.spool import Spool

MOST_HELD: Final = 2000  # leased recipients in memory
_BATCH: Final = 64
_THREADS: Final = 2
_RECORD_AGAIN: Final = 2.0  # seconds, when the disk is full
_LOOK_AGAIN: Final = 30.0  # seconds between two looks at the queue when nothing calls for one
_WATCH: Final = 1.0  # seconds between two questions whether another process has changed the queue


@dataclass(frozen=True, slots=True)
class Retry:
    """When a deferred recipient is tried again: the settings `delivery.retry` and `delivery.expire`."""

    delays: tuple[timedelta, ...]
    expire: timedelta


class Dispatcher:
    """Delivers from one spool. Lives on the event loop; attempts run in threads of its own.

    `when_settled` is called after held mail was let go or deleted: there the audit trail can be told of what a deadline decided.
    """

    def __init__(
        self,
        spool: Spool,
        router: Router,
        retry: Retry,
        hostname: str,
        log: MailLog,
        clock: Clock,
    ) -> None:
        """Belongs to the running event loop; nothing is delivered before `start`."""
        self._spool = spool
        self._router = router
        self._retry = retry
        self._hostname = hostname
        self._log = log
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Leased] = deque()
        self._held = 0
        self._running = 0
        self._looking = False
        self._more_due = False
        self._pump_planned = False
        self._stopping = False
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._idle: asyncio.Future[None] | None = None
        self._readers = _Readers(spool.folder)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="delivery")
        self._outside: OutsideChanges | None = None
        self._watch_timer: asyncio.Handle | None = None
        self.when_settled: Callable[[Settled], None] | None = None

    def start(self) -> None:
        """Begin with what is due. Raises `StorageError` when the spool cannot be read."""
        self._outside = OutsideChanges(self._spool.folder)
        self._spool.taker = self
        self._look()
        self._watch()

    async def stop(self) -> None:
        """Begin nothing more, wait for the look and the attempts under way and for the record of their outcomes."""
        self._stopping = True
        self._spool.taker = None
        for timer in (self._timer, self._watch_timer):
            if timer is not None:
                timer.cancel()
        if self._outside is not None:
            self._outside.close()
        if self._running or self._looking:
            self._idle = self._loop.create_future()
            await self._idle
        self._threads.shutdown()

    # Taker: what the spool has just accepted.

    def claim(self, recipients: int) -> bool:
        """See `Taker`."""
        if self._stopping or self._held + recipients > MOST_HELD:
            return False
        self._held += recipients
        return True

    def give_up(self, recipients: int) -> None:
        """See `Taker`."""
        self._held -= recipients

    def take(self, envelope: Envelope, size: int) -> None:
        """See `Taker`."""
        for number, recipient in enumerate(envelope.recipients):
            self._ready.append(Leased(envelope, size, number, recipient, 1))
        self._plan_pump()

    def hold(self, deadline: datetime) -> None:
        """See `Taker`."""
        self._look_at(deadline)

    def leave(self) -> None:
        """See `Taker`."""
        self._more_due = True
        self._look_for_more()

    # The queue.

    def _watch(self) -> None:
        """Look at the queue when another process has changed it; what cannot be read now is for the next look to report."""
        assert self._outside is not None
        self._watch_timer = self._loop.call_later(_WATCH, self._watch)
        with suppress(StorageError):
            if self._outside.were_made():
                self._look()

    def _look(self) -> None:
        """Settle what is held and due, lease what is due, as far as there is room; half of it stays free for new mail."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        room = (MOST_HELD - self._held) // 2
        if self._stopping or self._looking or not room:
            self._more_due = True
            return
        self._more_due = False
        self._looking = True
        self._held += room
        now = self._clock.now()
        self._spool.submit(Settle(self._spool, now, self._settled))
        self._spool.submit(Lease(self._spool, now, room, lambda *given: self._leased(room, *given)))

    def _settled(self, error: StorageError | None, settled: list[Settled], next_due: datetime | None) -> None:
        if error is not None:
            self._log.server("held mail cannot be settled", error=str(error))
        if settled:
            self._more_due = True  # there may be more than one transaction takes, and what was let go is to be leased
        if next_due is not None:
            self._look_at(next_due)
        for one in settled:
            self._tell(one)

    def _tell(self, settled: Settled) -> None:
        event = "released" if settled.verdict == "approve" else "rejected"
        by = settled.by or "deadline"
        for recipient in settled.recipients:
            self._log.outcome(event, settled.message_id, recipient, hold=settled.kind, by=by, rule=settled.rule)
        if self.when_settled is not None:
            try:
                self.when_settled(settled)
            except Exception as error:  # noqa: BLE001
                self._log.failure(settled.message_id, error)

    def _leased(self, room: int, error: StorageError | None, leased: list[Leased], next_due: datetime | None) -> None:
        self._looking = False
        self._held -= room - len(leased)
        if self._stopping:  # what is leased stays so until the spool is opened again
            self._check_idle()
            return
        self._ready.extend(leased)
        if error is not None:
            self._log.server("queue cannot be read", error=str(error))
            self._look_at(None)
            return
        if len(leased) == room:
            self._more_due, next_due = True, None
        self._look_at(next_due)
        self._look_for_more()
        self._plan_pump()

    def _look_for_more(self) -> None:
        """Look again if more is due than there was room for, and there is enough room now."""
        if self._more_due and not self._looking and self._held <= MOST_HELD // 2:
            self._look()

    def _look_at(self, moment: datetime | None) -> None:
        """Look at the queue at that moment, and from time to time anyway: another process may have changed it."""
        wait = _LOOK_AGAIN
        if moment is not None:
            wait = min(max((moment - self._clock.now()).total_seconds(), 0.0), wait)
        look_at = self._loop.time() + wait
        if self._timer is not None:
            if self._timer_at <= look_at:
                return
            self._timer.cancel()
        if not self._stopping:
            self._timer_at = look_at
            self._timer = self._loop.call_later(wait, self._look)

    # Attempts.

    def _plan_pump(self) -> None:
        if not self._pump_planned:
            self._pump_planned = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_planned = False
        while self._ready and self._running < _THREADS and not self._stopping:
            batch = [self._ready.popleft() for _ in range(min(_BATCH, len(self._ready)))]
            self._attempt(batch)

    def _attempt(self, batch: list[Leased]) -> None:
        self._running += 1
        routed = [(leased, self._route(leased)) for leased in batch]
        future = self._loop.run_in_executor(self._threads, self._deliver, routed)
        future.add_done_callback(lambda done: self._attempted(batch, done))

    def _route(self, leased: Leased) -> Route:
        try:
            return self._router.route(leased.recipient.mailbox)
        except Exception as error:  # noqa: BLE001
            self._log.failure(leased.envelope.message_id, error)
            return NoRoute("the directory could not be asked")

    def _deliver(self, routed: list[tuple[Leased, Route]]) -> list[Outcome]:
        """On a delivery thread: attempt a batch, the outcomes in its order."""
        local = [self._local(leased, route) for leased, route in routed if isinstance(route, LocalRoute)]
        delivered = iter(deliver_batch(local, self._hostname))
        handed_off = self._hand_off(routed)
        outcomes: list[Outcome] = []
        for leased, route in routed:
            match route:
                case LocalRoute():
                    outcomes.append(next(delivered))
                case HandoffRoute():
                    outcomes.append(handed_off[leased.envelope.message_id])
                case NoRoute(reason):
                    outcomes.append(Deferred(reason))
        return outcomes

    def _hand_off(self, routed: list[tuple[Leased, Route]]) -> dict[str, Outcome]:
        """Hand over what another server is to deliver, into its one folder: the outcomes by message id."""
        leased = [one for one, route in routed if isinstance(route, HandoffRoute)]
        folder = next((route.folder for _, route in routed if isinstance(route, HandoffRoute)), None)
        return {} if folder is None else hand_off_leased(leased, folder, self._hostname, self._readers.content)

    def _local(self, leased: Leased, route: LocalRoute) -> LocalDelivery:
        envelope = leased.envelope
        number = message_number(envelope.message_id)
        return LocalDelivery(
            message_id=envelope.message_id,
            recipient_number=leased.number,
            accepted_at=envelope.accepted_at,
            maildir=route.maildir,
            fields=return_path_field(envelope.reverse_path) + delivered_to_field(leased.recipient.mailbox),
            content=lambda: self._readers.content(number),
            size=leased.size,
            first_attempt=leased.attempt == 1,
        )

    def _attempted(self, batch: list[Leased], done: asyncio.Future[list[Outcome]]) -> None:
        error = done.exception()
        if error is None:
            outcomes = done.result()
        elif len(batch) > 1 and not self._stopping:
            self._attempt_singly(batch, error)
            return
        else:
            self._log.failure(batch[0].envelope.message_id, error)
            outcomes = [Deferred(f"internal error: {error!r}")] * len(batch)
        entries = [self._entry(leased, outcome) for leased, outcome in zip(batch, outcomes, strict=True)]
        self._record(entries)

    def _attempt_singly(self, batch: list[Leased], error: BaseException) -> None:
        """Attempt a batch again, each recipient by itself: whichever made it fail is not to hold up the others."""
        self._log.server("attempt failed, trying one by one", error=repr(error), recipients=len(batch))
        self._running -= 1
        for leased in batch:
            self._attempt([replace(leased, attempt=leased.attempt + 1)])

    def _entry(self, leased: Leased, outcome: Outcome) -> Finished | PutBack:
        envelope, mailbox = leased.envelope, str(leased.recipient.mailbox)
        number = message_number(envelope.message_id)
        if isinstance(outcome, Delivered):
            self._log.outcome("delivered", envelope.message_id, mailbox, attempt=leased.attempt)
            return Finished(number, leased.number)
        now = self._clock.now()
        due_at = outcome.retry_at if isinstance(outcome, Deferred) and outcome.retry_at else self._next(leased, now)
        event = "failed" if isinstance(outcome, Failed) else "deferred"
        self._log.outcome(
            event, envelope.message_id, mailbox, attempt=leased.attempt, reason=outcome.reason, next=due_at
        )
        return PutBack(number, leased.number, due_at, outcome.reason)

    def _next(self, leased: Leased, now: datetime) -> datetime:
        """When to try again. Mail beyond its time stays, and is tried at the last interval: nobody could be told of its end."""
        accepted_at, retry = leased.envelope.accepted_at, self._retry
        due_at = next_attempt(
            leased.attempt,
            accepted_at,
            now,
            retry=retry.delays,
            expire=retry.expire,
            jitter=random.random(),  # noqa: S311
        )
        return due_at if due_at is not None else now + retry.delays[-1]

    def _record(self, entries: list[Finished | PutBack]) -> None:
        self._spool.submit(Record(self._spool, entries, lambda error: self._recorded(entries, error)))

    def _recorded(self, entries: list[Finished | PutBack], error: StorageError | None) -> None:
        if error is not None and not self._stopping:
            self._log.server("outcomes cannot be recorded, trying again", error=str(error))
            self._loop.call_later(_RECORD_AGAIN, self._record, entries)
            return
        # What could not be recorded stays leased in the database; who opens the spool next finds what was delivered.
        self._running -= 1
        self._held -= len(entries)
        if self._stopping:
            self._check_idle()
            return
        put_back = [entry.due_at for entry in entries if isinstance(entry, PutBack)]
        if put_back:
            self._look_at(min(put_back))
        self._look_for_more()
        self._pump()

    def _check_idle(self) -> None:
        """Let `stop` go on when nothing is under way any more."""
        if not self._running and not self._looking and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)


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
