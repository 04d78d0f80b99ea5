# SPDX-License-Identifier: Apache-2.0
"""Everything an operator can do about forwarding and automatic replies; errors are those of the directory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

from genkan.admin.list_operations import end_of
from genkan.config_values import duration_text
from genkan.directory.auto_replies import AutoReply
from genkan.directory.forwards import Forward

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from genkan.directory import Account, Directory
    from genkan.smtp.address import Mailbox

_NOTHING: Final = Forward(())
_NO_REPLY: Final = AutoReply("")


@dataclass(frozen=True, slots=True)
class ForwardAddress:
    """An address that mail is forwarded to, and where that leads: an account, a list, elsewhere; "" for nobody."""

    address: str
    end: str


@dataclass(frozen=True, slots=True)
class ForwardEntry:
    """Where an account's mail goes on to; nowhere without `addresses`. With `senders` only mail of these."""

    account: str
    addresses: tuple[ForwardAddress, ...]
    keep: bool
    senders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReplyEntry:
    """What an account answers by itself; nothing without `text`. The subject "" is that of the mail."""

    account: str
    text: str
    subject: str
    since: datetime | None
    until: datetime | None
    every: str
    only: tuple[str, ...]
    excepted: tuple[str, ...]


class ForwardChange(TypedDict, total=False):
    """What becomes of a forward; what is left out stays. `add` and `remove` are addresses to forward to."""

    add: tuple[Mailbox, ...]
    remove: tuple[Mailbox, ...]
    keep: bool
    senders: tuple[str, ...]


class ReplyChange(TypedDict, total=False):
    """The fields of an automatic reply that change."""

    text: str
    subject: str
    since: datetime | None
    until: datetime | None
    every: timedelta
    senders: tuple[str, ...]
    excepted: tuple[str, ...]


class ForwardOperations:
    """One operator's hand on what accounts forward and answer, in an open directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def show(self, address: Mailbox) -> ForwardEntry:
        """Where the mail of exactly this account goes on to."""
        account = self._directory.accounts.show(address)
        return self._entry(account, self._directory.forwards.find(account.id) or _NOTHING)

    def change(self, address: Mailbox, **change: Unpack[ForwardChange]) -> ForwardEntry:
        """Forward the account's mail otherwise than before; raises InvalidValue, also when no address is left."""
        account = self._directory.accounts.show(address)
        before = self._directory.forwards.find(account.id) or _NOTHING
        gone = {one.folded() for one in change.get("remove", ())}
        addresses = [one for one in before.addresses if one.folded() not in gone]
        forward = self._directory.forwards.set(
            account,
            [*addresses, *change.get("add", ())],
            keep=change.get("keep", before.keep),
            senders=change.get("senders", before.senders),
        )
        return self._entry(account, forward)

    def end(self, address: Mailbox) -> None:
        """Forward nothing any more; raises NotFound when nothing was."""
        self._directory.forwards.remove(self._directory.accounts.show(address))

    def show_reply(self, address: Mailbox) -> ReplyEntry:
        """What exactly this account answers by itself."""
        account = self._directory.accounts.show(address)
        return _reply_entry(account, self._directory.auto_replies.find(account.id) or _NO_REPLY)

    def change_reply(self, address: Mailbox, **change: Unpack[ReplyChange]) -> ReplyEntry:
        """Answer otherwise than before; raises InvalidValue."""
        account = self._directory.accounts.show(address)
        before = self._directory.auto_replies.find(account.id) or _NO_REPLY
        return _reply_entry(account, self._directory.auto_replies.set(account, replace(before, **change)))

    def end_reply(self, address: Mailbox) -> None:
        """Answer nothing any more; raises NotFound when nothing was."""
        self._directory.auto_replies.remove(self._directory.accounts.show(address))

    def _entry(self, account: Account, forward: Forward) -> ForwardEntry:
        addresses = tuple(ForwardAddress(str(one), end_of(self._directory, one)) for one in forward.addresses)
        return ForwardEntry(str(account.address), addresses, forward.keep, forward.senders)


def _reply_entry(account: Account, reply: AutoReply) -> ReplyEntry:
    return ReplyEntry(
        account=str(account.address),
        text=reply.text,
        subject=reply.subject,
        since=reply.since,
        until=reply.until,
        every=duration_text(reply.every),
        only=reply.senders,
        excepted=reply.excepted,
    )
