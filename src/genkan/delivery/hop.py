# SPDX-License-Identifier: Apache-2.0
"""The queue of one next hop: so many connections at most, each for many messages; a hop that cannot be reached rests.

While it rests nothing is tried, and all mail for it is deferred, so that a dead hop costs one attempt and not thousands.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.delivery.carrier import CarrierLost, HopUnreachable
from genkan.delivery.outcome import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from genkan.clock import Clock
    from genkan.delivery.carrier import Carrier, Opener
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Failed, Outcome
    from genkan.delivery.ways import Way
    from genkan.maillog import MailLog
    from genkan.spool.queue import Leased, Place

    Carried = Callable[[Consignment, Sequence[Outcome]], None]

FIRST_REST: Final = timedelta(seconds=30)
LONGEST_REST: Final = timedelta(minutes=30)
FIRST_CONNECTIONS: Final = 1  # that are tried before one is open; each that opens lets one more be tried
LONGEST_WAIT: Final = 60.0  # seconds that mail may wait here for a slow hop; it does not keep others' room longer
MANY: Final = 200  # consignments from which on it is asked how long they will wait
TURN: Final = 50  # consignments over one connection, after which another hop may have its slot
_SLOW: Final = 10.0  # seconds that one consignment is under way before it tells something about the others
_MEMORY: Final = 0.2  # share of the newest in the average time that a consignment takes
_REMEMBERED: Final = 10_000  # next hops


@dataclass(frozen=True, slots=True)
class HopLimits:
    """How many connections there may be to all hops; seconds that one waits for more mail, and mail for its turn."""

    connections: int
    keep_open: float
    longest_wait: float = LONGEST_WAIT


class Slots:
    """The connections that may still be opened, by all hops of a worker together, and who waits for one."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._wanting: dict[HopQueue, None] = {}  # in the order in which they came

    @property
    def are_wanted(self) -> bool:
        """Whether a hop waits for one."""
        return bool(self._wanting)

    def take(self, queue: HopQueue) -> bool:
        """Whether one more may be opened now; if not, the queue is told to hurry when it may."""
        if not self._left:
            self._wanting[queue] = None
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """One was closed: whoever has waited longest, and still has mail, may open another."""
        self._left += 1
        while self._left and self._wanting:
            queue = next(iter(self._wanting))
            del self._wanting[queue]
            queue.hurry()


class _Waiting(NamedTuple):
    """Mail that is not begun, and since when it waits, by the event loop's time."""

    since: float
    consignment: Consignment


class HopQueue:
    """Mail that waits for one next hop, and the tasks that carry it there. Lives on the event loop."""

    def __init__(
        self, name: str, limits: HopLimits, slots: Slots, carried: Carried, log: MailLog, clock: Clock
    ) -> None:
        """`name` is what the log calls it; `carried` is told what became of each consignment."""
        self.name = name
        self.opener: Opener | None = None
        self.connections = 1
        self._limits = limits
        self._slots = slots
        self._carried = carried
        self._log = log
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[_Waiting]] = []
        self._begun: list[float] = []  # when what is under way was begun
        self._seconds = 0.0  # that a consignment takes, on average
        self._open = 0
        self._most = FIRST_CONNECTIONS
        self._failures = 0
        self._resting_until = clock.now()
        self._last = Deferred("not tried yet")
        self._stopping = False

    # What others call.

    def follow(self, way: Way) -> None:
        """What the way says counts from now on; when it is spoken to otherwise than before, it rests no more."""
        if self.opener is not None and self.opener != way.opener:
            self.wake()
        self.opener, self.connections = way.opener, way.connections

    def put(self, consignment: Consignment) -> None:
        """Carry it when its turn has come; after `stop`, nobody is told anything of it."""
        if self._stopping:
            return
        if self._clock.now() < self._resting_until:
            until = self._resting_until
            reason = f"{self.name} is not tried before {until:%H:%M:%S} UTC: {self._last.reason}"
            self._tell([consignment], replace(self._last, reason=reason, retry_at=until, attempted=False))
        elif self._expected_wait() > self._limits.longest_wait:
            self._put_back([consignment])
        else:
            self._give(_Waiting(self._loop.time(), consignment))

    def hurry(self) -> None:
        """Open another connection if mail waits and there may be one."""
        if self._stopping or not self._waiting or len(self._tasks) >= min(self.connections, self._most):
            return
        if self._slots.take(self):
            task = self._loop.create_task(self._serve())
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    @property
    def is_still(self) -> bool:
        """Whether no mail is here."""
        return not self._tasks and not self._waiting

    @property
    def is_in_trouble(self) -> bool:
        """Whether it is to be remembered how often it could not be reached."""
        return bool(self._failures) and self._clock.now() < self._resting_until + LONGEST_REST

    def wake(self) -> None:
        """Rest no more: the operator has changed something, and wants to see it tried."""
        self._resting_until = min(self._resting_until, self._clock.now())

    def waiting(self) -> list[Leased]:
        """Those not begun yet."""
        return [leased for waiting in self._waiting for leased in waiting.consignment.leased]

    def recall(self, places: AbstractSet[Place]) -> list[Leased]:
        """Forget these; those that were not begun, and will not be."""
        recalled: list[Leased] = []
        staying: deque[_Waiting] = deque()
        for since, consignment in self._waiting:
            left = tuple(one for one in consignment.leased if one.place not in places)
            recalled += [one for one in consignment.leased if one.place in places]
            if left:
                staying.append(_Waiting(since, replace(consignment, leased=left)))
        self._waiting = staying
        return recalled

    async def stop(self, patience: float) -> None:
        """Begin nothing more; what is under way has so many seconds. What is not finished then is told to nobody."""
        self._stopping = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        for future in self._idle:
            future.cancel()
        self._idle.clear()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=patience)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    # Those that wait.

    def _give(self, waiting: _Waiting) -> None:
        """Carry it over a connection that has nothing to do; else it waits."""
        if self._idle:
            self._idle.pop().set_result(waiting)  # the one used last: others get old and close
            return
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = self._loop.call_later(self._limits.longest_wait, self._grow_tired)
        self.hurry()

    def _grow_tired(self) -> None:
        """Put back what has waited too long."""
        self._timer = None
        latest = self._loop.time() - self._limits.longest_wait
        tired = []
        while self._waiting and self._waiting[0].since <= latest:
            tired.append(self._waiting.popleft().consignment)
        if self._waiting:
            self._timer = self._loop.call_later(self._waiting[0].since - latest, self._grow_tired)
        self._put_back(tired)

    def _expected_wait(self) -> float:
        """Seconds that mail which comes now will wait; 0 when too little is there to tell."""
        if len(self._waiting) < MANY:
            return 0.0
        under_way = self._loop.time() - min(self._begun, default=self._loop.time())
        seconds = max(self._seconds, under_way) if under_way > _SLOW else self._seconds
        return len(self._waiting) * seconds / max(1, len(self._tasks))

    def _put_back(self, consignments: Sequence[Consignment]) -> None:
        """Let them wait in the spool: it has more room."""
        wait = max(self._expected_wait(), self._limits.longest_wait)
        later = self._clock.now() + min(timedelta(seconds=wait), LONGEST_REST)
        count = len(self._waiting) + len(consignments)
        reason = f"{self.name} is slow, {count} messages wait for it"
        self._tell(consignments, Deferred(reason, later, "4.4.5", attempted=False))

    def _tell(self, consignments: Iterable[Consignment], outcome: Deferred | Failed) -> None:
        for consignment in consignments:
            self._carried(consignment, [outcome] * len(consignment.leased))

    # The tasks.

    async def _serve(self) -> None:
        """Carry one consignment after the other over a connection, until none has come for a while."""
        link = _Link(self._count)
        waiting = self._waiting.popleft() if self._waiting else None
        try:
            while waiting is not None and await self._carry(link, waiting):
                waiting = await self._next(link)
        finally:
            await link.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.give_back()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.failure(self.name, error)
        self.hurry()

    async def _next(self, link: _Link) -> _Waiting | None:
        """The next one; waits a moment for it if there is none. `None`: nothing has come, or others want the slot."""
        if self._slots.are_wanted and (not self._waiting or link.carried >= TURN or not link.is_usable):
            return None
        if self._waiting:
            return self._waiting.popleft()
        if self._stopping or not link.is_usable:
            return None
        future: asyncio.Future[_Waiting] = self._loop.create_future()
        self._idle.append(future)
        await asyncio.wait([future], timeout=self._limits.keep_open)
        if future.done():
            return None if future.cancelled() else future.result()
        self._idle.remove(future)
        return None

    async def _carry(self, link: _Link, waiting: _Waiting) -> bool:
        """Carry it; whether the connection may go on."""
        consignment = waiting.consignment
        begun = self._loop.time()
        self._begun.append(begun)
        try:
            assert self.opener is not None
            outcomes = await link.carry(consignment, self.opener)
        except HopUnreachable as error:
            self._unreachable(waiting, error.outcome)
            return False
        except Exception as error:  # noqa: BLE001
            self._log.failure(consignment.envelope.message_id, error, hop=self.name)
            self._tell([consignment], Deferred(f"internal error: {error!r}", status="4.3.0"))
            return False
        finally:
            self._begun.remove(begun)
        self._seconds += (self._loop.time() - begun - self._seconds) * _MEMORY
        self._carried(consignment, outcomes)
        return True

    def _count(self, change: int) -> None:
        """A connection was opened or closed."""
        self._open += change
        if change > 0:
            self._failures = 0
            self._most += 1
            self.hurry()
        elif not self._open:
            self._most = FIRST_CONNECTIONS

    def _unreachable(self, waiting: _Waiting, outcome: Deferred | Failed) -> None:
        """What keeps one message from this hop keeps all of them, unless others are being carried there."""
        if self._open:  # it wants no more connections than it has
            self._most = self._open
            if self._idle:
                self._idle.pop().set_result(waiting)
            else:
                self._waiting.appendleft(waiting)
            return
        together = [waiting.consignment, *(each.consignment for each in self._waiting)]
        self._waiting.clear()
        if isinstance(outcome, Deferred):
            self._rest(outcome)
        self._tell(together, outcome)

    def _rest(self, outcome: Deferred) -> None:
        """Try nothing for a while, each time longer; two that were tried at once count once."""
        self._last = outcome
        now = self._clock.now()
        if now < self._resting_until:
            return
        self._resting_until = now + min(FIRST_REST * 2 ** min(self._failures, 10), LONGEST_REST)
        self._failures += 1
        self._log.server("next hop rests", hop=self.name, reason=outcome.reason, until=self._resting_until)


class _Link:
    """A connection that is opened when there is something to carry, and again when it is used up or spoken to otherwise."""

    def __init__(self, count: Callable[[int], None]) -> None:
        """`count` is told 1 when it was opened, and -1 when it is closed."""
        self._count = count
        self._carrier: Carrier | None = None
        self._opener: Opener | None = None
        self.carried = 0

    @property
    def is_usable(self) -> bool:
        """Whether it is open, and more can be carried."""
        return self._carrier is not None and self._carrier.usable

    async def carry(self, consignment: Consignment, opener: Opener) -> list[Outcome]:
        """The outcomes. Raises `HopUnreachable`, and what a carrier has not foreseen."""
        self.carried += 1
        if self._carrier is not None and self._carrier.usable and self._opener == opener:
            with suppress(CarrierLost):
                return await self._carrier.carry(consignment)
        await self.close()
        carrier = self._carrier = await opener()
        self._opener = opener
        self._count(1)
        return await carrier.carry(consignment)

    async def close(self) -> None:
        """End it; it may be opened again."""
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            self._count(-1)
            await carrier.close()


class Hops:
    """All next hops of one worker."""

    def __init__(self, limits: HopLimits, carried: Carried, log: MailLog, clock: Clock) -> None:
        """See `HopQueue`."""
        self._limits = limits
        self._carried = carried
        self._log = log
        self._clock = clock
        self._slots = Slots(limits.connections)
        self._queues: dict[str, HopQueue] = {}
        self._room = _REMEMBERED

    def put(self, way: Way, consignment: Consignment) -> None:
        """Carry it that way; what the way says counts for its hop from now on."""
        queue = self._queues.get(way.name)
        if queue is None:
            self._make_room()
            queue = HopQueue(way.name, self._limits, self._slots, self._carried, self._log, self._clock)
            self._queues[way.name] = queue
        queue.follow(way)
        queue.put(consignment)

    def wake(self) -> None:
        """See `HopQueue.wake`; all of them."""
        for queue in self._queues.values():
            queue.wake()

    def waiting(self) -> list[Leased]:
        """Those not begun yet, of all hops."""
        return [leased for queue in self._queues.values() for leased in queue.waiting()]

    def recall(self, places: AbstractSet[Place]) -> list[Leased]:
        """See `HopQueue.recall`."""
        return [leased for queue in self._queues.values() for leased in queue.recall(places)]

    async def stop(self, patience: float) -> None:
        """See `HopQueue.stop`; all at once."""
        await asyncio.gather(*(queue.stop(patience) for queue in self._queues.values()))

    def _make_room(self) -> None:
        """Forget hops without mail: those that are in no trouble, and when that is not enough, the others too."""
        if len(self._queues) < self._room:
            return
        self._queues = {name: one for name, one in self._queues.items() if not one.is_still or one.is_in_trouble}
        if len(self._queues) > self._room // 2:
            self._queues = {name: one for name, one in self._queues.items() if not one.is_still}
