# SPDX-License-Identifier: Apache-2.0
"""Checks of the forward-path at RCPT: how many, known, mailing list, quota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from genkan.directory.resolution import Elsewhere, External, ListRole, Local, MailingList
from genkan.message.envelope import Recipient
from genkan.policy.verdict import Verdict
from genkan.smtp import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from genkan.directory.accounts import Account
    from genkan.directory.directory import Directory
    from genkan.policy.facts import RcptFacts
    from genkan.policy.world import World

USED: Final = "mailbox octets"  # the fact that tells how much the mailbox held


class RecipientNumber:
    """The product refuses the N-th recipient at a limit of N (its page bsd-15-64); a technical bound stands behind it."""

    name = "recipient-number"

    def __init__(self, limit: int, held: int) -> None:
        """`limit` is `limits.recipients` (0: none), `held` is `limits.recipients_held`, the most that one transaction keeps."""
        self._limit = limit
        self._held = held

    def check(self, rcpt: RcptFacts) -> Verdict | None:
        """Refuse one recipient too many."""
        accepted = rcpt.transaction.rcpt_count
        if 0 < self._limit <= accepted + 1:
            return Verdict(self.name, replies.TOO_MANY_RECIPIENTS, detail=f"limits.recipients = {self._limit}")
        if accepted >= self._held:
            return Verdict(self.name, replies.RECIPIENTS_HELD, detail=f"limits.recipients_held = {self._held}")
        return None


class Destined:
    """Finds out where the mail goes; objects to nothing, since other checks speak before the one that knows the address."""

    name = "destined"

    def __init__(self, directory: Directory) -> None:
        """The directory resolves accounts, aliases, lists, subaddresses."""
        self._directory = directory

    def check(self, rcpt: RcptFacts) -> None:
        """Note whose mailbox it is, or whether it is elsewhere."""
        match self._directory.resolve(rcpt.forward_path):
            case Local(account):
                rcpt.is_local, rcpt.account, rcpt.mailbox = True, account, account.address
            case Elsewhere(mailbox):
                rcpt.is_local, rcpt.mailbox = True, mailbox
            case MailingList() as mailing_list:
                rcpt.is_local, rcpt.mailing_list = True, mailing_list
                if self._directory.lists.reach(mailing_list):
                    rcpt.mailbox = mailing_list.address
            case ListRole():
                rcpt.is_local, rcpt.mailbox = True, rcpt.forward_path.folded()
            case External():
                rcpt.mailbox = rcpt.forward_path
            case _:
                rcpt.is_local = True


class KnownRecipient:
    """A local domain must know the address, and mail for it must have somewhere to go: a list may have nobody on it."""

    name = "known-recipient"

    def check(self, rcpt: RcptFacts) -> Verdict | None:
        """Refuse an unknown address of a local domain, and a list that leads to no mailbox."""
        if rcpt.mailbox is not None:
            return None
        detail = "" if rcpt.mailing_list is None else f"the list {rcpt.mailing_list.address} leads to no mailbox"
        return Verdict(self.name, replies.USER_UNKNOWN, {"forward_path": str(rcpt.forward_path)}, detail)


class ListSender:
    """A mailing list may be for authenticated accounts, for its members or for its owners alone.

    Members and owners are known by the reverse-path, or by the account that has authenticated.
    """

    name = "list-sender"

    def __init__(self, directory: Directory) -> None:
        """The directory knows members and owners, by any of their addresses here."""
        self._lists = directory.lists

    def check(self, rcpt: RcptFacts) -> Verdict | None:
        """Refuse a session without AUTH, or a sender who is none of those."""
        mailing_list, transaction = rcpt.mailing_list, rcpt.transaction
        if mailing_list is None:
            return None
        match mailing_list.settings.posting:
            case "anybody":
                return None
            case "authenticated":
                if transaction.connection.account is not None:
                    return None
                detail = f"{mailing_list.address} is for authenticated senders"
                return Verdict(self.name, replies.LIST_NEEDS_AUTH, detail=detail)
            case "members":
                may_write = self._lists.may_write(mailing_list, *transaction.sender_names)
            case "owners":
                may_write = self._lists.is_owner(mailing_list, *transaction.sender_names)
            case never:
                assert_never(never)
        return None if may_write else self._denied(rcpt, mailing_list)

    def _denied(self, rcpt: RcptFacts, mailing_list: MailingList) -> Verdict:
        detail = f"{mailing_list.address} is for its {mailing_list.settings.posting}"
        return Verdict(self.name, replies.LIST_POST_DENIED, {"forward_path": str(rcpt.forward_path)}, detail)


class MailboxQuota:
    """A local mailbox that has reached its quota takes no more mail (the product's page bsd-10-95); tested at RCPT only."""

    name = "quota"

    def __init__(self, world: World) -> None:
        """The world knows the octets that an account's mailbox holds."""
        self._world = world

    def check(self, rcpt: RcptFacts) -> Awaitable[Verdict | None] | None:
        """Look only where there is a quota: the answer has to be read from the disk."""
        account = rcpt.account
        if account is None or account.quota is None:
            return None
        return self._check_usage(rcpt, account, account.quota)

    async def _check_usage(self, rcpt: RcptFacts, account: Account, quota: int) -> Verdict | None:
        declared = rcpt.transaction.parameters.size or 0
        used = await self._world.mailbox_usage(account)
        rcpt.facts[USED] = used
        if used < quota and used + declared <= quota:
            return None
        return Verdict(self.name, replies.MAILBOX_FULL, detail=f"{account.address} holds {used} of {quota} octets")


def add_recipient(rcpt: RcptFacts) -> None:
    """Let an accepted RCPT count in its transaction.

    Two names of one mailbox get one copy (the product's page bsd-17-71). A list is one recipient; it is expanded at delivery.
    """
    transaction, parameters, mailbox = rcpt.transaction, rcpt.parameters, rcpt.mailbox
    assert mailbox is not None
    transaction.rcpt_count += 1
    if rcpt.mailing_list is not None:
        transaction.lists[mailbox] = rcpt.mailing_list
    elif rcpt.account is not None:
        transaction.accounts[mailbox] = rcpt.account
    if mailbox not in transaction.recipients:
        recipient = Recipient(rcpt.forward_path, mailbox, parameters.notify, parameters.original)
        transaction.recipients[mailbox] = recipient
