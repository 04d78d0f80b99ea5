# SPDX-License-Identifier: Apache-2.0
"""An installation for tests of policy: a directory on disk, and the chain of checks as a configuration makes it.

in.test has the accounts ann (with a password) and bob (without), full (with a quota), the aliases sales (to ann) and away
(to y@out.test), and lists with ann and bob: team (which wants AUTH), news, club (for members), council (for its owner kai) and
slow (moderated); nobodys is a list with an address that nobody has; in2.test has the account kai.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from genkan.config import parse_config
from genkan.directory import Directory
from genkan.directory.documents import StoredDocument
from genkan.directory.resolution import ListSettings
from genkan.dns.answer import NO_SUCH_NAME
from genkan.dns.spf import SpfResult
from genkan.message.content import HeaderScan, Parting
from genkan.message.header import HeaderFields
from genkan.message.mime import TextReader
from genkan.message.results import without_results
from genkan.policy.chain import Chain
from genkan.policy.facts import ConnectionFacts, ContentFacts, RcptFacts, TransactionFacts
from genkan.policy.handling import Handlings
from genkan.policy.recipient import add_recipient
from genkan.policy.rulebook import Rulebook
from genkan.policy.verdict import Verdict, decision_of
from genkan.record.entry import ContentEntry, RcptEntry, TransactionEntry
from genkan.rules.mail_match import MailText
from genkan.smtp.address import Mailbox, fold_domain, parse_mailbox
from genkan.smtp.command import NO_RCPT_PARAMETERS, MailParameters
from tests.support.server import START

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Sequence
    from datetime import datetime

    from genkan.config import Config
    from genkan.directory.accounts import Account
    from genkan.dns.answer import Answer
    from genkan.dns.spf import SpfOutcome
    from genkan.policy.authenticity import Judge
    from genkan.policy.facts import Role, Scanning
    from genkan.rules.mail_hosts import Lookup
    from genkan.smtp.maildata import Fault

PASSWORD: Final = "ann's secret 1"
QUOTA: Final = 1000
ACCEPTED: Final = "accepted"
CUT_OFF: Final = "cut off"
BLANK: Final = "blank"
LISTS: Final = {
    "team": ListSettings("authenticated"),
    "news": ListSettings(),
    "club": ListSettings("members"),
    "council": ListSettings("owners"),
    "slow": ListSettings(moderated=True),
}
KEPT: Final = 1 << 20  # octets of a header section that are kept
HOSTNAME: Final = "mx.in.test"


def open_directory(folder: Path) -> Directory:
    """The standing directory, made in `folder`."""
    directory = Directory.open(folder)
    for domain in ("in.test", "in2.test"):
        directory.domains.add(domain)
    directory.accounts.add(Mailbox("ann", "in.test"), "Ann Example", PASSWORD)
    directory.accounts.add(Mailbox("bob", "in.test"), "Bob Example")
    directory.accounts.add(Mailbox("full", "in.test"), "Full Example", None, QUOTA)
    directory.accounts.add(Mailbox("kai", "in2.test"), "Kai Example", PASSWORD)
    directory.aliases.add(Mailbox("sales", "in.test"), Mailbox("ann", "in.test"))
    directory.aliases.add(Mailbox("away", "in.test"), Mailbox("y", "out.test"))
    for name, settings in LISTS.items():
        mailing_list = directory.lists.add(Mailbox(name, "in.test"), settings)
        for member in ("ann", "bob"):
            directory.lists.add_member(mailing_list.address, Mailbox(member, "in.test"))
    directory.lists.add_owner(Mailbox("council", "in.test"), Mailbox("kai", "in2.test"))
    nobodys = directory.lists.add(Mailbox("nobodys", "in.test"))
    directory.lists.add_member(nobodys.address, Mailbox("gone", "in.test"))
    return directory


def settled(answer: Verdict | Awaitable[Verdict | None] | None) -> Verdict | None:
    """An answer of the checks, waited for if need be."""
    return answer if answer is None or isinstance(answer, Verdict) else asyncio.run(_wait_for(answer))


def outcome(answer: Verdict | Awaitable[Verdict | None] | None) -> str:
    """What the client is told: the name of the reply's row, or ACCEPTED, or CUT_OFF."""
    verdict = settled(answer)
    if verdict is None:
        return ACCEPTED
    return CUT_OFF if verdict.row is None else verdict.row.name


async def _wait_for(answer: Awaitable[Verdict | None]) -> Verdict | None:
    return await answer


@dataclass
class Client:
    """A client of an installation; `sender` is "" for the null reverse-path and BLANK for none at all.

    `entry` is what the record would hold of its transaction.
    """

    chain: Chain
    facts: ConnectionFacts
    directory: Directory
    hello: str = "client.test"
    transaction: TransactionFacts | None = None
    entry: TransactionEntry | None = None

    def mail(self, sender: str, parameters: MailParameters | None = None) -> str:
        """Begin a transaction."""
        blank = sender == BLANK
        path = None if blank or not sender else parse_mailbox(sender)
        facts = self.transaction = TransactionFacts(
            self.facts, 0.0, path, blank, parameters or MailParameters(), self.hello
        )
        verdict = settled(self.chain.mail.decide(facts))
        account = "" if self.facts.account is None else str(self.facts.account.address)
        self.entry = TransactionEntry(
            START.timestamp(),
            "s",
            self.facts.client_address,
            self.facts.role,
            hello=self.hello,
            account=account,
            auth_failed=self.facts.auth_failed,
            reverse_path=None if path is None else str(path),
            blank=blank,
            declared=facts.parameters.size,
            decision=decision_of(verdict),
            rules=facts.rules,
            facts=facts.facts,
        )
        return outcome(verdict)

    def rcpt(self, recipient: str) -> str:
        """Name a recipient; an accepted one is counted, as the listener does."""
        told, _ = self.judge_rcpt(recipient)
        return told

    def judge_rcpt(self, recipient: str) -> tuple[str, RcptFacts]:
        """As `rcpt`, with what the checks found out."""
        assert self.transaction is not None
        assert self.entry is not None
        rcpt = RcptFacts(self.transaction, parse_mailbox(recipient), NO_RCPT_PARAMETERS)
        verdict = settled(self.chain.rcpt.decide(rcpt))
        mailbox = "" if rcpt.mailbox is None else str(rcpt.mailbox)
        self.entry.add_rcpt(RcptEntry(str(rcpt.forward_path), mailbox, decision_of(verdict), rcpt.rules, rcpt.facts))
        if verdict is None:
            add_recipient(rcpt)
        return outcome(verdict), rcpt

    def send(self, sender: str, recipient: str) -> str:
        """MAIL and RCPT: the first refusal, or ACCEPTED."""
        told = self.mail(sender)
        return told if told != ACCEPTED else self.rcpt(recipient)

    def content(self, header: bytes, fault: Fault | None = None) -> str:
        """Complete the content: its header section, and the blank line behind it."""
        assert self.transaction is not None
        told, _ = self.judge_content(header + b"\r\n", fault)
        return told

    def judge_content(
        self, content: bytes, fault: Fault | None = None, scan: Scanning | None = None
    ) -> tuple[str, ContentFacts]:
        """Complete the content; also what is to be done with it."""
        assert self.transaction is not None
        assert self.entry is not None
        header = HeaderScan(KEPT)
        facts = ContentFacts(self.transaction, fault, len(content), header, Handlings())
        if self.chain.filters(self.transaction):
            facts.scan = scan
            if self.chain.reads_text(self.transaction):
                facts.text = text_of(content)
        verdict = asyncio.run(self._decide(content, facts))
        self.entry.content = ContentEntry(
            size=facts.size,
            fault="" if fault is None else fault.name,
            received=header.received,
            header=header.section.decode("latin-1"),
            decision=decision_of(verdict),
            rules=facts.rules,
            actions=facts.handlings.said(),
            facts=facts.facts,
        )
        return outcome(verdict), facts

    async def _decide(self, content: bytes, facts: ContentFacts) -> Verdict | None:
        """Judge content that comes in one piece, and decide."""

        def begin(_section: bytes) -> Judge | None:
            judge = facts.judging = self.chain.judge(facts.transaction, facts.header)
            return judge

        parting = Parting(facts.header, begin)
        parting.feed(content)
        parting.finish()
        answer = self.chain.content.decide(facts)
        return answer if answer is None or isinstance(answer, Verdict) else await answer


def text_of(content: bytes) -> MailText:
    """A message as the filter sees it: nobody else speaks in the name of mx.in.test."""
    reader = TextReader(1 << 20)
    reader.feed(content)
    reader.finish()
    return MailText(HeaderFields(without_results(reader.header.octets, HOSTNAME)), reader.texts)


class Site:
    """The standing directory under settings of your choice."""

    def __init__(self, directory: Directory, now: datetime = START) -> None:
        """`now` is the present moment of all checks."""
        self.directory = directory
        self.moment = now
        self.used = 0
        """Octets in every mailbox."""
        self.listings: set[tuple[str, str]] = set()
        """Client addresses and hosts, each with the zone that lists it."""
        self.spf_results: dict[tuple[str, str], SpfOutcome] = {}
        """What SPF says, by client address and the mailbox, or the HELO domain for the null reverse-path."""
        self.zone: dict[str, Answer] = {}
        """TXT records, by their name."""
        self.silent: set[str] = set()
        """Names about which the DNS says nothing, not even that it fails."""
        self.asked: list[str] = []
        """Names that TXT records were asked for."""
        self.spf_asked: list[tuple[str, str]] = []
        self.patient: set[tuple[str, str]] = set()
        """Client addresses and senders that came again after they were deferred."""
        self._documents: dict[tuple[str, str], StoredDocument] = {}

    def now(self) -> datetime:
        return self.moment

    def client(
        self,
        settings: str = "",
        *,
        role: Role = "smtp",
        account: str = "",
        auth_failed: bool = False,
        address: str = "192.0.2.10",
    ) -> Client:
        """A client under those lines of configuration, authenticated when `account` is given."""
        chain = Chain(config_of(settings), self.directory, self.rulebook(), self)
        owner = self.directory.account(parse_mailbox(account)) if account else None
        assert (owner is None) == (not account)
        return Client(chain, ConnectionFacts(address, role, owner, auth_failed), self.directory)

    def connect(self, settings: str = "", address: str = "192.0.2.10") -> str:
        """What a client is told that connects."""
        client = self.client(settings, address=address)
        return outcome(client.chain.connect.decide(client.facts))

    def rules(self, name: str, *lines: str, account: str = "") -> None:
        """Make these lines the rule document of that name, the server's or an account's."""
        octets = "".join(f"{line}\n" for line in lines).encode()
        revision = len(self._documents) + 1
        self._documents[name, account] = StoredDocument(name, account, revision, octets, "operator", START, "")

    def rulebook(self) -> Rulebook:
        """The documents, in their present texts."""
        documents = dict(self._documents)

        def current(name: str, account: Account | None) -> StoredDocument | None:
            return documents.get((name, "" if account is None else str(account.address)))

        return Rulebook(current, {})

    # The outside, as `World` has it.

    def may_ask(self, _about: str) -> bool:
        return True

    async def mailbox_usage(self, _account: Account) -> int:
        return self.used

    def listed(self, client_address: str, zones: Sequence[str]) -> str | None:
        return next((zone for zone in zones if (client_address, zone) in self.listings), None)

    async def spf(self, client_address: str, sender: str, hello_domain: str) -> SpfResult:
        question = client_address, sender or hello_domain
        self.spf_asked.append(question)
        asked = fold_domain(sender.rpartition("@")[2] or hello_domain)
        return SpfResult(self.spf_results.get(question, "none"), "" if asked.startswith("[") else asked)

    def is_patient(self, client_address: str, sender: str) -> bool:
        return (client_address, sender) in self.patient

    def texts(self, name: str, _client_address: str) -> asyncio.Future[Answer]:
        """The answer comes when the one who asks has begun to wait for it."""
        self.asked.append(name)
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[Answer] = loop.create_future()

        def answer() -> None:
            if not asked.cancelled():
                asked.set_result(self.zone.get(name, NO_SUCH_NAME))

        if name not in self.silent:
            loop.call_soon(answer)
        return asked

    async def hosts_listed(self, lookups: Sequence[Lookup]) -> Collection[Lookup]:
        return [lookup for lookup in lookups if (lookup.host, lookup.zone) in self.listings]


def config_of(settings: str = "") -> Config:
    """A configuration with those lines."""
    listener = '[[listener]]\naddress = "127.0.0.1:0"\nrole = "smtp"\n'
    return parse_config(f'hostname = "{HOSTNAME}"\n{settings}\n{listener}', Path("genkan.toml"))
