# SPDX-License-Identifier: Apache-2.0
"""The order of the checks, by stage, in one place; the first that objects decides.

Checks come from the constructor, so nothing here has to be registered. A check answers with a `Verdict`, with `None` (go on),
or with an awaitable of either when it has to wait for something; only then does a coroutine exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from genkan.policy.approval import ApprovalRules, RefusedAddress
from genkan.policy.authenticity import Judges
from genkan.policy.client import BlockLists, LockOut, TrialPeriod
from genkan.policy.content import DeclaredSize, HeaderSize, Hops, MailDataFault
from genkan.policy.destination import Destination
from genkan.policy.dmarc import DmarcCheck
from genkan.policy.filter import ContentFilter, VirusScan
from genkan.policy.moderation import ListModeration
from genkan.policy.networks import Networks
from genkan.policy.recipient import Destined, KnownRecipient, ListSender, MailboxQuota, RecipientNumber
from genkan.policy.relay import AccountClientRules, ClientRules, Relay
from genkan.policy.sender import AuthenticatedSender, FromFieldTrust, LocalSender, SenderTrust
from genkan.policy.spf import SpfCheck
from genkan.policy.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from genkan.config import Config
    from genkan.directory.directory import Directory
    from genkan.policy.facts import ConnectionFacts, ContentFacts, RcptFacts, TransactionFacts
    from genkan.policy.rulebook import Rulebook
    from genkan.policy.world import World

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

    def __init__(self, config: Config, directory: Directory, rulebook: Rulebook, world: World) -> None:
        """The directory knows who is who, the rulebook what the operator wants, the world all that is outside."""
        limits, auth, content_filter = config.limits, config.auth, config.filter
        self._is_exempt = Networks(content_filter.exempt).hold
        self._filters = content_filter.enabled
        judges = Judges(config, rulebook, world)
        self.judge = judges.judge
        self.asks_about_origin = judges.asks_about
        self._filter = ContentFilter(rulebook, world, whole_message=content_filter.account_refusal == "message")
        self.connect: Stage[ConnectionFacts] = Stage(
            TrialPeriod(config.expires, world),
            LockOut(directory, rulebook, world),
            BlockLists(rulebook, world),
        )
        self.mail: Stage[TransactionFacts] = Stage(
            ClientRules(rulebook),
            LocalSender(directory),
            AuthenticatedSender(auth, config.replies),
            SenderTrust(auth.sender_trust),
            SpfCheck(config.spf, rulebook, world),
            DeclaredSize(limits.message_size),
        )
        self.rcpt: Stage[RcptFacts] = Stage(
            RecipientNumber(limits.recipients, limits.recipients_held),
            Destined(directory),
            Destination(rulebook),
            RefusedAddress(rulebook),
            Relay(),
            KnownRecipient(),
            ListSender(directory),
            AccountClientRules(rulebook),
            MailboxQuota(world),
        )
        self.content = self._content_stage(config, directory, rulebook)

    def _content_stage(self, config: Config, directory: Directory, rulebook: Rulebook) -> Stage[ContentFacts]:
        limits, auth = config.limits, config.auth
        return Stage(
            MailDataFault(),
            HeaderSize(limits.header_size, limits.header_lines),
            Hops(limits.hops),
            FromFieldTrust(auth.sender_trust, directory),
            DmarcCheck(config.dmarc),
            ApprovalRules(rulebook),
            self._filter,
            VirusScan(defer=config.filter.scanner_failure == "defer"),
            ListModeration(directory),
        )

    def filters(self, transaction: TransactionFacts) -> bool:
        """Whether the content filter and the scanner are for this client (settings `filter.enabled`, `filter.exempt`)."""
        return self._filters and not self._is_exempt(transaction.connection.client_address)

    def reads_text(self, transaction: TransactionFacts) -> bool:
        """Whether a rule wants to look at the text of this transaction's content."""
        return self._filter.has_rules_for(transaction)
