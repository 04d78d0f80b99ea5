# SPDX-License-Identifier: Apache-2.0
"""The order of the checks, by stage, in one place; the first that objects decides.

Checks come from the constructor, so nothing here has to be registered. A check answers with a `Verdict`, with `None` (go on),
or with an awaitable of either when it has to wait for something; only then does a coroutine exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from genkan.policy.client import LockOut, TrialPeriod
from genkan.policy.content import DeclaredSize, HeaderSize, Hops, MailDataFault
from genkan.policy.recipient import KnownRecipient, MailboxQuota, RecipientNumber
from genkan.policy.relay import Relay
from genkan.policy.sender import AuthenticatedSender, BlankReversePath, FromFieldTrust, LocalSender, SenderTrust
from genkan.policy.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from genkan.config import Config
    from genkan.directory.accounts import Account
    from genkan.directory.directory import Directory
    from genkan.policy.facts import ConnectionFacts, ContentFacts, RcptFacts, TransactionFacts

Facts = TypeVar("Facts")
FactsIn_contra = TypeVar("FactsIn_contra", contravariant=True)


class Check(Protocol[FactsIn_contra]):
    """One question of policy about one stage's facts.

    A check whose settings leave it nothing to ask says so by an attribute `needed` that is false; it is left out.
    """

    name: str

    def check(self, facts: FactsIn_contra, /) -> Verdict | Awaitable[Verdict | None] | None:
        """An objection, or `None`."""
        ...


class Stage(Generic[Facts]):
    """The checks of one stage, in order."""

    def __init__(self, *checks: Check[Facts]) -> None:
        """The first in the list speaks first."""
        self._checks = tuple(check.check for check in checks if getattr(check, "needed", True))

    def decide(self, facts: Facts) -> Verdict | Awaitable[Verdict | None] | None:
        """The first objection, `None` if there is none; an awaitable of that once a check has to wait."""
        for check in self._checks:
            answer = check(facts)
            if answer is not None:
                if isinstance(answer, Verdict):
                    return answer
                return self._decide_later(answer, self._checks.index(check) + 1, facts)
        return None

    async def _decide_later(self, answer: Awaitable[Verdict | None], following: int, facts: Facts) -> Verdict | None:
        verdict = await answer
        for check in self._checks[following:]:
            if verdict is not None:
                return verdict
            given = check(facts)
            verdict = given if given is None or isinstance(given, Verdict) else await given
        return verdict


class Chain:
    """All stages of a listener's policy."""

    def __init__(
        self,
        config: Config,
        directory: Directory,
        usage: Callable[[Account], Awaitable[int]],
        now: Callable[[], datetime],
    ) -> None:
        """`usage` gives the octets in an account's mailbox, `now` the present moment."""
        limits, auth = config.limits, config.auth
        self.connect: Stage[ConnectionFacts] = Stage(
            TrialPeriod(config.expires, now),
            LockOut(directory, now),
        )
        self.mail: Stage[TransactionFacts] = Stage(
            BlankReversePath(),
            LocalSender(directory),
            AuthenticatedSender(auth, config.replies),
            SenderTrust(auth.sender_trust),
            DeclaredSize(limits.message_size),
        )
        self.rcpt: Stage[RcptFacts] = Stage(
            RecipientNumber(limits.recipients, limits.recipients_held),
            KnownRecipient(directory),
            Relay(),
            MailboxQuota(usage),
        )
        self.content: Stage[ContentFacts] = Stage(
            MailDataFault(),
            HeaderSize(limits.header_size),
            Hops(limits.hops),
            FromFieldTrust(auth.sender_trust, directory),
        )
