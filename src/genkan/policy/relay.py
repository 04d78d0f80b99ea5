# SPDX-License-Identifier: Apache-2.0
r"""Who may send through this server, and where to: effect.dat over the product's built-in table (its page faq01-79).

| sender \ recipient         | local address | unknown local address | elsewhere           |
|---------------------------|---------------|-----------------------|---------------------|
| local address             | accept        | User unknown          | accept, after AUTH  |
| unknown local address     | refused at MAIL                                             |
| elsewhere, or the null path | accept      | User unknown          | relaying refused    |

A rule of effect.dat for the client or the reverse-path changes the table's last column, or lets the sender do without
account and AUTH (`true`), or refuses all (`false`). Each account that receives may have an effect.dat of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.policy.rulebook import met
from genkan.policy.verdict import Verdict
from genkan.rules.effect import EffectAction
from genkan.smtp import replies

if TYPE_CHECKING:
    from genkan.policy.facts import RcptFacts, TransactionFacts
    from genkan.policy.rulebook import Rulebook


class ClientRules:
    """The server's effect.dat, asked at MAIL; what it allows is remembered for RCPT."""

    name = "effect"

    def __init__(self, rulebook: Rulebook) -> None:
        """The rulebook has the document."""
        self._rulebook = rulebook

    def check(self, transaction: TransactionFacts) -> Verdict | None:
        """Refuse what a rule forbids, and an empty argument that no rule speaks of."""
        client = transaction.connection.client_address
        match = self._rulebook.effect().match(client, transaction.reverse_path, blank=transaction.blank)
        if match is None:
            return Verdict(self.name, replies.SENDER_FORBIDDEN, detail="no path at all") if transaction.blank else None
        rule = met(match.rule.origin, match.rule)
        transaction.rules.append(rule)
        transaction.effect = match
        if match.action is not EffectAction.FALSE:
            return None
        return Verdict(self.name, replies.SENDER_FORBIDDEN, rule=rule, detail=f"{rule.text} matches")


class Relay:
    """A foreign reverse-path reaches local addresses only, unless a rule says otherwise."""

    name = "relay"

    def check(self, rcpt: RcptFacts) -> Verdict | None:
        """Refuse to relay for a sender, or to a place, that neither the table nor a rule allows."""
        if rcpt.is_local:
            return None
        transaction = rcpt.transaction
        reason = _why_not(transaction)
        if not reason:
            return None
        effect = transaction.effect
        rule = None if effect is None else met(effect.rule.origin, effect.rule)
        return Verdict(self.name, replies.RELAY_DENIED, {"forward_path": str(rcpt.forward_path)}, reason, rule)


class AccountClientRules:
    """The effect.dat of the account that receives; a refusal is that recipient's alone (the product's page faq04-10)."""

    name = "account-effect"

    def __init__(self, rulebook: Rulebook) -> None:
        """The rulebook has the documents."""
        self._rulebook = rulebook

    def check(self, rcpt: RcptFacts) -> Verdict | None:
        """Refuse a sender that the account does not want."""
        rules = None if rcpt.account is None else self._rulebook.account_effect(rcpt.account)
        if rules is None:
            return None
        transaction = rcpt.transaction
        client = transaction.connection.client_address
        match = rules.match(client, transaction.reverse_path, blank=transaction.blank)
        if match is None:
            return None
        rule = met(match.rule.origin, match.rule)
        rcpt.rules.append(rule)
        if match.action is not EffectAction.FALSE:
            return None
        return Verdict(self.name, replies.SENDER_FORBIDDEN, rule=rule, detail=f"{rule.text} matches")


def _why_not(transaction: TransactionFacts) -> str:
    """Why a transaction may not be relayed, "" if it may."""
    match transaction.action:
        case EffectAction.TRUE | EffectAction.ONLY:
            return ""
        case EffectAction.NORELAY:
            return "the rule allows delivery to local addresses only"
        case EffectAction.NORELAY_AUTH if transaction.connection.account is None:
            return "the rule allows relaying only after AUTH"
    return "" if transaction.sender_is_local else f"{transaction.reverse_path or '<>'} is not local"
