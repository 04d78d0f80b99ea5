# SPDX-License-Identifier: Apache-2.0
"""Asks the checks again about what the record has kept, under other rule documents: for shadows and for `genkan whatif`.

The outside is not asked: its answers are among the facts of the entry, and what nobody asked then stays unknown. Settings
and directory are those of today, so compare two replays with one another, and not one with what was recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar, cast

from genkan.dkim.verification import Signatures
from genkan.dns.spf import SpfResult, outcome_of
from genkan.message.content import HeaderScan
from genkan.message.header import HeaderFields
from genkan.message.results import without_results
from genkan.policy.authenticity import obeys_dmarc
from genkan.policy.chain import Chain
from genkan.policy.client import BLOCK_LIST
from genkan.policy.content import HEADER_LINES, HeaderSize
from genkan.policy.facts import ConnectionFacts, ContentFacts, RcptFacts, TransactionFacts
from genkan.policy.filter import LISTED, SCANNED
from genkan.policy.handling import Handlings
from genkan.policy.origin import Authenticity
from genkan.policy.origin_facts import recorded_field, recorded_origin
from genkan.policy.recipient import USED, add_recipient
from genkan.policy.spf import GREY, SPF
from genkan.policy.verdict import Verdict, decision_of
from genkan.rules.mail_match import MailText
from genkan.scanner.clamd import Clean, Infected, ScanFailed
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox
from genkan.smtp.command import NO_RCPT_PARAMETERS, MailParameters
from genkan.smtp.maildata import Fault

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence

    from genkan.config import Config
    from genkan.directory.accounts import Account
    from genkan.directory.directory import Directory
    from genkan.dns.answer import Answer
    from genkan.policy.facts import Role
    from genkan.policy.rulebook import Rulebook
    from genkan.record.entry import (
        ConnectionEntry,
        ContentEntry,
        Decision,
        Fact,
        RcptEntry,
        Rule,
        Stage,
        TransactionEntry,
    )
    from genkan.rules.mail_hosts import Lookup
    from genkan.scanner.clamd import ScanResult

T = TypeVar("T")

_NOT_OF_THE_CHAIN: Final = frozenset({"sessions", "connection-rate", "stopping", "storage", "failure"})
"""Objections that no rule document has a say in."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the checks say at one point of a transaction: an objection, or what is done with the message that came in.

    `rules` were met on the way. `unknown` says that a check wanted to know what the record does not tell.
    """

    stage: Stage
    forward_path: str = ""
    decision: Decision | None = None
    actions: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = field(default=(), compare=False)
    unknown: bool = field(default=False, compare=False)

    @property
    def said(self) -> tuple[str, tuple[str, ...]]:
        """What makes a difference to the client and to the message: the reply's name, and the actions."""
        return ("accepted" if self.decision is None else self.decision.reply or "cut off"), self.actions


class Replay:
    """The checks under one set of documents, asked about recorded entries. Waits for nothing."""

    def __init__(self, config: Config, directory: Directory, rulebook: Rulebook) -> None:
        """Settings and directory are those of today."""
        self._directory = directory
        self._hostname = config.hostname
        self._world = _RecordedWorld(spf_decides=config.spf.mode == "defer", dmarc_decides=obeys_dmarc(config))
        self.chain = Chain(config, directory, rulebook, self._world)

    def connection(self, entry: ConnectionEntry) -> Outcome:
        """What a client is told at the greeting."""
        self._world.turn_to(max(0.0, entry.at - entry.seconds))
        self._world.read(entry.facts)
        facts = ConnectionFacts(entry.client, cast("Role", entry.role))
        decision = _decided(self.chain.connect.decide(facts))
        return Outcome("connect", "", decision, (), tuple(facts.rules), self._world.unknown)

    def transaction(self, entry: TransactionEntry, text: MailText | None = None) -> list[Outcome]:
        """What the client is told from MAIL on, up to where its message would have ended.

        Without `text` the content is known by its recorded header section alone.
        """
        self._world.turn_to(entry.at)
        self._world.read(entry.facts)
        facts = self.facts_of(entry)
        decision = _decided(self.chain.mail.decide(facts))
        outcomes = [Outcome("mail", "", decision, (), tuple(facts.rules), self._world.unknown)]
        if decision is None:
            outcomes += [self._rcpt(facts, rcpt) for rcpt in entry.rcpts]
            if facts.recipients and entry.content is not None and _is_of_chain(entry.content.decision):
                outcomes.append(self._content(facts, entry.content, text))
        return outcomes

    def facts_of(self, entry: TransactionEntry) -> TransactionFacts:
        """The transaction as MAIL began it, in the session as it was then."""
        account = self._directory.account(_mailbox(entry.account)) if entry.account else None
        return TransactionFacts(
            ConnectionFacts(entry.client, cast("Role", entry.role), account, entry.auth_failed),
            0.0,
            None if entry.reverse_path is None else _mailbox(entry.reverse_path),
            entry.blank,
            MailParameters(size=entry.declared, body=entry.body, smtputf8=entry.smtputf8),
            entry.hello,
        )

    def _rcpt(self, transaction: TransactionFacts, entry: RcptEntry) -> Outcome:
        self._world.read(entry.facts)
        facts = RcptFacts(transaction, _mailbox(entry.forward_path), NO_RCPT_PARAMETERS)
        decision = _decided(self.chain.rcpt.decide(facts))
        if decision is None:
            add_recipient(facts)
        return Outcome("rcpt", entry.forward_path, decision, (), tuple(facts.rules), self._world.unknown)

    def _content(self, transaction: TransactionFacts, entry: ContentEntry, text: MailText | None) -> Outcome:
        self._world.read(entry.facts)
        known = RecordedText(entry, self._hostname) if text is None else text
        header = known.scan if isinstance(known, RecordedText) else self._scanned(known, entry)
        fault = Fault[entry.fault] if entry.fault in Fault.__members__ else None
        facts = ContentFacts(transaction, fault, entry.size, header, Handlings())
        reads, scanned = self.chain.reads_text(transaction), SCANNED in entry.facts
        if (reads or scanned) and self.chain.filters(transaction):
            facts.text = known if reads else None
            facts.scan = _RecordedScan(entry.facts) if scanned else None
        facts.judging = self._world if self.chain.asks_about_origin(transaction) else None
        decision = _decided(self.chain.content.decide(facts))
        actions = () if decision is not None else tuple(facts.handlings.said())
        return Outcome("content", "", decision, actions, tuple(facts.rules), self._world.unknown)

    def _scanned(self, text: MailText, entry: ContentEntry) -> HeaderScan:
        """The header section as the checks saw it, when our field was not there yet."""
        return _scanned(without_results(text.header.octets, self._hostname), entry)


class RecordedText(MailText):
    """A message of which there is only the recorded header section, and the hosts in its body that lists had a yes for.

    Several replays may be given the same one, so that they look at the header section only once.
    """

    __slots__ = ("_listed", "scan")

    def __init__(self, entry: ContentEntry, hostname: str) -> None:
        """`scan` has the header section as the checks want it; `hostname` is ours, in whose name nobody else speaks."""
        octets = entry.header.encode("latin-1", "replace")
        octets = without_results(octets[: octets.rfind(b"\n") + 1], hostname)
        self.scan = _scanned(octets, entry)
        if entry.from_field and not self.scan.from_fields:  # it is recorded by itself as well
            octets += b"From: " + entry.from_field.encode("utf-8", "replace") + b"\r\n"
            self.scan = _scanned(octets, entry)
        super().__init__(HeaderFields(recorded_field(entry.facts) + octets), ())
        lookups = str(entry.facts.get(LISTED, "")).split()
        self._listed = tuple(dict.fromkeys(lookup.partition("/")[0] for lookup in lookups))

    @property
    def hosts(self) -> tuple[str, ...]:
        """See `MailText`."""
        return self._listed


def recorded(entry: TransactionEntry) -> list[Outcome]:
    """What the client was told, in the manner of `Replay.transaction`."""
    outcomes = [Outcome("mail", "", entry.decision, (), tuple(entry.rules))]
    if entry.decision is not None:
        return outcomes
    outcomes += [Outcome("rcpt", rcpt.forward_path, rcpt.decision, (), tuple(rcpt.rules)) for rcpt in entry.rcpts]
    content = entry.content
    if content is not None and _is_of_chain(content.decision):
        actions = () if content.decision is not None else tuple(content.actions)
        outcomes.append(Outcome("content", "", content.decision, actions, tuple(content.rules)))
    return outcomes


def recorded_greeting(entry: ConnectionEntry) -> Outcome | None:
    """What the client was told when it came; `None` when it was sent away before any document was asked."""
    if not _is_of_chain(entry.decision):
        return None
    return Outcome("connect", "", entry.decision, (), tuple(entry.rules))


def differences(before: Iterable[Outcome], after: Iterable[Outcome]) -> list[tuple[Outcome, Outcome]]:
    """Where two series of outcomes of one entry say different things; what only one of them came to is left out."""
    return [(old, new) for old, new in zip(before, after, strict=False) if old.said != new.said]


def is_cut(entry: ContentEntry) -> bool:
    """Whether the header section was longer than what is recorded of it (setting `record.header_size`)."""
    return not entry.header.endswith("\n") and entry.size > 0


class _RecordedWorld:
    """See `World`: all answers come from an entry's facts."""

    def __init__(self, *, spf_decides: bool, dmarc_decides: bool) -> None:
        self._spf_decides = spf_decides
        self._dmarc_decides = dmarc_decides
        self._facts: Mapping[str, Fact] = {}
        self._now = datetime.fromtimestamp(0, UTC)
        self.unknown = False

    def turn_to(self, moment: float) -> None:
        self._now = datetime.fromtimestamp(moment, UTC)

    def read(self, facts: Mapping[str, Fact]) -> None:
        self._facts = facts
        self.unknown = False

    def may_ask(self, _about: str) -> bool:
        return False

    def now(self) -> datetime:
        return self._now

    async def mailbox_usage(self, _account: Account) -> int:
        used = self._facts.get(USED)
        self.unknown |= used is None
        return used if isinstance(used, int) else 0

    def listed(self, _client_address: str, zones: Sequence[str]) -> str | None:
        zone = self._facts.get(BLOCK_LIST)
        if zone in zones:
            return str(zone)
        self.unknown |= zone != ""  # nobody asked, or one list had a yes and the others were not heard
        return None

    def spf(self, _client_address: str, _sender: str, _hello_domain: str) -> SpfResult | None:
        result = outcome_of(self._facts.get(SPF))
        self.unknown |= self._spf_decides and result is None
        return None if result is None else SpfResult(result)

    def is_patient(self, _client_address: str, _sender: str) -> bool:
        patient = self._facts.get(GREY)
        self.unknown |= patient is None
        return patient is True

    def texts(self, _name: str, _client_address: str) -> Future[Answer]:
        raise NotImplementedError  # nobody may ask

    async def finish(self) -> Authenticity:
        """The judgement of a message's origin (see `Judging`)."""
        found = recorded_origin(self._facts)
        self.unknown |= found is None and self._dmarc_decides
        return found or Authenticity(Signatures(), None, b"")

    async def hosts_listed(self, lookups: Sequence[Lookup]) -> Collection[Lookup]:
        listed = str(self._facts.get(LISTED, "")).split()
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


def _is_of_chain(decision: Decision | None) -> bool:
    return decision is None or decision.check not in _NOT_OF_THE_CHAIN


def _scanned(octets: bytes, entry: ContentEntry) -> HeaderScan:
    header = HeaderScan()
    header.feed(octets + b"\r\n")
    header.received = entry.received
    if entry.decision is not None and entry.decision.check == HeaderSize.name:
        if entry.decision.detail.startswith(HEADER_LINES):
            header.header_lines = max(header.header_lines, entry.size)  # more than is recorded, in any case
        else:
            header.header_octets = max(header.header_octets, entry.size)
    return header


def _decided(answer: Verdict | Awaitable[Verdict | None] | None) -> Decision | None:
    """The decision; what is awaited here has its answer at once."""
    if answer is not None and not isinstance(answer, Verdict):
        answer = _at_once(answer)
    return decision_of(answer)


def _at_once(answer: Awaitable[T]) -> T:
    """What an awaitable gives that waits for nothing: the recorded world never does."""
    try:
        next(answer.__await__())
    except StopIteration as stop:
        result: T = stop.value
        return result
    msg = "a check waited for something outside its world"
    raise AssertionError(msg)


def _mailbox(text: str) -> Mailbox:
    """The mailbox that an entry names; `<postmaster>` has no domain."""
    try:
        return parse_mailbox(text)
    except AddressError:
        local_part, at, domain = text.rpartition("@")
        return Mailbox(local_part, domain) if at else Mailbox(text, "")
