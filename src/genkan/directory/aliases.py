# SPDX-License-Identifier: Apache-2.0
"""Aliases: one address stands for another (RFC 5321, 3.9.1; RFC 5598, 5.1), and the way an address takes through them.

An alias is an address, `prefix*@domain` or `*@domain` (all that is not there otherwise); it has one target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from genkan.directory.errors import AlreadyExists, InvalidValue, NotFound
from genkan.smtp.address import AddressError, Mailbox, fold_domain, parse_mailbox

if TYPE_CHECKING:
    from genkan.directory.domains import Domains
    from genkan.directory.store import Store

MAX_STEPS: Final = 10  # aliases between an address and its destination


class AliasLoop(InvalidValue):
    """The aliases from an address lead back to it, or there are more than 10 of them."""


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias as stored: `address` with its asterisk if it is a pattern, in lower-case A-labels; `target` as given."""

    address: Mailbox
    target: Mailbox


class AccountEnd(NamedTuple):
    """The id of the account where mail ends."""

    id: int


class ListEnd(NamedTuple):
    """The id of the mailing list where mail ends."""

    id: int


End: TypeAlias = AccountEnd | ListEnd | Mailbox | None


class Aliases:
    """The table of aliases, and how an address is followed through it."""

    def __init__(self, store: Store, domains: Domains, subaddress_delimiter: str) -> None:
        self._store = store
        self._queries = store.queries
        self._domains = domains
        self._delimiter = subaddress_delimiter.casefold()

    def add(self, address: Mailbox, target: Mailbox) -> Alias:
        """A new alias; raises InvalidValue (also for a loop), AlreadyExists, NotFound when its domain is not local."""
        domain, prefix, local_key = _checked_key(address)
        _check_target(target)
        with self._store.change():
            self._domains.require(domain)
            self._require_free(address, domain, prefix, local_key)
            values = (domain, prefix, local_key, address.local_part, target.local_part, target.domain)
            self._store.rows(self._queries.alias_add, *values)
            self._store.drop_caches()
            self._follow(target, MAX_STEPS - 1)
        return Alias(Mailbox(address.local_part, domain), target)

    def remove(self, address: Mailbox, target: Mailbox | None = None) -> None:
        """Forget the alias; raises NotFound when it is not there, or leads elsewhere than to the `target` given."""
        key = _key(address)
        with self._store.change():
            row = self._store.row(self._queries.alias, *key)
            if row is None:
                raise NotFound(f"alias {address} is not there; see: genkan alias list")
            alias = _alias(row)
            if target is not None and target.folded() != alias.target.folded():
                raise NotFound(f"alias {address} leads to {alias.target}, not to {target}; see: genkan alias list")
            self._store.rows(self._queries.alias_remove, *key)

    def list(self, domain: str | None = None) -> tuple[Alias, ...]:
        """All aliases, or those of one domain, ordered by address, patterns behind the others of their domain."""
        wanted = None if domain is None else fold_domain(domain)
        return tuple(_alias(row) for row in self._store.rows(self._queries.alias_list, wanted))

    def follow(self, mailbox: Mailbox) -> End:
        """Where mail for `mailbox` ends: an account, a mailing list, an address not local, or `None` for nobody.

        In a local domain: the account, the alias, the list, what stands before the subaddress delimiter (RFC 5233, 4), the
        longest `prefix*`, and so on from its target. Raises AliasLoop after 10 aliases.
        """
        return self._follow(mailbox, MAX_STEPS)

    def is_taken(self, mailbox: Mailbox) -> bool:
        """Whether an account, an alias or a list has this address, with or without a subaddress; no pattern counts."""
        return self._taken(mailbox.folded()) is not None

    def _follow(self, mailbox: Mailbox, steps: int) -> End:
        for _ in range(steps + 1):
            key = mailbox.folded()
            prefix_lengths = self._domains.prefix_lengths(key.domain)
            if prefix_lengths is None:
                return mailbox
            found = self._step(key, prefix_lengths)
            if not isinstance(found, Mailbox):
                return found
            mailbox = found
        raise AliasLoop(
            f"the aliases lead back to themselves or are more than {MAX_STEPS}, at {mailbox}; "
            "choose an account that is there or an address elsewhere as the target"
        )

    def _step(self, key: Mailbox, prefix_lengths: tuple[int, ...]) -> End:
        found = self._taken(key)
        return found if found is not None else self._by_prefix(key, prefix_lengths)

    def _taken(self, key: Mailbox) -> End:
        found = self._exactly(key)
        if found is None and self._delimiter:
            base, delimiter, _ = key.local_part.partition(self._delimiter)
            if base and delimiter:
                found = self._exactly(Mailbox(base, key.domain))
        return found

    def _exactly(self, key: Mailbox) -> End:
        row = self._store.row(self._queries.address, key.domain, key.local_part)
        if row is None:
            return None
        kind, number, target_local_part, target_domain = row
        match kind:
            case "account":
                return AccountEnd(number)
            case "alias":
                return Mailbox(target_local_part, target_domain)
            case _:
                return ListEnd(number)

    def _by_prefix(self, key: Mailbox, prefix_lengths: tuple[int, ...]) -> Mailbox | None:
        for length in prefix_lengths:
            if length <= len(key.local_part):
                row = self._store.row(self._queries.alias, key.domain, 1, key.local_part[:length])
                if row is not None:
                    return _alias(row).target
        return None

    def _require_free(self, address: Mailbox, domain: str, prefix: int, local_key: str) -> None:
        if self._store.row(self._queries.alias, domain, prefix, local_key) is not None:
            raise AlreadyExists(f"alias {address} is already there; remove it first: genkan alias remove {address}")
        if prefix:
            return
        if self._store.row(self._queries.account_by_key, domain, local_key) is not None:
            raise AlreadyExists(f"{address} is an account; choose another address, or remove the account first")
        if self._store.row(self._queries.list_by_key, domain, local_key) is not None:
            raise AlreadyExists(f"{address} is a mailing list; choose another address, or remove the list first")


def _key(address: Mailbox) -> tuple[str, int, str]:
    """Domain, 1 for a `prefix*` pattern, and the folded local-part without the asterisk."""
    folded = address.folded()
    if folded.local_part.endswith("*"):
        return folded.domain, 1, folded.local_part[:-1]
    return folded.domain, 0, folded.local_part


def _checked_key(address: Mailbox) -> tuple[str, int, str]:
    check_address(address, "alias")
    domain, prefix, local_key = _key(address)
    if "*" in local_key:
        raise InvalidValue(
            f"{address} cannot be an alias: an asterisk may only end the local-part, as in sales*@in.test"
        )
    return domain, prefix, local_key


def _check_target(target: Mailbox) -> None:
    check_address(target, "target")
    if "*" in target.local_part:
        raise InvalidValue(f"{target} cannot be a target: name one address, without an asterisk")


def check_address(address: Mailbox, role: str) -> None:
    """Raise InvalidValue unless `address` is a whole one; `role` says in the error what it was to be."""
    try:
        parse_mailbox(str(address))
    except AddressError as error:
        raise InvalidValue(f"{str(address)!r} cannot be the {role}: {error}; write it as in sales@in.test") from None


def _alias(row: tuple[str, str, str, str]) -> Alias:
    local_part, domain, target_local_part, target_domain = row
    return Alias(Mailbox(local_part, domain), Mailbox(target_local_part, target_domain))
