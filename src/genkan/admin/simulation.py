# SPDX-License-Identifier: Apache-2.0
"""A dialogue with this server without the server, for `genkan simulate`: its protocol and its checks, and nobody on the wire.

Session, chain, directory, documents and settings are the real ones. Nothing is stored, sent, counted or locked, and the DNS
is asked only through a `World` that does so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.clock import SystemClock
from genkan.delivery.local import maildir_path
from genkan.delivery.mailbox_usage import MailboxUsage
from genkan.directory import Local
from genkan.dns.resolvers import Resolvers
from genkan.message.content import HeaderScan, Parting
from genkan.message.header import HeaderFields
from genkan.message.mime import TextReader
from genkan.message.results import without_results
from genkan.policy.authenticity import obeys_dmarc
from genkan.policy.chain import Chain
from genkan.policy.facts import ConnectionFacts, ContentFacts, RcptFacts, TransactionFacts
from genkan.policy.handling import Handlings
from genkan.policy.outside import Outside
from genkan.policy.recipient import add_recipient
from genkan.policy.rulebook import Rulebook
from genkan.policy.verdict import Verdict
from genkan.rules.mail_match import MailText
from genkan.session_settings import session_rules
from genkan.smtp import events, replies
from genkan.smtp.events import NEED_DATA, SEND
from genkan.smtp.reply import Wordbook
from genkan.smtp.session import Session

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Collection, Sequence
    from datetime import datetime

    from genkan.config import Config
    from genkan.directory import Account, Directory
    from genkan.dns.answer import Answer
    from genkan.dns.spf import SpfResult
    from genkan.policy.authenticity import Judge
    from genkan.policy.facts import Role
    from genkan.policy.handling import Handling, Holding
    from genkan.policy.world import World
    from genkan.record.entry import Fact, Rule
    from genkan.rules.mail_hosts import Lookup
    from genkan.smtp.address import Mailbox
    from genkan.smtp.events import Event, Signal
    from genkan.smtp.reply import Reply, ReplyRow

MESSAGE_ID: Final = "B0000000000"  # in the reply to DATA; no message ever has it
_CHUNK: Final = 65536  # octets of content handed to the session at once


@dataclass(frozen=True, slots=True)
class Script:
    """What the client does.

    `reverse_path` and `forward_paths` are as they stand between the angle brackets, "" is the null reverse-path, and a
    `reverse_path` of `None` is MAIL without any path. `hello` "" greets with the client's address. `content` is the message
    in CRLF lines; `declares_size` tells its size at MAIL.
    """

    client: str
    reverse_path: str | None
    forward_paths: tuple[str, ...]
    content: bytes
    role: Role = "smtp"
    hello: str = ""
    account: Account | None = None
    tls: bool = False
    declares_size: bool = False


@dataclass(slots=True)
class Exchange:
    """What the client says and what it is told, line by line, and why.

    `check`, `detail` and `rule` are those of an objection, `rules` all that were met, `facts` what was learned from outside.
    """

    client: str
    server: list[str] = field(default_factory=list)
    check: str = ""
    detail: str = ""
    rule: Rule | None = None
    rules: tuple[Rule, ...] = ()
    facts: dict[str, Fact] = field(default_factory=dict)


class Kept(NamedTuple):
    """Why, for whom and until when a message, or a copy of it, is held, and what then becomes of it."""

    kind: str
    reason: str
    rule: Rule
    approvers: tuple[str, ...]
    until: datetime
    then: str


class Fate(NamedTuple):
    """What would be done with the message for one recipient; `is_local`: `destination` has its mailbox here."""

    forward_path: str
    destination: str
    is_local: bool
    tag: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    held: Kept | None = None


@dataclass(slots=True)
class Simulated:
    """The dialogue, and what would come of it; `client_refused`: effect.dat would get a line against the client."""

    exchanges: list[Exchange] = field(default_factory=list)
    accepted: bool = False
    fates: list[Fate] = field(default_factory=list)
    copies: list[Kept] = field(default_factory=list)
    client_refused: bool = False
    notes: list[str] = field(default_factory=list)


class Simulation:
    """One dialogue. Make it, `run` it once."""

    def __init__(self, config: Config, directory: Directory, world: World, script: Script) -> None:
        """Settings, directory and documents are those in force; the world answers what the checks ask of the outside."""
        self._config = config
        self._directory = directory
        self._world = world
        self._script = script
        self._chain = Chain(config, directory, Rulebook(directory.documents.current, directory.new_cache()), world)
        self._wordbook = Wordbook(config.replies)
        rules = session_rules(config, script.role, starttls=config.tls.certificate is not None)
        tls = script.role == "submissions"
        self._session = Session(rules, script.client, tls_active=tls)
        self._mechanism = next(iter(rules.extensions.mechanisms_for(tls_active=tls or script.tls)), "PLAIN")
        self._connection = ConnectionFacts(script.client, script.role)
        self._transaction: TransactionFacts | None = None
        self._header = HeaderScan(config.limits.header_size)
        self._parting = Parting(self._header, self._begin_body)
        self._judge: Judge | None = None
        self._reader: TextReader | None = None
        self._closed = False
        self.result = Simulated()

    async def run(self) -> Simulated:
        """Let the client do what it wants to, as far as the server lets it."""
        if await self._connect():
            await self._introduce()
            if await self._send_mail() and await self._say("DATA"):
                await self._send_content()
            await self._say("QUIT")
        return self.result

    # The client.

    async def _connect(self) -> bool:
        script, facts = self._script, self._connection
        exchange = Exchange(f"(connects from {script.client} to the {script.role} listener)")
        verdict = await _awaited(self._chain.connect.decide(facts))
        if verdict is None:
            self._session.greet()
        elif verdict.row is not None:
            self._session.close_with(verdict.row, fqdn=self._config.hostname, **verdict.fields)
        _judged(exchange, verdict, facts)
        self._hear(exchange)
        return verdict is None

    async def _introduce(self) -> None:
        """EHLO, and where that is wanted STARTTLS and AUTH."""
        script = self._script
        hello = script.hello or _literal(script.client)
        await self._say(f"EHLO {hello}")
        if script.tls and not self._session.tls_active and await self._say("STARTTLS"):
            self._session.tls_started()
            await self._say(f"EHLO {hello}")
        if script.account is not None and not await self._say(f"AUTH {self._mechanism}"):
            self.result.notes.append(f"the client goes on without AUTH, for {script.account.address} cannot do it so")

    async def _send_mail(self) -> bool:
        """MAIL and every RCPT; whether there is anything to send and anybody to send it to."""
        script = self._script
        path = "" if script.reverse_path is None else f"<{script.reverse_path}>"
        utf8 = not f"{path}{''.join(script.forward_paths)}".isascii()
        size = f" SIZE={len(script.content)}" if script.declares_size else ""
        if not await self._say(f"MAIL FROM:{path}{size}{' SMTPUTF8' if utf8 else ''}"):
            return False
        answers = [await self._say(f"RCPT TO:<{forward_path}>") for forward_path in script.forward_paths]
        return any(answers)

    async def _send_content(self) -> None:
        content = self._script.content
        exchange = Exchange(f"(the message, {len(content)} octets, and the final dot)")
        stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
        octets = stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n"
        for start in range(0, len(octets), _CHUNK):
            self._session.receive_data(octets[start : start + _CHUNK])
            await self._answer(exchange)
        self._hear(exchange)

    async def _say(self, line: str) -> bool:
        """Say a command; whether the reply is positive."""
        if self._closed:
            return False
        exchange = Exchange(line)
        self._session.receive_data(line.encode() + b"\r\n")
        await self._answer(exchange)
        self._hear(exchange)
        return bool(exchange.server) and exchange.server[-1][:1] in ("2", "3")

    def _hear(self, exchange: Exchange) -> None:
        octets = self._session.data_to_send()
        exchange.server += octets.decode("utf-8", "replace").split("\r\n")[:-1]
        self.result.exchanges.append(exchange)

    # The server.

    async def _answer(self, exchange: Exchange) -> None:
        """Answer what the session asks until it wants more octets."""
        session = self._session
        while (event := session.next_event()) is not NEED_DATA:
            if event is SEND:
                exchange.server += session.data_to_send().decode("utf-8", "replace").split("\r\n")[:-1]
                continue
            reply = await self._reply_to(event, exchange)
            if reply is not None:
                session.send_reply(reply)

    async def _reply_to(self, event: Event | Signal, exchange: Exchange) -> Reply | None:
        """The answer to a question; `None` for what is none."""
        reply: Reply | None = None
        match event:
            case events.MailRequested():
                reply = await self._mail(event, exchange)
            case events.RcptRequested():
                reply = await self._rcpt(event, exchange)
            case events.DataRequested():
                reply = self._begin_content()
            case events.ContentReceived():
                self._feed(event.octets)
            case events.ContentEnded():
                reply = await self._content(event, exchange)
            case events.AuthRequested():
                self._connection.account = self._script.account
                reply = self._words(replies.AUTH_OK)
            case events.TlsRequested():
                reply = self._words(replies.READY_FOR_TLS)
            case events.Closing():
                self._closed = True
        return reply

    async def _mail(self, event: events.MailRequested, exchange: Exchange) -> Reply:
        path, hello_domain = event.reverse_path, self._session.hello_domain
        facts = TransactionFacts(self._connection, 0.0, path, event.blank, event.parameters, hello_domain)
        verdict = await _awaited(self._chain.mail.decide(facts))
        _judged(exchange, verdict, facts)
        self._transaction = facts
        return self._reply(verdict, replies.SENDER_OK, reverse_path=str(event.reverse_path or ""))

    async def _rcpt(self, event: events.RcptRequested, exchange: Exchange) -> Reply:
        assert self._transaction is not None
        facts = RcptFacts(self._transaction, event.forward_path, event.parameters)
        verdict = await _awaited(self._chain.rcpt.decide(facts))
        _judged(exchange, verdict, facts)
        if verdict is None:
            add_recipient(facts)
        return self._reply(verdict, replies.RECIPIENT_OK, forward_path=str(event.forward_path))

    def _begin_content(self) -> Reply:
        assert self._transaction is not None
        if self._chain.filters(self._transaction):
            if self._chain.reads_text(self._transaction):
                self._reader = TextReader(self._config.filter.text_size)
            if self._config.filter.scanner:
                self.result.notes.append("the virus scanner was not asked")
        elif self._chain.reads_text(self._transaction):
            setting = "filter.exempt" if self._config.filter.enabled else "filter.enabled"
            self.result.notes.append(f"mail.dat was not asked, for the setting {setting} says so")
        return self._words(replies.START_MAIL_INPUT, message_id=MESSAGE_ID)

    def _feed(self, octets: bytes) -> None:
        self._parting.feed(octets)
        if self._reader is not None:
            self._reader.feed(octets)

    def _begin_body(self, _section: bytes) -> Judge | None:
        assert self._transaction is not None
        self._judge = self._chain.judge(self._transaction, self._header)
        return self._judge

    async def _content(self, event: events.ContentEnded, exchange: Exchange) -> Reply:
        assert self._transaction is not None
        self._parting.finish()
        text = None
        if self._reader is not None:
            self._reader.finish()
            header = without_results(self._reader.header.octets, self._config.hostname)
            text = MailText(HeaderFields(header), self._reader.texts)
        facts = ContentFacts(self._transaction, event.fault, event.size, self._header, Handlings(), text)
        facts.judging = self._judge
        verdict = await _awaited(self._chain.content.decide(facts))
        _judged(exchange, verdict, facts)
        self._foresee(facts.handlings, self._transaction, accepted=verdict is None)
        return self._reply(verdict, replies.MESSAGE_RECEIVED)

    # What would become of the message.

    def _foresee(self, handlings: Handlings, transaction: TransactionFacts, *, accepted: bool) -> None:
        result = self.result
        result.accepted = accepted
        result.client_refused = handlings.refuse_client
        result.copies = [self._kept(copy) for copy in handlings.copies]
        if accepted:
            recipients = transaction.recipients.items()
            result.fates = [self._fate(str(each.forward_path), box, handlings.of(box)) for box, each in recipients]

    def _fate(self, forward_path: str, mailbox: Mailbox, handling: Handling) -> Fate:
        destination = mailbox
        if handling.forward is not None:
            destination = handling.forward
        resolution = self._directory.resolve(destination)
        is_local = isinstance(resolution, Local)
        if isinstance(resolution, Local):
            destination = resolution.account.address
        held = None if handling.holding is None else self._kept(handling.holding)
        return Fate(forward_path, str(destination), is_local, handling.tag, handling.fields, held)

    def _kept(self, holding: Holding) -> Kept:
        approval = self._config.approval
        is_approval = holding.kind == "approval"
        period = holding.deadline or (approval.deadline if is_approval else approval.quarantine)
        then = holding.verdict or (approval.verdict if is_approval else "reject")
        until = self._world.now() + period
        return Kept(holding.kind, holding.reason, holding.rule, holding.approvers, until, then)

    # Words.

    def _reply(self, verdict: Verdict | None, accepted: ReplyRow, **fields: str) -> Reply:
        if verdict is None:
            return self._words(accepted, **fields)
        assert verdict.row is not None
        return self._words(verdict.row, **verdict.fields)

    def _words(self, row: ReplyRow, **fields: str) -> Reply:
        wordbook = self._wordbook
        return wordbook.reply_utf8(row, **fields) if self._session.utf8 else wordbook.reply(row, **fields)


class QuietWorld:
    """See `World`: the clock is stopped, mailboxes are real, and the DNS is not asked; `unasked` has what it would be."""

    def __init__(self, config: Config, now: datetime) -> None:
        """`now` is the moment of the dialogue."""
        self._config = config
        self._now = now
        self.unasked: list[str] = []

    def may_ask(self, about: str) -> bool:
        """See `World`. Where nothing depends on it, it is not missed."""
        if obeys_dmarc(self._config):
            self.unasked.append(about)
        return False

    def now(self) -> datetime:
        """See `World`."""
        return self._now

    async def mailbox_usage(self, account: Account) -> int:
        """See `World`."""
        maildir = maildir_path(self._config.delivery.maildir, self._config.home, account.address)
        return MailboxUsage().usage(maildir)

    def listed(self, _client_address: str, zones: Sequence[str]) -> str | Awaitable[str | None] | None:
        """See `World`."""
        self.unasked += zones
        return None

    def spf(
        self, _client_address: str, sender: str, hello_domain: str
    ) -> SpfResult | Awaitable[SpfResult | None] | None:
        """See `World`. Where nothing depends on it, it is not missed."""
        if self._config.spf.mode == "defer":
            self.unasked.append(f"the SPF record of {sender.rpartition('@')[2] or hello_domain}")
        return None

    def texts(self, _name: str, _client_address: str) -> Future[Answer]:
        """See `World`; nobody may ask."""
        raise NotImplementedError

    def is_patient(self, _client_address: str, _sender: str) -> bool:
        """See `World`. It comes for the first time."""
        return False

    async def hosts_listed(self, lookups: Sequence[Lookup]) -> Collection[Lookup]:
        """See `World`."""
        self.unasked += [f"{lookup.host} in {lookup.zone}" for lookup in lookups]
        return ()


class AskingWorld(QuietWorld):
    """See `World`: as a running server sees it, within the deadline of the setting `dns.timeout`."""

    def __init__(self, config: Config, now: datetime) -> None:
        """`now` is the moment of the dialogue."""
        super().__init__(config, now)
        clock = SystemClock()
        resolvers = Resolvers(config.dns.servers, config.dns.timeout, clock)
        self._outside = Outside(clock, self.mailbox_usage, resolvers, self.is_patient)

    def may_ask(self, _about: str) -> bool:
        """See `World`."""
        return True

    def listed(self, client_address: str, zones: Sequence[str]) -> str | Awaitable[str | None] | None:
        """See `World`."""
        return self._outside.listed(client_address, zones)

    def spf(
        self, client_address: str, sender: str, hello_domain: str
    ) -> SpfResult | Awaitable[SpfResult | None] | None:
        """See `World`."""
        return self._outside.spf(client_address, sender, hello_domain)

    def texts(self, name: str, client_address: str) -> Future[Answer]:
        """See `World`."""
        return self._outside.texts(name, client_address)

    async def hosts_listed(self, lookups: Sequence[Lookup]) -> Collection[Lookup]:
        """See `World`."""
        return await self._outside.hosts_listed(lookups)


def _judged(
    exchange: Exchange, verdict: Verdict | None, facts: ConnectionFacts | TransactionFacts | RcptFacts | ContentFacts
) -> None:
    """Note in the exchange what the checks came to."""
    exchange.rules, exchange.facts = tuple(facts.rules), facts.facts
    if verdict is not None:
        exchange.check, exchange.detail, exchange.rule = verdict.check, verdict.detail, verdict.rule


async def _awaited(answer: Verdict | Awaitable[Verdict | None] | None) -> Verdict | None:
    return answer if answer is None or isinstance(answer, Verdict) else await answer


def _literal(client: str) -> str:
    """An address as a client without a name greets with it (RFC 5321, 4.1.3)."""
    return f"[IPv6:{client}]" if ip_address(client).version == 6 else f"[{client}]"
