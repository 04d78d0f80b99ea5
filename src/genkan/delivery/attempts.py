# SPDX-License-Identifier: Apache-2.0
"""One attempt for each leased recipient: finds its route, lets those that go together travel together, tells the outcome.

`begin` says who carries what: threads for the disk, the queues of next hops for everything else.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from genkan.delivery.consignment import Consignment
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.route import (
    AccountRoute,
    HandoffRoute,
    HopRoute,
    ListRoute,
    LocalRoute,
    ReportsRoute,
    RoleRoute,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from collections.abc import Set as AbstractSet

    from genkan.delivery.batches import Batches
    from genkan.delivery.brake import Brake
    from genkan.delivery.errands import Errands
    from genkan.delivery.hop import Hops
    from genkan.delivery.outcome import Outcome
    from genkan.delivery.route import Route, Router
    from genkan.directory.accounts import Account
    from genkan.directory.auto_replies import AutoReply
    from genkan.maillog import MailLog
    from genkan.smtp.address import Mailbox
    from genkan.spool.post import Post
    from genkan.spool.queue import Leased, Place

    Attempted = Callable[[list[tuple[Leased, Outcome]]], None]


class Attempts:
    """Attempts what the dispatcher has leased. Lives on the event loop."""

    def __init__(
        self,
        router: Router,
        batches: Batches,
        hops: Hops,
        errands: Errands,
        brake: Brake,
        log: MailLog,
    ) -> None:
        """What comes of attempts is told to `attempted`, once that is set."""
        self._router = router
        self._batches = batches
        self._hops = hops
        self._errands = errands
        self._brake = brake
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self._awaited: dict[Place, asyncio.Future[Outcome]] = {}
        self._stopping = False
        self.attempted: Attempted | None = None

    def begin(self, leased: Sequence[Leased]) -> None:
        """Attempt all of these; `attempted` is told the outcome of each."""
        outward: list[tuple[Leased, HopRoute]] = []
        nowhere: list[tuple[Leased, Outcome]] = []
        for one in leased:
            route = self._route(one)
            match route:
                case HopRoute():
                    outward.append((one, route))
                case Deferred() | Failed():
                    nowhere.append((one, route))
                case _:
                    self._begin(one, route)
        if outward:
            self._send_out(outward)
        if nowhere:
            self.told(nowhere)

    def carried(self, consignment: Consignment, outcomes: Sequence[Outcome]) -> None:
        """A next hop's queue tells what became of a consignment."""
        self.told(list(zip(consignment.leased, outcomes, strict=True)))

    def told(self, outcomes: list[tuple[Leased, Outcome]]) -> None:
        """Outcomes have come: some are awaited here, since more is to be done; the others are told on."""
        if self._awaited:
            left = []
            for leased, outcome in outcomes:
                future = self._awaited.pop(leased.place, None)
                if future is None:
                    left.append((leased, outcome))
                elif not future.done():
                    future.set_result(outcome)
            outcomes = left
        if outcomes and self.attempted is not None:
            self.attempted(outcomes)

    def wake(self) -> None:
        """Let resting hops be tried at once."""
        self._hops.wake()

    def waiting(self) -> list[Leased]:
        """Those that are not begun: they can still be recalled."""
        return [one for one in (*self._batches.waiting(), *self._hops.waiting()) if one.place not in self._awaited]

    def recall(self, places: AbstractSet[Place]) -> list[Leased]:
        """Do not begin these; those of them that will indeed not be."""
        places = {place for place in places if place not in self._awaited}  # which may have begun since somebody asked
        return [*self._batches.recall(places), *self._hops.recall(places)]

    async def stop(self, patience: float) -> None:
        """Begin nothing more. What is under way has so many seconds to end, and what comes of it as many again."""
        self._stopping = True
        await self._hops.stop(patience)
        await self._batches.stop()
        for future in self._awaited.values():  # of what was not begun
            future.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def close(self) -> None:
        """End the threads, when everything that was told is recorded."""
        self._batches.close()

    def _route(self, leased: Leased) -> Route:
        try:
            return self._router.route(leased)
        except Exception as error:  # noqa: BLE001
            self._log.failure(leased.envelope.message_id, error)
            return Deferred("the directory could not be asked", status="4.3.0")

    def _begin(
        self, leased: Leased, route: LocalRoute | HandoffRoute | ReportsRoute | AccountRoute | ListRoute | RoleRoute
    ) -> None:
        match route:
            case LocalRoute() | HandoffRoute():
                self._batches.put(leased, route)
            case ReportsRoute():
                self._start(leased, self._to_reports(leased, route))
            case AccountRoute():
                self._start(leased, self._to_account(leased, route))
            case ListRoute(mailing_list):
                self._start(leased, self._errands.expand(leased, mailing_list))
            case RoleRoute(role):
                self._start(leased, self._errands.act(leased, role))

    def _start(self, leased: Leased, work: Coroutine[None, None, Outcome]) -> None:
        task = asyncio.get_running_loop().create_task(self._tell(leased, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, leased: Leased, work: Coroutine[None, None, Outcome]) -> None:
        try:
            outcome = await work
        except Exception as error:  # noqa: BLE001
            self._log.failure(leased.envelope.message_id, error)
            outcome = Deferred(f"internal error: {error!r}", status="4.3.0")
        self.told([(leased, outcome)])

    async def _to_account(self, leased: Leased, route: AccountRoute) -> Outcome:
        """Forward, deliver, answer: what comes of it is recorded together, once the account's own end has the message."""
        posts: tuple[Post, ...] = ()
        if route.forward is not None:
            forwarded = await self._errands.forward(leased, route.account, route.forward)
            if isinstance(forwarded, Failed) or (forwarded is not None and not route.forward.keep):
                return forwarded
            posts = () if forwarded is None else forwarded.posts
        end = route.end
        outcome = await (self._to_reports(leased, end) if isinstance(end, ReportsRoute) else self._end(leased, end))
        if not isinstance(outcome, Delivered):
            return outcome
        if route.reply is not None:
            posts += await self._answer(leased, route.account, route.reply)
        return replace(outcome, posts=posts)

    async def _to_reports(self, leased: Leased, route: ReportsRoute) -> Outcome:
        """Have it read; what is no report goes where a person finds it."""
        outcome = await self._end(leased, route.reader)
        return await self._end(leased, route.otherwise) if isinstance(outcome, Failed) else outcome

    async def _answer(self, leased: Leased, account: Account, reply: AutoReply) -> tuple[Post, ...]:
        """What the account answers. It has its mail: when that cannot be answered, it must not get it once more."""
        try:
            post = await self._errands.reply(leased, account, reply)
        except Exception as error:  # noqa: BLE001
            self._log.failure(leased.envelope.message_id, error)
            return ()
        return () if post is None else (post,)

    def _end(self, leased: Leased, end: LocalRoute | HopRoute) -> asyncio.Future[Outcome]:
        """The outcome of an attempt at an account's own end, when it is known."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if self._stopping:
            future.cancel()
            return future
        self._awaited[leased.place] = future
        if isinstance(end, LocalRoute):
            self._batches.put(leased, end)
        else:
            self._send([(leased, end)])
        return future

    def _send_out(self, outward: list[tuple[Leased, HopRoute]]) -> None:
        """Send on what goes outside; where accounts may be sending too much, they are asked about first."""
        counted = [leased for leased, route in outward if route.is_external and self._brake.counts(leased)]
        if not counted:
            self._send(outward)
            return
        task = asyncio.get_running_loop().create_task(self._brake_first(outward, counted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _brake_first(self, outward: list[tuple[Leased, HopRoute]], counted: list[Leased]) -> None:
        try:
            answers = await self._brake.pass_through(counted)
        except Exception as error:  # noqa: BLE001
            self._log.failure("brake", error)
            answers = [None] * len(counted)
        held = {leased.place: answer for leased, answer in zip(counted, answers, strict=True) if answer is not None}
        self._send([one for one in outward if one[0].place not in held])
        self.told([(leased, held[leased.place]) for leased in counted if leased.place in held])

    def _send(self, outward: list[tuple[Leased, HopRoute]]) -> None:
        """Put on the way what goes to next hops: recipients of one message together, as far as the hop wants it."""
        if self._stopping:
            return
        parcels: dict[tuple[object, ...], list[tuple[Leased, HopRoute]]] = {}
        for leased, route in outward:
            recipient = leased.recipient
            key = (leased.envelope.message_id, route.way.name, recipient.reverse_path, recipient.fields)
            parcels.setdefault(key, []).append((leased, route))
        for parcel in parcels.values():
            way = parcel[0][1].way
            for start in range(0, len(parcel), way.together):
                together = [_addressed(one, to.mailbox) for one, to in parcel[start : start + way.together]]
                self._hops.put(way, self._consignment(together))

    def _consignment(self, leased: list[Leased]) -> Consignment:
        first = leased[0]
        own, envelope = first.recipient.reverse_path, first.envelope
        return Consignment(
            envelope=envelope,
            size=first.size,
            reverse_path=envelope.reverse_path if own is None else own,
            fields=first.recipient.fields,
            leased=tuple(leased),
            content=lambda: self._batches.content(first),
        )


def _addressed(leased: Leased, mailbox: Mailbox) -> Leased:
    """The recipient as the next hop is told of it: where the directory sends it now."""
    if leased.recipient.mailbox == mailbox:
        return leased
    return replace(leased, recipient=leased.recipient._replace(mailbox=mailbox))
