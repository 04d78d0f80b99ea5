# SPDX-License-Identifier: Apache-2.0
"""Accounts: who owns a mailbox and may authenticate. Their mail is not touched here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from unicodedata import category

from genkan.directory.errors import AlreadyExists, InvalidValue, NotFound
from genkan.directory.passwords import NO_CREDENTIALS, Credentials, ScramKeys, make_credentials
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox

if TYPE_CHECKING:
    from genkan.directory.domains import Domains
    from genkan.directory.store import Store

MAX_NAME: Final = 200  # characters of a full name
MAX_QUOTA: Final = 2**62  # octets

NO_TEXT: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, surrogates, line and paragraph separators


class Unchanged(Enum):
    """The type of UNCHANGED."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED  # leave this value as it is, where `None` already means something


@dataclass(frozen=True, slots=True)
class Account:
    """An account as stored; `id` is never used again, `quota` is in octets, `None` for no limit.

    `address` has the local-part as the operator wrote it and the domain in lower-case A-labels. The credentials are
    those of `passwords.Credentials`.
    """

    id: int
    address: Mailbox
    name: str = ""
    quota: int | None = None
    password_hash: str | None = field(default=None, repr=False)
    scram: ScramKeys | None = field(default=None, repr=False)
    cram_secret: str | None = field(default=None, repr=False)

    @property
    def can_authenticate(self) -> bool:
        """Whether the account has a password; without one it only receives."""
        return self.password_hash is not None


class Accounts:
    """The table of accounts; addresses are compared folded, and none is shared with an alias or a mailing list."""

    def __init__(self, store: Store, domains: Domains) -> None:
        self._store = store
        self._queries = store.queries
        self._any_readable: dict[None, bool] = store.cache()
        self._domains = domains
        self._by_id: dict[int, Account | None] = store.cache()

    def add(
        self,
        address: Mailbox,
        name: str = "",
        password: str | None = None,
        quota: int | None = None,
        *,
        reversible: bool = False,
    ) -> Account:
        """A new account, without credentials when `password` is `None`; raises InvalidValue, AlreadyExists or NotFound.

        `reversible` also keeps the password in readable form, for CRAM-MD5.
        """
        key = _checked_address(address)
        _check_name(name)
        _check_quota(quota)
        credentials = NO_CREDENTIALS if password is None else make_credentials(password, reversible=reversible)
        with self._store.change():
            self._domains.require(key.domain)
            self._require_free(key)
            values = (key.domain, key.local_part, address.local_part, name, quota, *_columns(credentials))
            [(number,)] = self._store.rows(self._queries.account_add, *values)
        return self._at(number)

    def show(self, address: Mailbox) -> Account:
        """The account of exactly this address; raises NotFound."""
        account = self.find(address.folded())
        if account is None:
            raise NotFound(f"account {address} is not there; see: genkan account list")
        return account

    def list(self, domain: str | None = None) -> tuple[Account, ...]:
        """All accounts, or those of one domain, ordered by address."""
        wanted = None if domain is None else Mailbox("", domain).folded().domain
        return tuple(_account(row) for row in self._store.rows(self._queries.account_list, wanted))

    def set(
        self, address: Mailbox, *, name: str | Unchanged = UNCHANGED, quota: int | Unchanged | None = UNCHANGED
    ) -> Account:
        """Give the account another full name or quota; raises NotFound or InvalidValue."""
        with self._store.change():
            account = self.show(address)
            new_name = account.name if name is UNCHANGED else name
            new_quota = account.quota if quota is UNCHANGED else quota
            _check_name(new_name)
            _check_quota(new_quota)
            self._store.rows(self._queries.account_set, account.id, new_name, new_quota)
        return self._at(account.id)

    def passwd(self, address: Mailbox, password: str | None, *, reversible: bool = False) -> Account:
        """Replace all credentials; `None` takes them away. Raises NotFound or InvalidValue.

        `reversible` keeps the password in readable form, for CRAM-MD5; without it any earlier readable form is deleted.
        """
        self.show(address)
        credentials = NO_CREDENTIALS if password is None else make_credentials(password, reversible=reversible)
        with self._store.change():
            account = self.show(address)
            self._store.rows(self._queries.account_set_credentials, account.id, *_columns(credentials))
        return self._at(account.id)

    def has_readable_secret(self) -> bool:
        """Whether any account was given the readable secret that CRAM-MD5 needs. Cached."""
        known = self._any_readable.get(None)
        if known is None:
            [(found,)] = self._store.rows(self._store.queries.account_any_readable_secret)
            known = self._store.remember(self._any_readable, None, bool(found))
        return known

    def store_rehash(self, account: Account, password_hash: str) -> None:
        """Keep a hash with today's parameters, unless the password was changed since `account` was read."""
        with self._store.change():
            self._store.rows(self._queries.account_rehash, account.id, account.password_hash, password_hash)

    def remove(self, address: Mailbox) -> None:
        """Forget the account and its documents; its mail stays, aliases to it lead nowhere. Raises NotFound."""
        with self._store.change():
            self._store.rows(self._queries.account_remove, self.show(address).id)

    def find(self, key: Mailbox) -> Account | None:
        """The account at a folded address, or `None`."""
        row = self._store.row(self._queries.account_by_key, key.domain, key.local_part)
        return None if row is None else _account(row)

    def by_id(self, number: int) -> Account | None:
        """The account with this id, cached, or `None`."""
        try:
            return self._by_id[number]
        except KeyError:
            row = self._store.row(self._queries.account_by_id, number)
            return self._store.remember(self._by_id, number, None if row is None else _account(row))

    def _at(self, number: int) -> Account:
        account = self.by_id(number)
        if account is None:
            raise NotFound("the account was removed at the same moment; see: genkan account list")
        return account

    def _require_free(self, key: Mailbox) -> None:
        taken = self._store.row(self._queries.address, key.domain, key.local_part)
        if taken is None:
            return
        match taken[0]:
            case "account":
                raise AlreadyExists(f"account {key} is already there; change it with: genkan account set {key}")
            case "alias":
                raise AlreadyExists(f"{key} is an alias; remove it first: genkan alias remove {key}")
            case _:
                raise AlreadyExists(f"{key} is a mailing list; remove it first: genkan list remove {key}")


def _checked_address(address: Mailbox) -> Mailbox:
    try:
        written = parse_mailbox(str(address))
    except AddressError as error:
        raise InvalidValue(f"{str(address)!r} cannot be an account: {error}; write it as in ann@in.test") from None
    local_part = written.local_part
    # A folder is named after it; control characters were refused by the grammar already. The asterisk is the aliases'.
    if not local_part or local_part.startswith(".") or "/" in local_part or "*" in local_part:
        raise InvalidValue(f"{address} cannot be an account: choose a local-part without a leading dot, '/' and '*'")
    return written.folded()


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME or any(category(character) in NO_TEXT for character in name):
        raise InvalidValue(f"the full name is not usable: give at most {MAX_NAME} characters on one line")


def _check_quota(quota: int | None) -> None:
    if quota is not None and not 0 < quota <= MAX_QUOTA:
        raise InvalidValue("the quota is out of range: give a positive number of octets, or none for no limit")


def _columns(credentials: Credentials) -> tuple[object, ...]:
    scram = credentials.scram
    keys = (None,) * 4 if scram is None else (scram.salt, scram.iterations, scram.stored_key, scram.server_key)
    return (credentials.password_hash, *keys, credentials.cram_secret)


def _account(row: tuple[Any, ...]) -> Account:
    number, local_part, domain, name, quota, password_hash, salt, iterations, stored_key, server_key, cram_secret = row
    scram = None if salt is None else ScramKeys(salt, iterations, stored_key, server_key)
    return Account(number, Mailbox(local_part, domain), name, quota, password_hash, scram, cram_secret)
