# SPDX-License-Identifier: Apache-2.0
"""Accounts of an installation, put together from exports and mailbox folders.

A domain that has an export of accounts is defined by it: folders that lie there for nobody in it are left over. Any
other domain has an account for each folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from genkan.directory.accounts import MAX_NAME
from genkan.directory.errors import InvalidValue
from genkan.directory.passwords import MIN_PASSWORD, prepare_password
from genkan.epost.mailboxes import MailboxFolder, losses_of
from genkan.findings import Finding, note, warning
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from genkan.epost.tables import AccountRow

_MOST_NAMED: Final = 10  # accounts in one finding


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """An account as it will be made; `password` is "" where none is known, `quota` `None` for no limit.

    `shared` is true where the product did not say in which domain it is: then it has the name in all of them.
    """

    address: Mailbox
    name: str = ""
    password: str = field(default="", repr=False)
    quota: int | None = None
    shared: bool = False


class People:
    """Collects the accounts; first `add_accounts` with each export, then `add_folders`."""

    def __init__(self, default_domain: str, quota: int | None) -> None:
        """`default_domain` completes names without a domain; `quota` is that of accounts without one of their own."""
        self._default_domain = default_domain
        self._quota = quota
        self._exported: set[str] = set()
        self._accounts: dict[Mailbox, FoundAccount] = {}
        self.folders: list[tuple[Mailbox, MailboxFolder]] = []
        self.losses: list[Finding] = []

    @property
    def accounts(self) -> tuple[FoundAccount, ...]:
        """The accounts, in the order they were found."""
        return tuple(self._accounts.values())

    def add_accounts(
        self, subject: str, rows: Iterable[AccountRow], domain: str, known: Collection[str] | None = None
    ) -> None:
        """The accounts of an export; `domain` is that of names without one, "" if the file does not tell.

        With `known` domains, folded, accounts in others are left out: a list of customers must not make theirs local.
        """
        for row in rows:
            place = f"{subject}:{row.line}"
            account = self._account(place, row.account, row.domain or domain)
            if account is None:
                continue
            key = account.address.folded()
            if known is not None and key.domain not in known:
                self._lose(
                    place, f"{account.address} is in no domain of the installation", "name the file: --accounts FILE"
                )
                continue
            if key in self._accounts:
                self._lose(place, f"{account.address} is named twice", "the first line is taken; compare them")
                continue
            self._exported.add(key.domain)
            password = self._usable_password(place, account.address, row.password)
            self._accounts[key] = replace(account, name=_one_line(row.name), password=password)

    def add_folders(self, folders: Iterable[tuple[str, MailboxFolder]]) -> None:
        """The mailbox folders, each with its title for people."""
        without_auth: list[str] = []
        for title, folder in folders:
            account = self._owner(title, folder)
            if account is None:
                continue
            if folder.quota is not None:
                self._accounts[account.address.folded()] = replace(account, quota=folder.quota or None)
            if not folder.has_auth:
                without_auth.append(str(account.address))
            self.folders.append((account.address, folder))
            self.losses += losses_of(str(account.address), folder, title)
        if without_auth:
            self.losses.append(_may_not_send_any_more(without_auth))

    def _account(self, place: str, name: str, domain: str) -> FoundAccount | None:
        text = name if "@" in name else f"{name}@{domain or self._default_domain}"
        try:
            address = parse_mailbox(text)
        except AddressError as error:
            self._lose(place, f"{text!r} cannot be an account: {error}", "make it by hand: genkan account add")
            return None
        if address.local_part.startswith(".") or "/" in address.local_part or "*" in address.local_part:
            self._lose(place, f"{address} cannot be an account: its name cannot name a folder", "rename the account")
            return None
        return FoundAccount(address, quota=self._quota, shared="@" not in name and not domain)

    def _owner(self, title: str, folder: MailboxFolder) -> FoundAccount | None:
        found = self._account(title, folder.user, folder.domain)
        if found is None:
            return None
        key = found.address.folded()
        if key not in self._accounts and key.domain in self._exported:
            self._lose(title, f"no export names {found.address}, so the folder is left out", "see: genkan account add")
            return None
        return self._accounts.setdefault(key, found)

    def _usable_password(self, place: str, address: Mailbox, password: str) -> str:
        """The password if it can be kept, else ""; it is never shown."""
        if not password:
            return ""
        try:
            usable = len(password.encode()) >= MIN_PASSWORD and len(prepare_password(password).encode()) >= MIN_PASSWORD
        except (InvalidValue, UnicodeEncodeError):
            usable = False
        if usable:
            return password
        self._lose(
            place,
            f"the password of {address} is shorter than {MIN_PASSWORD} characters, or unusable",
            f"set another: genkan account passwd {address}",
        )
        return ""

    def _lose(self, place: str, sentence: str, remedy: str) -> None:
        self.losses.append(warning(place, sentence, remedy))


def _one_line(name: str) -> str:
    return "".join(character if character.isprintable() else " " for character in name)[:MAX_NAME].strip()


def _may_not_send_any_more(addresses: list[str]) -> Finding:
    more = f" and {len(addresses) - _MOST_NAMED} more" if len(addresses) > _MOST_NAMED else ""
    return note(
        "accounts",
        f"{', '.join(addresses[:_MOST_NAMED])}{more} had no apop.dat and could send without AUTH; here they must authenticate",
        "give them passwords, or see auth.unauthenticated_accounts in docs/settings.md",
    )
