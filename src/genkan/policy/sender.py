# SPDX-License-Identifier: Apache-2.0
"""Checks of the reverse-path at MAIL: local senders that do not exist, AUTH, sender trust.

The causes are the product's (its built-in rules, rows "internal" and "external"). A rule `true` of effect.dat for the client
or the reverse-path spares them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.directory.resolution import Local, MailingList, Unknown
from genkan.message.address_list import parse_addresses
from genkan.policy.verdict import Verdict
from genkan.rules.effect import EffectAction
from genkan.smtp import replies
from genkan.smtp.address import AddressError, parse_mailbox
from genkan.smtp.reply import Profile

if TYPE_CHECKING:
    from genkan.config import Auth
    from genkan.directory.directory import Directory
    from genkan.directory.resolution import Resolution
    from genkan.message.content import HeaderScan
    from genkan.policy.facts import ContentFacts, TransactionFacts
    from genkan.smtp.address import Mailbox
    from genkan.smtp.reply import ReplyRow

_TRUSTING: Final = (EffectAction.DEFAULT, EffectAction.ONLY)


class LocalSender:
    """A reverse-path in a local domain must be an address of that domain."""

    name = "local-sender"

    def __init__(self, directory: Directory) -> None:
        """The directory knows the domains and their addresses."""
        self._directory = directory

    def check(self, transaction: TransactionFacts) -> Verdict | None:
        """Note whether the sender is local, and whose address it is; refuse one that nobody has."""
        sender = transaction.reverse_path
        if sender is None or not self._directory.is_local_domain(sender.domain):
            return None
        transaction.sender_is_local = True
        resolution = self._directory.resolve(sender)
        if isinstance(resolution, Local):
            transaction.sender_account = resolution.account
        if transaction.action is EffectAction.TRUE:
            return None
        if isinstance(resolution, Unknown):
            return Verdict(self.name, replies.SENDER_UNKNOWN, detail=f"no account, alias or list {sender}")
        if _needs_auth(resolution) and transaction.connection.account is None:
            return Verdict(self.name, replies.LIST_NEEDS_AUTH, detail=f"{sender} is a list")
        return None


class AuthenticatedSender:
    """Who sends with a local address, or submits mail at all, must have authenticated.

    The product asks it of each account that has credentials, and lets the others send from anywhere; here that is the
    setting `auth.unauthenticated_accounts`: "anywhere", or "trusted" for clients that effect.dat has a line of their own
    for. After `norelay,2` mail for local addresses needs no AUTH (the product's page bsd-10-60).
    """

    name = "authentication"

    def __init__(self, auth: Auth, profile: Profile) -> None:
        """`auth` is the configuration's table; in the `rfc` profile there is one reply for all cases."""
        self._accounts_without = auth.unauthenticated_accounts
        self._possible = auth.mode == "on"
        self._profile = profile

    def check(self, transaction: TransactionFacts) -> Verdict | None:
        """Refuse what needs AUTH in a session that has none."""
        connection = transaction.connection
        if connection.account is not None or transaction.action is EffectAction.TRUE:
            return None
        if connection.role != "smtp":
            return Verdict(self.name, replies.NEED_AUTH_BEFORE_MAIL, detail=f"{connection.role} listener")
        if not transaction.sender_is_local or self._exempt(transaction):
            return None
        return Verdict(
            self.name, self._row(auth_failed=connection.auth_failed), detail=f"{transaction.reverse_path} is local"
        )

    def _exempt(self, transaction: TransactionFacts) -> bool:
        if transaction.action is EffectAction.NORELAY_AUTH:
            return True
        account = transaction.sender_account
        can_authenticate = self._possible and account is not None and account.can_authenticate
        return self._trusts(transaction) and not can_authenticate and not transaction.connection.auth_failed

    def _trusts(self, transaction: TransactionFacts) -> bool:
        """Whether accounts without a password may send from this client."""
        if self._accounts_without == "trusted":
            effect = transaction.effect
            return effect is not None and effect.rule.names_client and effect.action in _TRUSTING
        return self._accounts_without == "anywhere"

    def _row(self, *, auth_failed: bool) -> ReplyRow:
        if auth_failed or self._profile is Profile.RFC:
            return replies.NEED_AUTH_BEFORE_MAIL
        return replies.NEED_EHLO_BEFORE_AUTH


class SenderTrust:
    """From level 2 on, an authenticated account sends with its own addresses only (the product's `AUTHID=Env`)."""

    name = "sender-trust"

    def __init__(self, level: int) -> None:
        """`level` is the setting `auth.sender_trust`."""
        self.needed = level >= 2

    def check(self, transaction: TransactionFacts) -> Verdict | None:
        """Refuse the address of somebody else; an alias of the account is its own."""
        account = transaction.connection.account
        if account is None or transaction.reverse_path is None or transaction.action is EffectAction.TRUE:
            return None
        if transaction.sender_account is not None and transaction.sender_account.id == account.id:
            return None
        return Verdict(
            self.name, replies.SENDER_UNKNOWN, detail=f"{account.address} may not send as {transaction.reverse_path}"
        )


class FromFieldTrust:
    """At level 3 the From field, too, must be an address of the account (the product's `AUTHID=Env=Head`)."""

    name = "sender-trust-from"

    def __init__(self, level: int, directory: Directory) -> None:
        """`level` is the setting `auth.sender_trust`."""
        self.needed = level >= 3
        self._directory = directory

    def check(self, content: ContentFacts) -> Verdict | None:
        """Refuse a From field that names no address of the authenticated account."""
        account = content.transaction.connection.account
        if account is None or content.transaction.action is EffectAction.TRUE:
            return None
        header = content.header
        author = author_in(header)
        if author is not None:
            owner = self._directory.sender_account(author)
            if owner is not None and owner.id == account.id:
                return None
        detail = f"{account.address} may not write From: {header.from_field[:200]!r}"
        return Verdict(self.name, replies.SENDER_UNKNOWN, detail=detail)


def _needs_auth(resolution: Resolution) -> bool:
    return isinstance(resolution, MailingList) and resolution.settings.posting == "authenticated"


def author_in(header: HeaderScan) -> Mailbox | None:
    """The one address in the one From field, `None` when that cannot be said for sure (RFC 5322, 3.6.2)."""
    body = header.only_from_field
    return None if body is None else author_of(body.decode("utf-8", "replace"))


def author_of(from_field: str) -> Mailbox | None:
    """The one address in the body of a From field, as `author_in`."""
    addresses = parse_addresses(from_field)
    if addresses is None or len(addresses) != 1:
        return None
    try:
        return parse_mailbox(addresses[0])
    except AddressError:
        return None
