# SPDX-License-Identifier: Apache-2.0
"""Checks of the forward-path at RCPT: how many, known, relay, quota."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.directory.directory import Elsewhere, External, Local
from genkan.policy.verdict import Verdict
from genkan.smtp import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from genkan.directory.accounts import Account
    from genkan.directory.directory import Directory
    from genkan.policy.facts import RcptFacts


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


class KnownRecipient:
    """Finds out whose mailbox it is; a local domain must know the address."""

    name = "known-recipient"

    def __init__(self, directory: Directory) -> None:
        """The directory resolves accounts, aliases, subaddresses."""
        self._directory = directory

    def check(self, rcpt: RcptFacts) -> Verdict | None:
        """Note where the mail goes; refuse an unknown address of a local domain."""
        resolution = self._directory.resolve(rcpt.forward_path)
        match resolution:
            case Local(account):
                rcpt.is_local, rcpt.account, rcpt.mailbox = True, account, account.address
            case Elsewhere(mailbox):
                rcpt.is_local, rcpt.mailbox = True, mailbox
            case External():
                rcpt.mailbox = rcpt.forward_path
            case _:
                path = str(rcpt.forward_path)
                return Verdict(self.name, replies.USER_UNKNOWN, {"forward_path": path})
        return None


class MailboxQuota:
    """A local mailbox that has reached its quota takes no more mail (the product's page bsd-10-95); tested at RCPT only."""

    name = "quota"

    def __init__(self, usage: Callable[[Account], Awaitable[int]]) -> None:
        """`usage` gives the octets that an account's mailbox holds."""
        self._usage = usage

    def check(self, rcpt: RcptFacts) -> Awaitable[Verdict | None] | None:
        """Look only where there is a quota: the answer has to be read from the disk."""
        account = rcpt.account
        if account is None or account.quota is None:
            return None
        return self._check_usage(account, account.quota, rcpt.transaction.parameters.size or 0)

    async def _check_usage(self, account: Account, quota: int, declared: int) -> Verdict | None:
        used = await self._usage(account)
        if used < quota and used + declared <= quota:
            return None
        return Verdict(self.name, replies.MAILBOX_FULL, detail=f"{account.address} holds {used} of {quota} octets")
