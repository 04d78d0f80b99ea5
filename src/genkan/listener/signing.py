# SPDX-License-Identifier: Apache-2.0
"""Signs what authenticated accounts send with the keys of their domain (DKIM, RFC 6376, 5), while it comes in.

An account signs for its own domain and for the addresses that are its own, whatever it writes into its From field: a
signature says that the domain stands for the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.dkim.message_signer import MessageSigner, signers_of
from genkan.policy.sender import author_in

if TYPE_CHECKING:
    from genkan.directory.accounts import Account
    from genkan.directory.directory import Directory
    from genkan.directory.dkim_keys import DkimKey
    from genkan.dkim.key_pair import KeyFileError
    from genkan.dkim.message_signer import StoredKey
    from genkan.maillog import MailLog
    from genkan.message.content import HeaderScan
    from genkan.policy.facts import TransactionFacts
    from genkan.smtp.address import Mailbox


class Signing:
    """Knows who signs what."""

    def __init__(self, directory: Directory, log: MailLog) -> None:
        """The directory has the keys."""
        self._directory = directory
        self._log = log

    def signer(self, transaction: TransactionFacts, header: HeaderScan) -> MessageSigner | None:
        """Who signs a message with this header section; `None` for one that nobody signs, such as that of several authors."""
        account = transaction.connection.account
        author = None if account is None else author_in(header)
        if account is None or author is None:
            return None
        signers = signers_of(self._keys(account, author), self._unusable)
        return MessageSigner(signers) if signers else None

    def _keys(self, account: Account, author: Mailbox) -> tuple[DkimKey, ...]:
        """The keys of the author's domain, or of the closest one above it that has any."""
        keys = self._directory.dkim_keys.closest(author.domain)
        if not keys or account.address.folded().domain in (keys[0].domain, author.folded().domain):
            return keys
        owner = self._directory.sender_account(author)
        return keys if owner is not None and owner.id == account.id else ()

    def _unusable(self, key: StoredKey, error: KeyFileError) -> None:
        self._log.server("a key cannot be signed with", domain=key.domain, selector=key.selector, error=str(error))
