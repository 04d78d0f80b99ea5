# SPDX-License-Identifier: Apache-2.0
"""Everything an operator can do with an installation, once; a command line or a page only shows what this returns.

Errors are those of the parts asked: `DirectoryError` and `StorageError`, whose texts say what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from genkan.admin.forward_operations import ForwardOperations
from genkan.admin.list_operations import ListOperations, end_of
from genkan.admin.rule_operations import RuleOperations
from genkan.directory import UNCHANGED, Account, Directory, GreyEntry, Lock, NotFound
from genkan.opening import open_directory
from genkan.spool.reading import QueuedMessage, find_message, list_queued, read_content

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from genkan.config import Config
    from genkan.directory.accounts import Unchanged
    from genkan.smtp.address import Mailbox

MAX_HEADER_SHOWN = 1024 * 1024  # octets


@dataclass(frozen=True, slots=True)
class DomainEntry:
    """A local domain in lower-case A-labels, and how much belongs to it."""

    name: str
    default: bool
    accounts: int
    aliases: int


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """An account without its secrets; `quota` in octets (`None`: no limit), `mechanisms` it has credentials for.

    `forwards` are the addresses that its mail goes on to; with `replies` it answers by itself.
    """

    address: str
    name: str
    quota: int | None
    mechanisms: tuple[str, ...]
    aliases: tuple[str, ...]
    forwards: tuple[str, ...]
    replies: bool


@dataclass(frozen=True, slots=True)
class AliasEntry:
    """An alias, its target, and the address where mail for it ends, of an account, a list or elsewhere; "" for nobody."""

    alias: str
    target: str
    end: str


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What `add_account` needs; `password` is `None` for an account that only receives, `quota` in octets."""

    address: Mailbox
    name: str
    password: str | None
    quota: int | None = None
    reversible: bool = False


class Operations:
    """One operator's hand on an installation; open it, ask, close it. Safe beside a running server."""

    def __init__(self, directory: Directory, storage: Path) -> None:
        """Work with an open directory and the storage folder that the spools lie in."""
        self._directory = directory
        self._storage = storage
        self.rules = RuleOperations(directory)
        self.lists = ListOperations(directory)
        self.forwards = ForwardOperations(directory)

    @classmethod
    def open(cls, config: Config) -> Self:
        """Open the storage that the configuration names, made and migrated as needed; raises StorageError."""
        return cls(open_directory(config), config.storage_folder)

    def close(self) -> None:
        """Give the databases back; nothing may be asked afterwards."""
        self._directory.close()

    def __enter__(self) -> Self:
        """Closes at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close, whatever happened in the block."""
        self.close()

    def add_domain(self, name: str) -> DomainEntry:
        """Make a domain local; the first one is the default for logins and postmaster without a domain."""
        return self._domain_entry(self._directory.domains.add(name))

    def list_domains(self) -> tuple[DomainEntry, ...]:
        """All local domains in the order they were added."""
        return tuple(self._domain_entry(name) for name in self._directory.domains.list())

    def remove_domain(self, name: str) -> None:
        """Make a domain external; refused while it has accounts, aliases or lists."""
        self._directory.domains.remove(name)

    def add_account(self, new: NewAccount) -> AccountEntry:
        """Make an account in a local domain."""
        accounts = self._directory.accounts
        return self._account_entry(
            accounts.add(new.address, new.name, new.password, new.quota, reversible=new.reversible)
        )

    def list_accounts(self, domain: str | None = None) -> tuple[AccountEntry, ...]:
        """All accounts, or those of one domain, ordered by address."""
        aliases = self._aliases_by_target()
        return tuple(self._account_entry(account, aliases) for account in self._directory.accounts.list(domain))

    def show_account(self, address: Mailbox) -> AccountEntry:
        """The account of exactly this address."""
        return self._account_entry(self._directory.accounts.show(address))

    def set_password(self, address: Mailbox, password: str | None, *, reversible: bool = False) -> AccountEntry:
        """Replace all credentials of an account; `None` leaves it unable to authenticate."""
        return self._account_entry(self._directory.accounts.passwd(address, password, reversible=reversible))

    def change_account(
        self, address: Mailbox, name: str | Unchanged = UNCHANGED, quota: int | Unchanged | None = UNCHANGED
    ) -> AccountEntry:
        """Give an account another full name or quota."""
        return self._account_entry(self._directory.accounts.set(address, name=name, quota=quota))

    def remove_account(self, address: Mailbox) -> None:
        """Forget an account and its rule documents; its Maildir stays."""
        self._directory.accounts.remove(address)

    def add_alias(self, alias: Mailbox, target: Mailbox) -> AliasEntry:
        """Let mail for `alias` (an address, `prefix*@domain` or `*@domain`) go to `target`."""
        made = self._directory.aliases.add(alias, target)
        return self._alias_entry(made.address, made.target)

    def list_aliases(self, domain: str | None = None) -> tuple[AliasEntry, ...]:
        """All aliases, or those of one domain, ordered by address."""
        return tuple(self._alias_entry(alias.address, alias.target) for alias in self._directory.aliases.list(domain))

    def remove_alias(self, alias: Mailbox, target: Mailbox | None = None) -> None:
        """Forget an alias; with a target, only if it leads there."""
        self._directory.aliases.remove(alias, target)

    def list_locks(self, now: datetime) -> tuple[Lock, ...]:
        """The networks that may not connect at the moment, oldest lock first."""
        return self._directory.locks.list(now)

    def clear_locks(self, network: str | None = None) -> int:
        """Unlock one address or network, or all; the number of locks removed."""
        return self._directory.locks.clear(network)

    def list_grey(self, limit: int) -> tuple[GreyEntry, ...]:
        """The senders that SPF deferred and that may come again, those that came last first."""
        return self._directory.grey.list(limit)

    def clear_grey(self, network: str | None = None) -> int:
        """Forget the senders in the network of an address, or all; the number of them."""
        return self._directory.grey.clear(network)

    def list_queue(self, now: datetime) -> Iterator[QueuedMessage]:
        """Every message that still has recipients, read while it is asked for; `now` tells due from waiting."""
        return list_queued(self._storage, now)

    def show_queued(self, message_id: str, now: datetime) -> QueuedMessage:
        """One message of the queue; raises `NotFound` when it was delivered, given up, or never there."""
        try:
            message = find_message(self._storage, message_id, now)
        except ValueError as error:
            raise NotFound(f"{error}; see: genkan queue list") from None
        if message is None:
            raise NotFound(f"{message_id} is not in the queue; see what is: genkan queue list")
        return message

    def read_queued(self, message: QueuedMessage) -> Iterator[bytes]:
        """The content of a queued message in blocks; it ends early when the message is delivered meanwhile."""
        return read_content(message)

    def read_header(self, message: QueuedMessage) -> str:
        """The header section of a queued message up to 1 MiB; octets that are not UTF-8 become U+FFFD."""
        octets = bytearray()
        for block in read_content(message):
            octets += block
            end = octets.find(b"\r\n\r\n")
            if end >= 0 or len(octets) > MAX_HEADER_SHOWN:
                del octets[end + 2 if end >= 0 else MAX_HEADER_SHOWN :]
                break
        return octets.decode("utf-8", "replace")

    def _domain_entry(self, name: str) -> DomainEntry:
        accounts, aliases = self._directory.accounts.list(name), self._directory.aliases.list(name)
        return DomainEntry(name, self._directory.domains.default() == name, len(accounts), len(aliases))

    def _account_entry(self, account: Account, aliases: dict[Mailbox, list[str]] | None = None) -> AccountEntry:
        by_target = self._aliases_by_target() if aliases is None else aliases
        forward = self._directory.forwards.find(account.id)
        return AccountEntry(
            address=str(account.address),
            name=account.name,
            quota=account.quota,
            mechanisms=_mechanisms(account),
            aliases=tuple(by_target.get(account.address.folded(), ())),
            forwards=() if forward is None else tuple(map(str, forward.addresses)),
            replies=self._directory.auto_replies.find(account.id) is not None,
        )

    def _aliases_by_target(self) -> dict[Mailbox, list[str]]:
        """The aliases that lead straight to an address, by that address folded."""
        found: dict[Mailbox, list[str]] = {}
        for alias in self._directory.aliases.list():
            found.setdefault(alias.target.folded(), []).append(str(alias.address))
        return found

    def _alias_entry(self, alias: Mailbox, target: Mailbox) -> AliasEntry:
        return AliasEntry(str(alias), str(target), end_of(self._directory, target))


def _mechanisms(account: Account) -> tuple[str, ...]:
    known = {
        "PLAIN": account.password_hash,
        "LOGIN": account.password_hash,
        "CRAM-MD5": account.cram_secret,
        "SCRAM-SHA-256": account.scram,
    }
    return tuple(name for name, credential in known.items() if credential is not None)
