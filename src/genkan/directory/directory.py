# SPDX-License-Identifier: Apache-2.0
"""The directory as the other parts ask it: is this address ours, whose is it, who logs in here.

One object for each process, used from the thread that opened it; call `refresh` before a question, then answers come
from memory. Changes are made through `domains`, `accounts`, `aliases` and `locks`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from genkan.directory.accounts import Account, Accounts
from genkan.directory.aliases import Aliases, AliasLoop
from genkan.directory.domains import Domains
from genkan.directory.locks import Locks
from genkan.directory.message_ids import MessageNumbers
from genkan.directory.passwords import ScramKeys, unmatchable_scram_keys
from genkan.directory.store import Store
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox
from genkan.storage.engine import StorageError, translated
from genkan.storage.sqlite import migrate, open_database

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

FILE_NAME: Final = "directory.db"

_SCRAM_SECRET: Final = "scram"  # noqa: S105  (the name of a row)


@dataclass(frozen=True, slots=True)
class Local:
    """The address belongs to an account here, by itself or through aliases."""

    account: Account


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The address is an alias here, and its target `mailbox` is not."""

    mailbox: Mailbox


@dataclass(frozen=True, slots=True)
class Unknown:
    """The domain is local, and nobody has the address."""


@dataclass(frozen=True, slots=True)
class External:
    """The domain is not local."""


Resolution: TypeAlias = Local | Elsewhere | Unknown | External

_UNKNOWN: Final = Unknown()
_EXTERNAL: Final = External()


class Directory:
    """Domains, accounts, aliases and locks of an installation; every question may raise StorageError."""

    def __init__(self, store: Store, subaddress_delimiter: str) -> None:
        self._store = store
        self.domains = Domains(store)
        self.accounts = Accounts(store, self.domains)
        self.aliases = Aliases(store, self.domains, subaddress_delimiter)
        self.locks = Locks(store)
        self._numbers = MessageNumbers(store)
        self._resolutions: dict[Mailbox, Resolution] = store.cache()
        self._accounts: dict[Mailbox, Account | None] = store.cache()
        self._logins: dict[str, Account | None] = store.cache()

    @classmethod
    def open(cls, storage_folder: Path, *, subaddress_delimiter: str = "+") -> Self:
        """The directory in `storage_folder`, made (folder 0700, file 0600) and migrated as needed; raises StorageError.

        `subaddress_delimiter` "" switches subaddresses off.
        """
        with translated(str(storage_folder)):
            storage_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = open_database(storage_folder / FILE_NAME)
        try:
            migrate(connection, "directory")
            return cls(Store(connection), subaddress_delimiter)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the database; nothing may be asked afterwards."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def refresh(self) -> None:
        """Take notice of what other processes changed; some 2 microseconds when nothing was."""
        self._store.refresh()

    def renew(self) -> None:
        """As `refresh`, but looks once a millisecond at most: for questions that come by the thousand."""
        self._store.renew()

    def is_local_domain(self, domain: str) -> bool:
        """Whether mail for `domain`, in any writing, is for this installation."""
        return self.domains.is_local(domain)

    def resolve(self, mailbox: Mailbox) -> Resolution:
        """Whose address this is; the domain "" of `<postmaster>` means the default domain (RFC 5321, 4.5.1)."""
        resolution = self._resolutions.get(mailbox)
        if resolution is None:
            resolution = self._store.remember(self._resolutions, mailbox, self._resolve(self._with_domain(mailbox)))
        return resolution

    def account(self, mailbox: Mailbox) -> Account | None:
        """The account with exactly this address, no alias and no subaddress."""
        try:
            return self._accounts[mailbox]
        except KeyError:
            found = self.accounts.find(self._with_domain(mailbox).folded())
            return self._store.remember(self._accounts, mailbox, found)

    def account_for_login(self, name: str) -> Account | None:
        """The account that a client names in AUTH: its address, or its local-part alone in the default domain."""
        try:
            return self._logins[name]
        except KeyError:
            mailbox = self._login_mailbox(name)
        if mailbox is None:
            return None  # not kept: a name that is no address may be of any length
        return self._store.remember(self._logins, name, self.account(mailbox))

    def scram_keys_for_login(self, name: str) -> tuple[ScramKeys, bool]:
        """The keys for SCRAM-SHA-256, and whether they are real: whoever has none gets keys that no password fits.

        Those stay the same for a name, in any writing of it, so that asking twice does not tell whether it exists.
        """
        account = self.account_for_login(name)
        if account is not None and account.scram is not None:
            return account.scram, True
        mailbox = self._login_mailbox(name)
        return unmatchable_scram_keys(self._scram_secret(), name if mailbox is None else str(mailbox.folded())), False

    def sender_account(self, mailbox: Mailbox) -> Account | None:
        """The account an address belongs to: its own, or the one that its alias, pattern or subaddress leads to."""
        resolution = self.resolve(mailbox)
        return resolution.account if isinstance(resolution, Local) else None

    def next_message_ids(self, count: int) -> range:
        """The next `count` message numbers, never handed out again; on disk as taken before this returns."""
        return self._numbers.take(count)

    def _resolve(self, mailbox: Mailbox) -> Resolution:
        if not mailbox.domain:
            return _UNKNOWN
        if not self.domains.is_local(mailbox.domain):
            return _EXTERNAL
        try:
            end = self.aliases.follow(mailbox)
        except AliasLoop:
            return _UNKNOWN
        if isinstance(end, Mailbox):
            return Elsewhere(end)
        account = None if end is None else self.accounts.by_id(end)
        return _UNKNOWN if account is None else Local(account)

    def _with_domain(self, mailbox: Mailbox) -> Mailbox:
        return mailbox if mailbox.domain else Mailbox(mailbox.local_part, self.domains.default() or "")

    def _login_mailbox(self, name: str) -> Mailbox | None:
        try:
            return parse_mailbox(name if "@" in name else f"{name}@{self.domains.default() or ''}")
        except AddressError:
            return None

    def _scram_secret(self) -> bytes:
        row = self._store.row(self._store.queries.secret, _SCRAM_SECRET)
        if row is None:
            with self._store.transaction():
                self._store.rows(self._store.queries.secret_add, _SCRAM_SECRET, secrets.token_bytes(32))
            row = self._store.row(self._store.queries.secret, _SCRAM_SECRET)
        if row is None:
            raise StorageError("the directory kept no secret for SCRAM")
        return bytes(row[0])
