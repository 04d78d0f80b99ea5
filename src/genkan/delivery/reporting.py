# SPDX-License-Identifier: Apache-2.0
"""Turns outcomes into what is recorded, and into the mail that senders are owed: bounces, warnings, confirmations.

RFC 5321, 6.1; RFC 3461, 5 and 6. A null reverse-path is never written to: what cannot be delivered nor reported is kept.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from genkan.delivery.outcome import Deferred, Delivered, Expanded, Failed, Held
from genkan.message.dsn import Action, Identity, ReportedRecipient, Returned, report, wants, wants_whole
from genkan.message.envelope import Envelope, Recipient
from genkan.spool.post import Post
from genkan.spool.recording import Consequence, Finished, KeptBack, PutBack
from genkan.spool.schedule import next_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta

    from genkan.clock import Clock
    from genkan.delivery.batches import Batches
    from genkan.delivery.outcome import Outcome
    from genkan.maillog import MailLog
    from genkan.smtp.address import Mailbox
    from genkan.spool.queue import Leased
    from genkan.spool.recording import Entry

UNDELIVERABLE: Final = "undeliverable"
_EXPIRED: Final = "4.4.7"  # RFC 3463: the time has run out
_MOST_HEADER: Final = 64 * 1024  # octets of a header section that are returned


@dataclass(frozen=True, slots=True)
class Retry:
    """When mail is tried again, when the sender is told that it takes long (0: never), when it is given up.

    With `permanent` also what a next hop refuses for good. `returned` is the most octets of a message that go back whole.
    """

    delays: tuple[timedelta, ...]
    expire: timedelta
    warn: timedelta
    permanent: bool = False
    returned: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What the sender of a message is to be told about one of its recipients."""

    leased: Leased
    action: Action
    outcome: Delivered | Expanded | Deferred | Failed


class Reporter:
    """Knows what follows from outcomes. Lives on the event loop."""

    def __init__(
        self, hostname: str, retry: Retry, batches: Batches, next_id: Callable[[], str], log: MailLog, clock: Clock
    ) -> None:
        """`next_id` gives message ids for the reports, `batches` reads what is returned."""
        self._hostname = hostname
        self._retry = retry
        self._batches = batches
        self._next_id = next_id
        self._log = log
        self._clock = clock

    def conclude(
        self, outcomes: Iterable[tuple[Leased, Outcome]]
    ) -> tuple[list[Entry], list[Consequence], list[Report]]:
        """What is to be recorded, which messages come of it, and what is to be reported beside that; all are logged."""
        entries: list[Entry] = []
        consequences: list[Consequence] = []
        reports: list[Report] = []
        for leased, outcome in outcomes:
            entry, report = self._concluded(leased, outcome)
            entries.append(entry)
            if report is not None:
                reports.append(report)
            if isinstance(outcome, Delivered | Expanded | Held):
                consequences += [Consequence(post, (leased.place,)) for post in outcome.posts]
        return entries, consequences, reports

    async def write(self, reports: list[Report]) -> list[Consequence]:
        """The messages that tell senders: one for all recipients of a message that share an action."""
        together: dict[tuple[str, Mailbox, Action], list[Report]] = {}
        for one in reports:
            path = reverse_path_of(one.leased)
            assert path is not None
            together.setdefault((one.leased.envelope.message_id, path, one.action), []).append(one)
        return [await self._write(path, action, group) for (_, path, action), group in together.items()]

    def _concluded(self, leased: Leased, outcome: Outcome) -> tuple[Entry, Report | None]:
        match outcome:
            case Delivered(by, success):
                self._say("delivered", leased, by=by or None)
                return Finished(*leased.place), self._success(leased, outcome, success)
            case Expanded(posts, reason, success):
                self._say("expanded", leased, reason=reason, into=[post.envelope.message_id for post in posts])
                return Finished(*leased.place), self._success(leased, outcome, success)
            case Held(hold, reason):
                self._say("held", leased, hold=hold, reason=reason)
                return KeptBack(*leased.place, hold, reason), None
            case Failed(reason, status, remote, reply):
                if self._retry.permanent and remote and self._clock.now() < self._expires_at(leased):
                    return self._concluded(leased, Deferred(reason, None, status, remote, reply))
                return self._fail(leased, outcome)
            case Deferred():
                return self._defer(leased, outcome)

    def _success(self, leased: Leased, outcome: Delivered | Expanded, action: str) -> Report | None:
        if action == "nothing" or not leased.recipient.notify or not self._may_tell(leased):
            return None
        told: Action = "relayed" if action == "relayed" else "delivered"
        return Report(leased, told, outcome) if wants(leased.recipient, told) else None

    def _fail(self, leased: Leased, outcome: Deferred | Failed) -> tuple[Entry, Report | None]:
        """Give a recipient up: the sender is told, unless there is none, or he wants to know nothing."""
        self._say("failed", leased, reason=outcome.reason)
        if not self._may_tell(leased):
            return KeptBack(*leased.place, UNDELIVERABLE, outcome.reason), None
        told = Report(leased, "failed", outcome) if wants(leased.recipient, "failed") else None
        return Finished(*leased.place), told

    def _defer(self, leased: Leased, outcome: Deferred) -> tuple[Entry, Report | None]:
        now = self._clock.now()
        if now >= self._expires_at(leased):
            age = str(self._retry.expire).removesuffix(", 0:00:00")  # "5 days"
            reason = f"given up after {age}: {outcome.reason}"
            return self._fail(leased, Deferred(reason, None, _EXPIRED, outcome.remote, outcome.reply))
        due_at = min(outcome.retry_at or self._next(leased, now), self._expires_at(leased))
        late = bool(self._retry.warn) and now >= leased.envelope.accepted_at + self._retry.warn
        warned = late and not leased.warned and self._may_tell(leased) and wants(leased.recipient, "delayed")
        self._say("deferred", leased, reason=outcome.reason, next=due_at)
        entry = PutBack(*leased.place, due_at, outcome.reason, warned, outcome.attempted)
        return entry, Report(leased, "delayed", outcome) if warned else None

    def _expires_at(self, leased: Leased) -> datetime:
        return leased.envelope.accepted_at + self._retry.expire

    def _next(self, leased: Leased, now: datetime) -> datetime:
        due_at = next_attempt(
            leased.attempt,
            leased.envelope.accepted_at,
            now,
            retry=self._retry.delays,
            expire=self._retry.expire,
            jitter=random.random(),  # noqa: S311
        )
        assert due_at is not None  # it is not given up yet
        return due_at

    def _may_tell(self, leased: Leased) -> bool:
        return reverse_path_of(leased) is not None

    def _say(self, event: str, leased: Leased, **details: object) -> None:
        known = {name: value for name, value in details.items() if value is not None}
        mailbox = str(leased.recipient.mailbox)
        self._log.outcome(event, leased.envelope.message_id, mailbox, attempt=leased.attempt, **known)

    async def _write(self, path: Mailbox, action: Action, group: list[Report]) -> Consequence:
        """The message with which the sender is told; without what it is about when that cannot be read."""
        leased, now = group[0].leased, self._clock.now()
        envelope, message_id = leased.envelope, self._next_id()
        identity = Identity(self._hostname, message_id, now)
        reported = [self._reported(one, now) for one in group]
        content = report(envelope._replace(reverse_path=path), reported, await self._returned(leased, action), identity)
        told = Envelope(
            message_id=message_id,
            accepted_at=now,
            reverse_path=None,
            recipients=(Recipient(path, path),),
            client_address=envelope.client_address,
            hello_domain=self._hostname,
            protocol="report",
            body="" if content.isascii() else "8BITMIME",
            smtputf8=not str(path).isascii(),
            requiretls=envelope.requiretls,  # RFC 8689, 5
        )
        places = tuple(one.leased.place for one in group)
        return Consequence(Post(told, content), places)

    def _reported(self, one: Report, now: datetime) -> ReportedRecipient:
        outcome, recipient = one.outcome, one.leased.recipient
        until = self._expires_at(one.leased) if one.action == "delayed" else None
        if isinstance(outcome, Delivered | Expanded):
            return ReportedRecipient(recipient, one.action, "2.0.0", "", "", "", now)
        status, remote, reply = outcome.status, outcome.remote, outcome.reply
        return ReportedRecipient(recipient, one.action, status, remote, reply, outcome.reason, now, until)

    async def _returned(self, leased: Leased, action: Action) -> Returned:
        """What of the message goes back with the report (RFC 3461, 4.3)."""
        whole = wants_whole(leased.envelope, action) and leased.size <= self._retry.returned
        most = leased.size if whole else min(leased.size, _MOST_HEADER)
        try:
            octets = await self._batches.run(lambda: self._batches.read_start(leased, most))
        except OSError as error:
            self._log.failure(leased.envelope.message_id, error)
            return Returned(b"", whole=False)
        return Returned(octets, whole=whole)


def reverse_path_of(leased: Leased) -> Mailbox | None:
    """Who is told what becomes of a recipient."""
    own = leased.recipient.reverse_path
    return leased.envelope.reverse_path if own is None else own
