# SPDX-License-Identifier: Apache-2.0
"""What the checks may know of a connection and of its mail transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from genkan.directory.accounts import Account
    from genkan.message.content import HeaderScan
    from genkan.message.envelope import Recipient
    from genkan.smtp.address import Mailbox
    from genkan.smtp.command import MailParameters, RcptParameters
    from genkan.smtp.maildata import Fault

Role = Literal["smtp", "submission", "submissions"]


@dataclass(slots=True)
class ConnectionFacts:
    """A connection: who is there, through which listener, authenticated as whom."""

    client_address: str
    role: Role
    account: Account | None = None
    auth_failed: bool = False


@dataclass(slots=True)
class TransactionFacts:
    """A mail transaction as far as it has come; `recipients` are the accepted ones, no two alike."""

    connection: ConnectionFacts
    begun: float  # seconds of the monotonic clock
    reverse_path: Mailbox | None
    blank: bool
    parameters: MailParameters
    sender_is_local: bool = False
    sender_account: Account | None = None
    recipients: dict[Mailbox, Recipient] = field(default_factory=dict)
    rcpt_count: int = 0


@dataclass(slots=True)
class RcptFacts:
    """One RCPT inside a transaction; `mailbox` is where the directory sends it, once a check has found that out."""

    transaction: TransactionFacts
    forward_path: Mailbox
    parameters: RcptParameters
    is_local: bool = False
    account: Account | None = None
    mailbox: Mailbox | None = None


@dataclass(slots=True)
class ContentFacts:
    """The content of a transaction, once it is complete: its octets, and what its header section showed."""

    transaction: TransactionFacts
    fault: Fault | None
    size: int
    header: HeaderScan
