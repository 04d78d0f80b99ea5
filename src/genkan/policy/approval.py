# SPDX-License-Identifier: Apache-2.0
"""Refused addresses and subjects, and mail that waits for a person: the product's Secure Handler and what it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.message.encoded_words import decode_words
from genkan.policy.handling import Holding
from genkan.policy.rulebook import met
from genkan.policy.verdict import Verdict
from genkan.rules.approval import ApprovalAction
from genkan.smtp import replies

if TYPE_CHECKING:
    from genkan.policy.facts import ContentFacts, RcptFacts
    from genkan.policy.rulebook import Rulebook
    from genkan.rules.approval import ApprovalRule


class RefusedAddress:
    """A reverse-path on the black list; told at RCPT, where mail programs show it to their people."""

    name = "approval-address"

    def __init__(self, rulebook: Rulebook) -> None:
        """The rulebook has approval-addresses.dat."""
        self._rulebook = rulebook

    def check(self, rcpt: RcptFacts) -> Verdict | None:
        """Refuse a reverse-path that the document refuses."""
        transaction = rcpt.transaction
        found = self._rulebook.approval_addresses().match_address(transaction.reverse_path)
        if found is None:
            return None
        rule = met(found.origin, found)
        rcpt.rules.append(rule)
        if found.action is not ApprovalAction.REFUSE:
            return None
        fields = {"reverse_path": str(transaction.reverse_path or "")}
        return Verdict(self.name, replies.SENDER_BLACKLISTED, fields, f"{found.text} is refused", rule)


class ApprovalRules:
    """Subjects on the black list are refused; what either document holds waits for its approvers."""

    name = "approval-subject"

    def __init__(self, rulebook: Rulebook) -> None:
        """The rulebook has both documents."""
        self._rulebook = rulebook

    def check(self, content: ContentFacts) -> Verdict | None:
        """Refuse a subject, or note for whom the message waits; an address that is let through needs no look at its subject."""
        address = self._rulebook.approval_addresses().match_address(content.transaction.reverse_path)
        if address is not None and address.action is ApprovalAction.ALLOW:
            return None
        subject = self._subject(content)
        if subject is not None:
            rule = met(subject.origin, subject)
            content.rules.append(rule)
            if subject.action is ApprovalAction.REFUSE:
                return Verdict(self.name, replies.SUBJECT_BLACKLISTED, detail=f"{subject.text!r} is refused", rule=rule)
        for found in (address, subject):
            if found is not None and found.action is ApprovalAction.HOLD:
                content.handlings.hold = content.handlings.hold or _holding(found)
                break
        return None

    def _subject(self, content: ContentFacts) -> ApprovalRule | None:
        rules = self._rulebook.approval_subjects()
        return rules.match_subject(decode_words(content.header.subject)) if rules.rules else None


def _holding(found: ApprovalRule) -> Holding:
    rule = met(found.origin, found)
    approvers = tuple(map(str, found.approvers))
    return Holding("approval", f"{found.text} needs approval", rule, "", approvers, found.deadline, found.verdict)
