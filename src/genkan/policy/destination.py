# SPDX-License-Identifier: Apache-2.0
"""Where an account may send: its own sender.dat (the product's pages faq10-45, bsd-15-30)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.policy.rulebook import met
from genkan.policy.verdict import Verdict
from genkan.smtp import replies

if TYPE_CHECKING:
    from genkan.policy.facts import RcptFacts
    from genkan.policy.rulebook import Rulebook


class Destination:
    """The account that the reverse-path belongs to may be kept from writing to some addresses, or to all but some."""

    name = "destination"

    def __init__(self, rulebook: Rulebook) -> None:
        """The rulebook has the documents."""
        self._rulebook = rulebook

    def check(self, rcpt: RcptFacts) -> Verdict | None:
        """Refuse a forbidden recipient; the others go on."""
        account = rcpt.transaction.sender_account
        rules = None if account is None else self._rulebook.sender(account)
        if rules is None:
            return None
        forbidden = rules.forbids(rcpt.forward_path)
        if forbidden is None:
            allowed = rules.match(rcpt.forward_path)
            if allowed is not None:
                rcpt.rules.append(met(allowed.origin, allowed))
            return None
        rule = met(forbidden.origin, forbidden.rule or "")
        fields = {"reverse_path": str(rcpt.transaction.reverse_path)}
        return Verdict(self.name, replies.RECIPIENT_FORBIDDEN, fields, str(forbidden), rule)
