# SPDX-License-Identifier: Apache-2.0
"""The directory as the other parts ask it: is this address ours, whose is it, who logs in here.

One object for each process, used from the thread that opened it; call `refresh` before a question, then answers come
from memory. Changes are made through its parts: `domains`, `accounts`, `aliases`, `lists`, `forwards`, `auto_replies`,
`documents`, `routes`, `hops`, `brakes`, `dkim_keys`, `dmarc_tallies`, `dmarc_received`, `locks`, `grey`, `audit`.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, Self, assert_never

from genkan.directory.accounts import Account, Accounts
from genkan.directory.aliases import AccountEnd, Aliases, AliasLoop, ListEnd
from genkan.directory.audit import Audit
from genkan.directory.auto_replies import AutoReplies
from genkan.directory.brakes import Brakes
from genkan.directory.dkim_keys import DkimKeys
from genkan.directory.dmarc_received import ReceivedReports
from genkan.directory.dmarc_tallies import DmarcTallies
from genkan.directory.documents import Documents
from genkan.directory.domains import Domains
from genkan.directory.forwards import Forwards
from genkan.directory.grey import GreyEntries
from genkan.directory.hops import Hops
from genkan.directory.list_roles import ListRoles
from genkan.directory.lists import Lists
from genkan.directory.locks import Locks
from genkan.directory.message_ids import MessageNumbers
from genkan.directory.passwords import ScramKeys, unmatchable_scram_keys
from genkan.directory.resolution import Elsewhere, External, ListRole, Local, MailingList, Resolution, Unknown
from genkan.directory.rewritten_paths import RewrittenPaths
from genkan.directory.routes import Routes
from genkan.directory.store import Store
from genkan.directory.sts_policies import StoredPolicies
from genkan.message.srs import is_rewritten
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox
from genkan.storage.engine import StorageError, translated
from genkan.storage.sqlite import migrate, open_database

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from genkan.directory.aliases import End

__all__ = [
    "FILE_NAME",
    "Directory",
    "Elsewhere",
    "External",
    "ListRole",
    "Local",
    "MailingList",
    "Resolution",
    "Unknown",
]

FILE_NAME: Final = "directory.db"

_SCRAM_SECRET: Final = "scram"  # noqa: S105  (the name of a row)
_LISTS_SECRET: Final = "lists"  # noqa: S105


_UNKNOWN: Final = Unknown()
_EXTERNAL: Final = External()


class Directory:
    """Who is who in an installation, what its rule documents say, who is locked out; all may raise StorageError."""

    def __init__(self, store: Store, subaddress_delimiter: str) -> None:
        self._store = store
        self.domains = Domains(store)
        self.accounts = Accounts(store, self.domains)
        self.aliases = Aliases(store, self.domains, subaddress_delimiter)
        self.lists = Lists(store, self.domains, self.resolve)
        self.list_roles = ListRoles(store, self.lists, lambda: self.secret(_LISTS_SECRET))
        self.forwards = Forwards(store, self.lists, self.resolve)
        self.auto_replies = AutoReplies(store)
        self.rewritten_paths = RewrittenPaths(store, self.secret)
        self.documents = Documents(store, self.accounts)
        self.routes = Routes(store, self.domains)
        self.hops = Hops(store)
        self.brakes = Brakes(store)
        self.dkim_keys = DkimKeys(store, self.domains)
        self.dmarc_tallies = DmarcTallies(store)
        self.dmarc_received = ReceivedReports(store)
        self.sts_policies = StoredPolicies(store)
        self.locks = Locks(store)
        self.grey = GreyEntries(store)
        self.audit = Audit(store)
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

    def new_cache(self) -> dict[Any, Any]:
        """A dictionary for answers that were made of the directory's: it is emptied whenever the directory has changed."""
        return self._store.cache()

    def is_local_domain(self, domain: str) -> bool:
        """Whether mail for `domain`, in any writing, is for this installation."""
        return self.domains.is_local(domain)

    def resolve(self, mailbox: Mailbox) -> Resolution:
        """Whose address this is; the domain "" of `<postmaster>` means the default domain (RFC 5321, 4.5.1)."""
        resolution = self._resolutions.get(mailbox)
        if resolution is None:
            resolution = self._resolve(self._with_domain(mailbox))
            if not is_rewritten(mailbox.local_part):  # where those lead depends on the day
                self._store.remember(self._resolutions, mailbox, resolution)
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
        return unmatchable_scram_keys(
            self.secret(_SCRAM_SECRET), name if mailbox is None else str(mailbox.folded())
        ), False

    def sender_account(self, mailbox: Mailbox) -> Account | None:
        """The account an address belongs to: its own, or the one that its alias, pattern or subaddress leads to."""
        resolution = self.resolve(mailbox)
        return resolution.account if isinstance(resolution, Local) else None

    def secret(self, name: str) -> bytes:
        """32 random octets of this installation, the same for a name for ever; made when they are first asked for."""
        row = self._store.row(self._store.queries.secret, name)
        if row is None:
            with self._store.transaction():
                self._store.rows(self._store.queries.secret_add, name, secrets.token_bytes(32))
            row = self._store.row(self._store.queries.secret, name)
        if row is None:
            raise StorageError(f"the directory kept no secret for {name}")
        return bytes(row[0])

    def next_message_ids(self, count: int) -> range:
        """The next `count` message numbers, never handed out again; on disk as taken before this returns."""
        return self._numbers.take(count)

    def next_message_number(self) -> int:
        """The number that the next block of message ids begins with."""
        return self._numbers.following()

    def raise_message_numbers(self, minimum: int) -> None:
        """Hand out no message number below `minimum` any more: those of another installation are taken."""
        self._numbers.raise_to(minimum)

    def _resolve(self, mailbox: Mailbox) -> Resolution:
        if not mailbox.domain:
            return _UNKNOWN
        if not self.domains.is_local(mailbox.domain):
            return _EXTERNAL
        role = self.list_roles.find(mailbox)
        if role is not None and not self.aliases.is_taken(mailbox):
            return role
        original = self.rewritten_paths.restore(mailbox)
        if original is not None and not self.aliases.is_taken(mailbox):
            mailbox = original
        try:
            return self._at(self.aliases.follow(mailbox))
        except AliasLoop:
            return _UNKNOWN

    def _at(self, end: End) -> Resolution:
        match end:
            case AccountEnd(number):
                account = self.accounts.by_id(number)
                return _UNKNOWN if account is None else Local(account)
            case ListEnd(number):
                return self.lists.by_id(number) or _UNKNOWN
            case Mailbox():
                return Elsewhere(end)
            case None:
                return _UNKNOWN
            case never:
                assert_never(never)

    def _with_domain(self, mailbox: Mailbox) -> Mailbox:
        return mailbox if mailbox.domain else Mailbox(mailbox.local_part, self.domains.default() or "")

    def _login_mailbox(self, name: str) -> Mailbox | None:
        try:
            return parse_mailbox(name if "@" in name else f"{name}@{self.domains.default() or ''}")
        except AddressError:
            return None
