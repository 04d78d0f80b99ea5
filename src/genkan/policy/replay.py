# SPDX-License-Identifier: Apache-2.0
"""Asks the checks again about what the record has kept, under other rule documents: for shadows and for `genkan whatif`.

The outside is not asked: its answers are among the facts of the entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from genkan.message.content import HeaderScan
from genkan.message.envelope import Recipient
from genkan.message.mime import TextReader
from genkan.policy.chain import Chain
from genkan.policy.client import BLOCK_LIST
from genkan.policy.facts import ConnectionFacts, ContentFacts, RcptFacts, TransactionFacts
from genkan.policy.filter import LISTED, SCANNED
from genkan.policy.handling import Handlings
from genkan.policy.recipient import USED
from genkan.policy.verdict import Verdict
from genkan.record.entry import Decision
from genkan.rules.mail_match import MailText
from genkan.scanner.clamd import Clean, Infected, ScanFailed
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox
from genkan.smtp.command import NO_RCPT_PARAMETERS, MailParameters
from genkan.smtp.maildata import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence

    from genkan.config import Config
    from genkan.directory.accounts import Account
    from genkan.directory.directory import Directory
    from genkan.policy.rulebook import Rulebook
    from genkan.record.entry import ConnectionEntry, ContentEntry, Fact, RcptEntry, Stage, TransactionEntry
    from genkan.rules.mail_hosts import Lookup
    from genkan.scanner.clamd import ScanResult

T = TypeVar("T")

_TEXT: Final = 65536  # characters of text that a recorded header section may lead to


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the checks say at one point of a transaction: an objection, or what is done with the message that came in."""

    stage: Stage
    forward_path: str = ""
    decision: Decision | None = None
    actions: tuple[str, ...] = ()

    @property
    def said(self) -> tuple[str, tuple[str, ...]]:
        """What makes a difference to the client and to the message: the reply's name, and the actions."""
        return ("accepted" if self.decision is None else self.decision.reply or "cut off"), self.actions


class Replay:
    """The checks under one set of documents, asked about recorded entries."""

    def __init__(self, config: Config, directory: Directory, rulebook: Rulebook) -> None:
        """Settings and directory are those of today."""
        self._directory = directory
        self._world = _RecordedWorld()
        self.chain = Chain(config, directory, rulebook, self._world)

    def connection(self, entry: ConnectionEntry) -> Outcome:
        """What a client is told at the greeting."""
        self._world.turn_to(entry.at - entry.seconds, entry.facts)
        facts = ConnectionFacts(entry.client, entry.role)  # type: ignore[arg-type]  # it was written from one
        return Outcome("connect", decision=_decided(self.chain.connect.decide(facts)))

    def transaction(self, entry: TransactionEntry, text: MailText | None = None) -> list[Outcome]:
        """What the client is told from MAIL on, up to where its message would have ended.

        Without `text` the content is known by its recorded header section alone.
        """
        self._world.turn_to(entry.at, entry.facts)
        facts = TransactionFacts(
            ConnectionFacts(entry.client, entry.role, self._account(entry.account), entry.auth_failed),  # type: ignore[arg-type]
            0.0,
            _mailbox(entry.reverse_path),
            entry.blank,
            MailParameters(size=entry.declared, body=entry.body, smtputf8=entry.smtputf8),
        )
        outcomes = [Outcome("mail", decision=_decided(self.chain.mail.decide(facts)))]
        if outcomes[0].decision is None:
            outcomes += [self._rcpt(facts, rcpt) for rcpt in entry.rcpts]
            if entry.content is not None and facts.recipients:
                outcomes.append(self._content(facts, entry.content, text))
        return outcomes

    def _rcpt(self, transaction: TransactionFacts, entry: RcptEntry) -> Outcome:
        self._world.facts = entry.facts
        path = _mailbox(entry.forward_path) or Mailbox("postmaster", "")
        facts = RcptFacts(transaction, path, NO_RCPT_PARAMETERS)
        decision = _decided(self.chain.rcpt.decide(facts))
        if decision is None and facts.mailbox is not None:
            transaction.rcpt_count += 1
            transaction.recipients[facts.mailbox] = Recipient(path, facts.mailbox)
            if facts.account is not None:
                transaction.accounts[facts.mailbox] = facts.account
        return Outcome("rcpt", entry.forward_path, decision)

    def _content(self, transaction: TransactionFacts, entry: ContentEntry, text: MailText | None) -> Outcome:
        self._world.facts = entry.facts
        octets = entry.header.encode("latin-1", "replace") + b"\r\n"
        header = HeaderScan()
        header.feed(octets)
        header.received = entry.received
        fault = Fault[entry.fault] if entry.fault in Fault.__members__ else None
        facts = ContentFacts(transaction, fault, entry.size, header, Handlings())
        if self.chain.filters(transaction):
            facts.text = _text_of(octets) if text is None else text
            facts.scan = _RecordedScan(entry.facts) if SCANNED in entry.facts else None
        decision = _decided(self.chain.content.decide(facts))
        return Outcome("content", "", decision, () if decision is not None else tuple(facts.handlings.said()))

    def _account(self, address: str) -> Account | None:
        mailbox = _mailbox(address or None)
        return None if mailbox is None else self._directory.account(mailbox)


def recorded(entry: TransactionEntry) -> list[Outcome]:
    """What the client was told, in the manner of `Replay.transaction`."""
    outcomes = [Outcome("mail", "", entry.decision)]
    if entry.decision is not None:
        return outcomes
    outcomes += [Outcome("rcpt", rcpt.forward_path, rcpt.decision) for rcpt in entry.rcpts]
    content = entry.content
    if content is not None:
        actions = () if content.decision is not None else tuple(content.actions)
        outcomes.append(Outcome("content", "", content.decision, actions))
    return outcomes


def differences(before: Iterable[Outcome], after: Iterable[Outcome]) -> list[tuple[Outcome, Outcome]]:
    """Where two series of outcomes say different things; what comes after an earlier refusal in one of them is left out."""
    known = {(outcome.stage, outcome.forward_path): outcome for outcome in before}
    pairs = [(known.get((outcome.stage, outcome.forward_path)), outcome) for outcome in after]
    return [(old, new) for old, new in pairs if old is not None and old.said != new.said]


class _RecordedWorld:
    """See `World`: all answers come from an entry's facts."""

    def __init__(self) -> None:
        self.facts: Mapping[str, Fact] = {}
        self._now = datetime.fromtimestamp(0, UTC)

    def turn_to(self, moment: float, facts: Mapping[str, Fact]) -> None:
        self._now = datetime.fromtimestamp(moment, UTC)
        self.facts = facts

    def now(self) -> datetime:
        return self._now

    async def mailbox_usage(self, _account: Account) -> int:
        return int(self.facts.get(USED, 0))

    def listed(self, _client_address: str, zones: Sequence[str]) -> str | None:
        zone = self.facts.get(BLOCK_LIST)
        return zone if isinstance(zone, str) and zone in zones else None

    async def hosts_listed(self, lookups: Sequence[Lookup]) -> Collection[Lookup]:
        listed = str(self.facts.get(LISTED, "")).split()
        return [lookup for lookup in lookups if f"{lookup.host}/{lookup.zone}" in listed]


class _RecordedScan:
    """A scan whose result is known."""

    def __init__(self, facts: Mapping[str, Fact]) -> None:
        self._result = str(facts[SCANNED])

    async def finish(self) -> ScanResult:
        kind, _, text = self._result.partition(" ")
        if kind == "infected":
            return Infected(text)
        return ScanFailed(text) if kind == "failed" else Clean()


def _decided(answer: Verdict | Awaitable[Verdict | None] | None) -> Decision | None:
    """The decision; what is awaited here has its answer at once."""
    if answer is not None and not isinstance(answer, Verdict):
        answer = _at_once(answer)
    if answer is None:
        return None
    reply = "" if answer.row is None else answer.row.name
    return Decision(reply, answer.check, answer.detail, answer.rule, answer.fields)


def _at_once(answer: Awaitable[T]) -> T:
    steps = answer.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    msg = "a recorded answer was not there"
    raise AssertionError(msg)


def _mailbox(text: str | None) -> Mailbox | None:
    if text is None:
        return None
    try:
        return parse_mailbox(text)
    except AddressError:
        return None


def _text_of(header: bytes) -> MailText:
    reader = TextReader(_TEXT)
    reader.feed(header)
    reader.finish()
    return MailText(reader.header, reader.texts)
