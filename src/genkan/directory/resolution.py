# SPDX-License-Identifier: Apache-2.0
"""What an address turns out to be: the answers of `Directory.resolve`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from genkan.directory.accounts import Account
    from genkan.smtp.address import Mailbox

Posting = Literal["anybody", "authenticated", "members", "owners"]
Subscription = Literal["closed", "confirm"]
Role = Literal["owner", "bounces", "subscribe", "unsubscribe", "confirm"]


@dataclass(frozen=True, slots=True)
class Local:
    """The address belongs to an account here, by itself or through aliases."""

    account: Account


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The address is an alias here, and its target `mailbox` is not."""

    mailbox: Mailbox


class ListSettings(NamedTuple):
    """How a mailing list behaves.

    `posting` is who may write to it; what others than the owners write to a `moderated` one waits for them. `title` and
    `subject_tag` ("": none) are for its members to see. With `subscription` "confirm" anybody may become one by mail.
    Whose mail has bounced on `bounce_limit` days gets no more of it.
    """

    posting: Posting = "anybody"
    moderated: bool = False
    title: str = ""
    subject_tag: str = ""
    subscription: Subscription = "closed"
    bounce_limit: int = 5


@dataclass(frozen=True, slots=True)
class MailingList:
    """The address is a list, by itself or through aliases; `address` is the list's own. Its members are in `Lists`.

    `id` is never used again.
    """

    id: int
    address: Mailbox
    settings: ListSettings


@dataclass(frozen=True, slots=True)
class ListRole:
    """The address is one beside a list, for what is not to be distributed: `dev-owner@`, `dev-bounces+TOKEN@` (RFC 2142, 6).

    A `token` is the right one of a member, or of a request that waits for its confirmation.
    """

    mailing_list: MailingList
    role: Role
    token: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The domain is local, and nobody has the address."""


@dataclass(frozen=True, slots=True)
class External:
    """The domain is not local."""


Resolution: TypeAlias = Local | Elsewhere | MailingList | ListRole | Unknown | External
