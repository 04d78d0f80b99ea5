# SPDX-License-Identifier: Apache-2.0
"""The outbreak brake at the way out: counts what accounts send outside, and holds the mail of those who send too much.

Mail is only ever held, never lost. Where it cannot be counted, it goes: a full disk is no outbreak.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from genkan.delivery.outcome import Held
from genkan.directory.brakes import account_key, held_reason
from genkan.directory.resolution import Elsewhere, Local, Unknown
from genkan.message.brake_notice import Braking, operator_notice, owner_notice
from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox
from genkan.spool.post import Post
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from genkan.clock import Clock
    from genkan.directory.brakes import Braked, BrakeNumbers, Stopped
    from genkan.directory.directory import Directory
    from genkan.maillog import MailLog
    from genkan.spool.queue import Leased, Place

HOLD: Final = "brake"
_MOST_REMEMBERED: Final = 100_000  # recipients; some 20 MB


class Brake:
    """Asked about first attempts that go outside. Lives on the event loop; the counts are written by a thread of its own."""

    def __init__(
        self,
        directory: Directory,
        open_directory: Callable[[], Directory],
        numbers: BrakeNumbers | None,
        notices: BrakeNotices,
        log: MailLog,
        clock: Clock,
    ) -> None:
        """`directory` is for the event loop, `open_directory` opens another one for the thread; without `numbers` all may go."""
        self._directory = directory
        self._open_directory = open_directory
        self._numbers = numbers
        self._notices = notices
        self._log = log
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="brake")
        self._own: Directory | None = None
        self._counted: OrderedDict[Place, None] = OrderedDict()

    def close(self) -> None:
        """Wait for what is being counted; nothing may be asked afterwards."""
        self._thread.submit(self._close_own).result()
        self._thread.shutdown()

    def counts(self, leased: Leased) -> bool:
        """Whether `pass_through` has to be asked before this recipient goes outside."""
        return self._numbers is not None and bool(self._account(leased))

    async def pass_through(self, batch: Sequence[Leased]) -> list[Held | None]:
        """`None` for a recipient that may go, in the order of the batch; an account's first ones go, up to its number."""
        accounts = [self._account(leased) for leased in batch]
        counts = Counter(account for account in accounts if account)
        if not counts or self._numbers is None:
            return [None] * len(batch)
        try:
            stopped = await asyncio.get_running_loop().run_in_executor(self._thread, self._note, counts)
        except StorageError as error:
            self._log.server("the brake cannot count what goes out", error=str(error))
            return [None] * len(batch)
        verdicts = {one.braked.account: _Verdict(one) for one in stopped}
        held = [self._judge(leased, verdicts.get(account)) for leased, account in zip(batch, accounts, strict=True)]
        for leased, account, outcome in zip(batch, accounts, held, strict=True):
            if account and outcome is None:
                self._remember(leased)
        return held

    def _account(self, leased: Leased) -> str:
        """The account whose recipient this is; "" for what does not count: later attempts, lists, mail of nobody here."""
        envelope = leased.envelope
        if leased.attempt > 1 or leased.recipient.reverse_path is not None or self._was_counted(leased):
            return ""
        if envelope.account:
            try:
                return account_key(parse_mailbox(envelope.account))
            except AddressError:
                return ""
        if envelope.reverse_path is None:
            return ""
        account = self._directory.sender_account(envelope.reverse_path)
        return "" if account is None else account_key(account.address)

    def _judge(self, leased: Leased, verdict: _Verdict | None) -> Held | None:
        if verdict is None or verdict.admits():
            return None
        braked = verdict.stopped.braked
        posts: tuple[Post, ...] = ()
        if verdict.is_to_be_told():
            posts = self._posts(leased, braked)
            self._log.server("the brake holds an account's mail", account=braked.account, counted=braked.counted)
        return Held(HOLD, held_reason(braked), posts)

    def _posts(self, leased: Leased, braked: Braked) -> tuple[Post, ...]:
        """What is to be told; when there are no message ids the log has it at least."""
        try:
            return self._notices.posts(braked, leased.envelope)
        except StorageError as error:
            self._log.server("nobody was told of the brake", error=str(error))
            return ()

    # A recipient that went as its first attempt and only waited for its turn comes as the first attempt again.

    def _was_counted(self, leased: Leased) -> bool:
        return leased.place in self._counted

    def _remember(self, leased: Leased) -> None:
        self._counted[leased.place] = None
        if len(self._counted) > _MOST_REMEMBERED:
            self._counted.popitem(last=False)

    # On the thread.

    def _note(self, counts: Mapping[str, int]) -> list[Stopped]:
        assert self._numbers is not None
        if self._own is None:
            self._own = self._open_directory()
        return self._own.brakes.note(counts, self._numbers, self._clock.now())

    def _close_own(self) -> None:
        if self._own is not None:
            self._own.close()


class _Verdict:
    """What is left of a braked account's admissions within one batch, and whether somebody is still to be told."""

    def __init__(self, stopped: Stopped) -> None:
        self.stopped = stopped
        self._admitted = stopped.admitted
        self._to_be_told = stopped.fresh

    def admits(self) -> bool:
        """Whether one more may go."""
        self._admitted -= 1
        return self._admitted >= 0

    def is_to_be_told(self) -> bool:
        """True once, if the account has just been braked."""
        told, self._to_be_told = self._to_be_told, False
        return told


class BrakeNotices:
    """Makes the mails that tell the owner of a braked account and the operator."""

    def __init__(self, directory: Directory, hostname: str, next_id: Callable[[], str]) -> None:
        """For the event loop; `next_id` gives message ids."""
        self._directory = directory
        self._hostname = hostname
        self._next_id = next_id

    def posts(self, braked: Braked, about: Envelope) -> tuple[Post, ...]:
        """A mail to the operator, and one to the owner if that is somebody else. Raises `StorageError`."""
        braking = Braking(braked.account, braked.since, braked.threshold, braked.counted)
        owner, operator = self._end(parse_mailbox(braked.account)), self._end(Mailbox("postmaster", ""))
        posts = []
        if operator is not None:
            posts.append(
                self._post(operator, about, braked.since, lambda place: operator_notice(braking, operator, place))
            )
        if owner is not None and owner != operator:
            posts.append(self._post(owner, about, braked.since, lambda place: owner_notice(braking, owner, place)))
        return tuple(posts)

    def _end(self, mailbox: Mailbox) -> Mailbox | None:
        """Where mail for one of our own addresses goes; `None` where nobody has it."""
        match self._directory.resolve(mailbox):
            case Local(account):
                return account.address
            case Elsewhere(target):
                return target
            case Unknown():
                return None
            case _:
                return Mailbox(mailbox.local_part, mailbox.domain or self._directory.domains.default() or "")

    def _post(self, recipient: Mailbox, about: Envelope, at: datetime, write: Callable[[str], bytes]) -> Post:
        message_id = self._next_id()
        envelope = Envelope(
            message_id=message_id,
            accepted_at=at,
            reverse_path=None,
            recipients=(Recipient(recipient, recipient),),
            client_address=about.client_address,
            hello_domain=self._hostname,
            protocol="notice",
        )
        return Post(envelope, write(f"{message_id}@{self._hostname}"))
