# SPDX-License-Identifier: Apache-2.0
"""An installation for tests of policy: a directory on disk, and the chain of checks as a configuration makes it.

in.test has the accounts ann (with a password) and bob (without), full (with a quota), the aliases sales (to ann) and away
(to y@out.test), and in2.test the account kai.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from genkan.config import parse_config
from genkan.directory import Directory
from genkan.message.content import HeaderScan
from genkan.message.envelope import Recipient
from genkan.message.mime import TextReader
from genkan.policy.chain import Chain
from genkan.policy.facts import ConnectionFacts, ContentFacts, RcptFacts, TransactionFacts
from genkan.policy.handling import Handlings
from genkan.policy.rulebook import Rulebook
from genkan.policy.verdict import Verdict
from genkan.rules.mail_match import MailText
from genkan.smtp.address import Mailbox, parse_mailbox
from genkan.smtp.command import NO_RCPT_PARAMETERS, MailParameters
from tests.support.server import START

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Sequence
    from datetime import datetime

    from genkan.config import Config
    from genkan.directory.accounts import Account
    from genkan.policy.facts import Role
    from genkan.rules.mail_hosts import Lookup
    from genkan.smtp.maildata import Fault

PASSWORD: Final = "ann's secret 1"
QUOTA: Final = 1000
ACCEPTED: Final = "accepted"
CUT_OFF: Final = "cut off"
BLANK: Final = "blank"


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
    return directory


def outcome(answer: Verdict | Awaitable[Verdict | None] | None) -> str:
    """What the client is told: the name of the reply's row, or ACCEPTED, or CUT_OFF."""
    if answer is not None and not isinstance(answer, Verdict):
        answer = asyncio.run(_wait_for(answer))
    if answer is None:
        return ACCEPTED
    return CUT_OFF if answer.row is None else answer.row.name


async def _wait_for(answer: Awaitable[Verdict | None]) -> Verdict | None:
    return await answer


@dataclass
class Client:
    """A client of an installation; `sender` is "" for the null reverse-path and BLANK for none at all."""

    chain: Chain
    facts: ConnectionFacts
    transaction: TransactionFacts | None = None

    def mail(self, sender: str, parameters: MailParameters | None = None) -> str:
        """Begin a transaction."""
        blank = sender == BLANK
        path = None if blank or not sender else parse_mailbox(sender)
        self.transaction = TransactionFacts(self.facts, 0.0, path, blank, parameters or MailParameters())
        return outcome(self.chain.mail.decide(self.transaction))

    def rcpt(self, recipient: str) -> str:
        """Name a recipient; an accepted one is counted, as the listener does."""
        told, _ = self.judge_rcpt(recipient)
        return told

    def judge_rcpt(self, recipient: str) -> tuple[str, RcptFacts]:
        """As `rcpt`, with what the checks found out."""
        assert self.transaction is not None
        rcpt = RcptFacts(self.transaction, parse_mailbox(recipient), NO_RCPT_PARAMETERS)
        told = outcome(self.chain.rcpt.decide(rcpt))
        if told == ACCEPTED:
            assert rcpt.mailbox is not None
            self.transaction.rcpt_count += 1
            self.transaction.recipients[rcpt.mailbox] = Recipient(rcpt.forward_path, rcpt.mailbox)
            if rcpt.account is not None:
                self.transaction.accounts[rcpt.mailbox] = rcpt.account
        return told, rcpt

    def send(self, sender: str, recipient: str) -> str:
        """MAIL and RCPT: the first refusal, or ACCEPTED."""
        told = self.mail(sender)
        return told if told != ACCEPTED else self.rcpt(recipient)

    def content(self, header: bytes, fault: Fault | None = None) -> str:
        """Complete the content: its header section, and the blank line behind it."""
        assert self.transaction is not None
        told, _ = self.judge_content(header + b"\r\n", fault)
        return told

    def judge_content(self, content: bytes, fault: Fault | None = None) -> tuple[str, ContentFacts]:
        """Complete the content; also what is to be done with it."""
        assert self.transaction is not None
        scan = HeaderScan()
        scan.feed(content)
        facts = ContentFacts(self.transaction, fault, len(content), scan, Handlings())
        if self.chain.filters(self.transaction) and self.chain.reads_text(self.transaction):
            reader = TextReader(1 << 20)
            reader.feed(content)
            reader.finish()
            facts.text = MailText(reader.header, reader.texts)
        return outcome(self.chain.content.decide(facts)), facts


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
        chain = Chain(_config(settings), self.directory, Rulebook(self.directory.documents.current), self)
        owner = self.directory.account(parse_mailbox(account)) if account else None
        assert (owner is None) == (not account)
        return Client(chain, ConnectionFacts(address, role, owner, auth_failed))

    def connect(self, settings: str = "", address: str = "192.0.2.10") -> str:
        """What a client is told that connects."""
        client = self.client(settings, address=address)
        return outcome(client.chain.connect.decide(client.facts))

    def rules(self, name: str, text: str, account: str = "") -> None:
        """Make `text` the rule document of that name, the server's or an account's."""
        owner = self.directory.account(parse_mailbox(account)) if account else None
        self.directory.documents.store(name, owner, text.encode(), "operator")

    # The outside, as `World` has it.

    async def mailbox_usage(self, _account: Account) -> int:
        return self.used

    def listed(self, client_address: str, zones: Sequence[str]) -> str | None:
        return next((zone for zone in zones if (client_address, zone) in self.listings), None)

    async def hosts_listed(self, lookups: Sequence[Lookup]) -> Collection[Lookup]:
        return [lookup for lookup in lookups if (lookup.host, lookup.zone) in self.listings]


def _config(settings: str) -> Config:
    listener = '[[listener]]\naddress = "127.0.0.1:0"\nrole = "smtp"\n'
    return parse_config(f'hostname = "mx.in.test"\n{settings}\n{listener}', Path("genkan.toml"))
