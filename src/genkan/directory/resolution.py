# SPDX-License-Identifier: Apache-2.0
"""What an address turns out to be: the answers of `Directory.resolve`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from genkan.directory.accounts import Account
    from genkan.smtp.address import Mailbox


@dataclass(frozen=True, slots=True)
class Local:
    """The address belongs to an account here, by itself or through aliases."""

    account: Account


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The address is an alias here, and its target `mailbox` is not."""

    mailbox: Mailbox


@dataclass(frozen=True, slots=True)
class MailingList:
    """The address is a list, by itself or through aliases; `address` is the list's own. Its members are in `Lists`.

    With `require_auth` only authenticated accounts may write to it. `id` is never used again.
    """

    id: int
    address: Mailbox
    require_auth: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """The domain is local, and nobody has the address."""


@dataclass(frozen=True, slots=True)
class External:
    """The domain is not local."""


Resolution: TypeAlias = Local | Elsewhere | MailingList | Unknown | External
