# SPDX-License-Identifier: Apache-2.0
"""Delivers what is due from one spool: leases recipients, has them attempted, records what became of them.

Nothing here may lose mail: whatever goes wrong is tried again. Held mail is let go, or goes, when it was decided or its
deadline has come; what an operator changes in the queue counts within a second.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from genkan.delivery.reporting import UNDELIVERABLE
from genkan.spool.queue import Lease, Leased
from genkan.spool.recording import KeptBack, PutBack, Recall, Record
from genkan.spool.settling import Settle
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from genkan.clock import Clock
    from genkan.delivery.attempts import Attempts
    from genkan.delivery.outcome import Outcome
    from genkan.delivery.reporting import Report, Reporter
    from genkan.maillog import MailLog
    from genkan.message.envelope import Envelope
    from genkan.spool.deciding import Changes
    from genkan.spool.queue import Place, Queue
    from genkan.spool.recording import Consequence, Entry
    from genkan.spool.settling import Settled

MOST_HELD: Final = 2000  # leased recipients in memory
_BATCH: Final = 64  # recipients whose attempts begin together
_MOST_TOGETHER: Final = 200  # in one turn of the event loop; they take some 20 ms
_RECORD_AGAIN: Final = 2.0  # seconds, when the disk is full
_TRY_AGAIN: Final = timedelta(minutes=10)  # after what should not happen
_LOOK_AGAIN: Final = 30.0  # seconds between two looks at the queue when nothing calls for one


class Dispatcher:
    """Delivers from one spool. Lives on the event loop.

    `when_settled` is called after held mail was let go or deleted: there the audit trail can be told of what a deadline decided.
    """

    def __init__(self, queue: Queue, attempts: Attempts, reporter: Reporter, log: MailLog, clock: Clock) -> None:
        """Belongs to the running event loop; nothing is delivered before `start`."""
        self._queue = queue
        self._attempts = attempts
        self._reporter = reporter
        self._log = log
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Leased] = deque()
        self._outcomes: deque[tuple[Leased, Outcome]] = deque()
        self._held = 0
        self._recording = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = False
        self._more_due = False
        self._pump_planned = False
        self._stopping = False
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._idle: asyncio.Future[None] | None = None
        self._changes: Changes | None = None
        self._watch_timer: asyncio.Handle | None = None
        self.when_settled: Callable[[Settled], None] | None = None
        attempts.attempted = self._attempted

    def start(self, changes: Changes) -> None:
        """Begin with what is due; `changes` tells of what others do to the queue. Raises `StorageError`."""
        self._changes = changes
        self._queue.taker = self
        self._look()
        self._watch()

    async def stop(self, patience: float = 10.0) -> None:
        """Begin nothing more; attempts under way have so many seconds; wait for the record of their outcomes."""
        self._stopping = True
        self._queue.taker = None
        for timer in (self._timer, self._watch_timer):
            if timer is not None:
                timer.cancel()
        await self._attempts.stop(patience)
        while self._outcomes:
            self._conclude_some()
        await asyncio.gather(*self._tasks)
        self._attempts.close()
        if self._recording or self._looking:
            self._idle = self._loop.create_future()
            await self._idle
        if self._changes is not None:
            self._changes.close()

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

    def take(self, envelope: Envelope, size: int, content: bytes | None) -> None:
        """See `Taker`."""
        for number, recipient in enumerate(envelope.recipients):
            self._ready.append(Leased(envelope, size, number, recipient, 1, content=content))
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
        assert self._changes is not None
        self._watch_timer = self._loop.call_later(self._changes.interval, self._watch)
        with suppress(StorageError):
            if self._changes.were_made():
                if self._changes.are_an_operators:
                    self._attempts.wake()
                self._recall()
                self._look()

    def _recall(self) -> None:
        """Ask which of those that wait here are still wanted: an operator may have deleted, held or rerouted them."""
        leased = [*self._ready, *self._attempts.waiting()]
        if leased:
            places = {one.place for one in leased}
            self._queue.submit(Recall(self._queue, leased, lambda wanted: self._drop(places - wanted)))

    def _drop(self, unwanted: set[Place]) -> None:
        """Give back those of these that are not begun yet."""
        if not unwanted or self._stopping:
            return
        recalled = [leased for leased in self._ready if leased.place in unwanted]
        self._ready = deque(leased for leased in self._ready if leased.place not in unwanted)
        recalled += self._attempts.recall(unwanted)
        now = self._clock.now()
        entries = [PutBack(*leased.place, now, "recalled", attempted=False) for leased in recalled]
        if entries:
            self._record(entries, [])

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
        self._queue.submit(Settle(self._queue, now, self._settled))
        self._queue.submit(Lease(self._queue, now, room, lambda *given: self._leased(room, *given)))

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
        if self._stopping:
            return
        if self._ready:
            self._attempts.begin(self._next_batch())
        if self._ready:  # in its turn: the event loop has others to look after
            self._plan_pump()

    def _next_batch(self) -> list[Leased]:
        """Those whose attempts begin together; few messages are divided, since their recipients may travel together."""
        batch = [self._ready.popleft() for _ in range(min(_BATCH, len(self._ready)))]
        message_id = batch[-1].envelope.message_id
        while self._ready and len(batch) < _MOST_TOGETHER and self._ready[0].envelope.message_id == message_id:
            batch.append(self._ready.popleft())
        return batch

    def _attempted(self, outcomes: list[tuple[Leased, Outcome]]) -> None:
        """Attempts have ended; a next hop that is dead ends very many at once, and they are concluded in turns."""
        if not self._outcomes:
            self._loop.call_soon(self._conclude_some)
        self._outcomes.extend(outcomes)

    def _conclude_some(self) -> None:
        if not self._outcomes:
            return
        self._conclude([self._outcomes.popleft() for _ in range(min(_MOST_TOGETHER, len(self._outcomes)))])
        if self._outcomes:
            self._loop.call_soon(self._conclude_some)

    def _conclude(self, outcomes: list[tuple[Leased, Outcome]]) -> None:
        """Record outcomes, with the mail that senders or others are owed."""
        try:
            entries, consequences, reports = self._reporter.conclude(outcomes)
        except Exception as error:  # noqa: BLE001
            self._conclude_alone(outcomes, error)
            return
        told = {one.leased.place for one in reports}
        if len(told) < len(entries):
            self._record(
                [entry for entry in entries if (entry.message, entry.number) not in told],
                [consequence for consequence in consequences if told.isdisjoint(consequence.of)],
            )
        if reports:
            task = self._loop.create_task(
                self._report(
                    [entry for entry in entries if (entry.message, entry.number) in told],
                    [consequence for consequence in consequences if not told.isdisjoint(consequence.of)],
                    reports,
                )
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _conclude_alone(self, outcomes: list[tuple[Leased, Outcome]], error: Exception) -> None:
        """Concluding these has failed: each by itself, and the one that it fails for is tried again."""
        if len(outcomes) > 1:
            for one in outcomes:
                self._conclude([one])
            return
        leased, later = outcomes[0][0], self._clock.now() + _TRY_AGAIN
        self._log.failure(leased.envelope.message_id, error)
        self._record([PutBack(*leased.place, later, f"internal error: {error!r}")], [])

    async def _report(self, entries: list[Entry], consequences: list[Consequence], reports: list[Report]) -> None:
        """Write what senders are told. Until then the outcomes wait, or else nobody might be told of them."""
        while True:
            try:
                made = await self._reporter.write(reports)
            except StorageError as error:
                self._log.server("reports cannot be written, trying again", error=str(error))
            except Exception as error:  # noqa: BLE001
                self._log.failure(reports[0].leased.envelope.message_id, error)
                self._record(_kept_back(entries, reports, f"the sender cannot be told: {error!r}"), consequences)
                return
            else:
                self._record(entries, [*consequences, *made])
                return
            if self._stopping:
                return
            await asyncio.sleep(_RECORD_AGAIN)

    def _record(self, entries: Sequence[Entry], consequences: Sequence[Consequence]) -> None:
        self._recording += 1
        self._submit_record(entries, consequences)

    def _submit_record(self, entries: Sequence[Entry], consequences: Sequence[Consequence]) -> None:
        done = lambda error: self._recorded(entries, consequences, error)  # noqa: E731
        self._queue.submit(Record(self._queue, entries, done, consequences))

    def _recorded(
        self, entries: Sequence[Entry], consequences: Sequence[Consequence], error: StorageError | None
    ) -> None:
        if error is not None and not self._stopping:
            self._log.server("outcomes cannot be recorded, trying again", error=str(error))
            self._loop.call_later(_RECORD_AGAIN, self._submit_record, entries, consequences)
            return
        # What could not be recorded stays leased in the database; who opens the spool next finds what was delivered.
        self._recording -= 1
        self._held -= len(entries)
        if self._stopping:
            self._check_idle()
            return
        put_back = [entry.due_at for entry in entries if isinstance(entry, PutBack)]
        if put_back:
            self._look_at(min(put_back))
        if consequences:
            self._more_due = True
        self._look_for_more()

    def _check_idle(self) -> None:
        """Let `stop` go on when nothing is under way any more."""
        if not self._recording and not self._looking and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)


def _kept_back(entries: list[Entry], reports: list[Report], reason: str) -> list[Entry]:
    """The same outcomes, but for failures that nobody can be told of: the operator has to know of those."""
    failed = {one.leased.place for one in reports if one.action == "failed"}
    return [
        KeptBack(one.message, one.number, UNDELIVERABLE, reason) if (one.message, one.number) in failed else one
        for one in entries
    ]
