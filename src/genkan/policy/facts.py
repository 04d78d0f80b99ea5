# SPDX-License-Identifier: Apache-2.0
"""What the checks may know of a connection and of its mail transaction, and what they found out about them.

`rules` are the operator's rules that were met, in order; `facts` what a check learned from outside, so that the same checks
can be asked again later without it. Both are for the record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from genkan.directory.accounts import Account
    from genkan.directory.resolution import MailingList
    from genkan.dns.spf import SpfOutcome
    from genkan.message.content import HeaderScan
    from genkan.message.envelope import Recipient
    from genkan.policy.handling import Handlings
    from genkan.policy.origin import Judged, Judging
    from genkan.record.entry import Fact, Rule
    from genkan.rules.effect import EffectAction, EffectMatch
    from genkan.rules.mail_match import MailText
    from genkan.scanner.clamd import ScanResult
    from genkan.smtp.address import Mailbox
    from genkan.smtp.command import MailParameters, RcptParameters
    from genkan.smtp.maildata import Fault


class Scanning(Protocol):
    """A virus scan of the content."""

    async def finish(self) -> ScanResult:
        """What the scanner says; the content is complete."""
        ...


Role = Literal["smtp", "submission", "submissions"]


class SpfFinding(NamedTuple):
    """What SPF said, and of which identity: its domain, as it was asked about, and where that came from (RFC 8601, 2.7.2)."""

    result: SpfOutcome
    identity: Literal["smtp.mailfrom", "smtp.helo"]
    domain: str


@dataclass(slots=True)
class ConnectionFacts:
    """A connection: who is there, through which listener, authenticated as whom."""

    client_address: str
    role: Role
    account: Account | None = None
    auth_failed: bool = False
    rules: list[Rule] = field(default_factory=list)
    facts: dict[str, Fact] = field(default_factory=dict)


@dataclass(slots=True)
class TransactionFacts:
    """A mail transaction as far as it has come; `recipients` are the accepted ones, no two alike.

    `effect` is what effect.dat says of the client or the reverse-path, once a check has looked; `None` where it says nothing.
    `spf` is there where SPF was asked.
    """

    connection: ConnectionFacts
    begun: float  # seconds of the monotonic clock
    reverse_path: Mailbox | None
    blank: bool
    parameters: MailParameters
    hello_domain: str = ""
    effect: EffectMatch | None = None
    spf: SpfFinding | None = None
    sender_is_local: bool = False
    sender_account: Account | None = None
    recipients: dict[Mailbox, Recipient] = field(default_factory=dict)
    accounts: dict[Mailbox, Account] = field(default_factory=dict)
    """Of the accepted recipients, those whose mailbox is here."""
    lists: dict[Mailbox, MailingList] = field(default_factory=dict)
    """Of the accepted recipients, those that are mailing lists."""
    rcpt_count: int = 0
    rules: list[Rule] = field(default_factory=list)
    facts: dict[str, Fact] = field(default_factory=dict)

    @property
    def action(self) -> EffectAction | None:
        """What effect.dat allows."""
        return None if self.effect is None else self.effect.action

    @property
    def sender_names(self) -> tuple[Mailbox | None, Mailbox | None]:
        """The addresses by which a list may know the sender: the reverse-path and the authenticated account's, if any."""
        account = self.connection.account
        return self.reverse_path, None if account is None else account.address


@dataclass(slots=True)
class RcptFacts:
    """One RCPT inside a transaction; `mailbox` is where the directory sends it, once a check has found that out.

    For a mailing list it is the list's own address, unless the list leads to no mailbox.
    """

    transaction: TransactionFacts
    forward_path: Mailbox
    parameters: RcptParameters
    is_local: bool = False
    account: Account | None = None
    mailbox: Mailbox | None = None
    mailing_list: MailingList | None = None
    rules: list[Rule] = field(default_factory=list)
    facts: dict[str, Fact] = field(default_factory=dict)


@dataclass(slots=True)
class ContentFacts:
    """The content of a transaction, once it is complete: what was seen of it, and what is to be done with it.

    `text` is there when a rule wants to look at it, `scan` when a virus scanner was shown the content, `judging` when its origin
    is to be judged, and `judged` once it has been. `results` is our Authentication-Results field.
    """

    transaction: TransactionFacts
    fault: Fault | None
    size: int
    header: HeaderScan
    handlings: Handlings
    text: MailText | None = None
    scan: Scanning | None = None
    judging: Judging | None = None
    judged: Judged | None = None
    results: bytes = b""
    rules: list[Rule] = field(default_factory=list)
    facts: dict[str, Fact] = field(default_factory=dict)
