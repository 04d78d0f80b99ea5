# SPDX-License-Identifier: Apache-2.0
"""Moderated mailing lists: what others than the owners write waits until one of the owners has approved it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from genkan.policy.handling import Holding
from genkan.record.entry import Rule

if TYPE_CHECKING:
    from genkan.directory.directory import Directory
    from genkan.directory.resolution import MailingList
    from genkan.policy.facts import ContentFacts


class ListModeration:
    """Asked last, of what all others let in; objects to nothing.

    A bounce is not held: it is never distributed. Nor is what a rule holds already, or sends elsewhere.
    """

    name = "list-moderation"

    def __init__(self, directory: Directory) -> None:
        """The directory knows the owners."""
        self._lists = directory.lists

    def check(self, content: ContentFacts) -> None:
        """Note for whom the message waits, for each moderated list that it is for."""
        transaction, handlings = content.transaction, content.handlings
        if transaction.reverse_path is None:
            return
        for mailbox, mailing_list in transaction.lists.items():
            if not mailing_list.settings.moderated or self._lists.is_owner(mailing_list, *transaction.sender_names):
                continue
            handling = handlings.of(mailbox)
            if handling.holding is None and handling.forward is None:
                handlings.accounts[mailbox] = replace(handling, holding=self._holding(mailing_list))

    def _holding(self, mailing_list: MailingList) -> Holding:
        owners = tuple(map(str, self._lists.owners(mailing_list)))
        reason = f"{mailing_list.address} is moderated"
        return Holding("approval", reason, Rule(f"list {mailing_list.address}"), approvers=owners)
