# SPDX-License-Identifier: Apache-2.0
"""The domains we receive mail for, as lower-case A-labels (RFC 5890, 2.3.2.1); the oldest is the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.directory.errors import AlreadyExists, InvalidValue, NotFound
from genkan.smtp.address import AddressError, fold_domain, parse_mailbox

if TYPE_CHECKING:
    from genkan.directory.store import Store

_DEFAULT: Final = "default"


class Domains:
    """The table of local domains, and the cached answers about it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = store.queries
        self._prefix_lengths: dict[str, tuple[int, ...] | None] = store.cache()
        self._default: dict[str, str | None] = store.cache()

    def add(self, name: str) -> str:
        """Make `name` local and return its A-labels; raises InvalidValue or AlreadyExists."""
        domain = _checked(name)
        with self._store.change():
            if self._store.row(self._queries.domain, domain):
                raise AlreadyExists(f"domain {domain} is already there; see: genkan domain list")
            self._store.rows(self._queries.domain_add, domain)
        return domain

    def remove(self, name: str) -> None:
        """Make `name` no longer local; raises NotFound, or InvalidValue while it has accounts, aliases or lists."""
        domain = fold_domain(name)
        with self._store.change():
            self.require(domain)
            [(accounts, aliases, lists)] = self._store.rows(self._queries.domain_counts, domain)
            if accounts or aliases or lists:
                raise InvalidValue(
                    f"domain {domain} still has {accounts} accounts, {aliases} aliases and {lists} lists; remove them "
                    "first: genkan account remove ADDRESS, genkan alias remove ALIAS, genkan list remove LIST"
                )
            self._store.rows(self._queries.domain_remove, domain)

    def list(self) -> tuple[str, ...]:
        """All local domains in the order they were added."""
        return tuple(name for (name,) in self._store.rows(self._queries.domain_list))

    def default(self) -> str | None:
        """The domain of a login or postmaster without one: the oldest still there; `None` when there is no domain."""
        if _DEFAULT in self._default:
            return self._default[_DEFAULT]
        row = self._store.row(self._queries.domain_default)
        return self._store.remember(self._default, _DEFAULT, row[0] if row else None)

    def require(self, domain: str) -> None:
        """Raise NotFound unless `domain`, given in lower-case A-labels, is local."""
        if not self._store.row(self._queries.domain, domain):
            raise NotFound(f"domain {domain} is not a local one; add it with: genkan domain add {domain}")

    def is_local(self, domain: str) -> bool:
        """Whether mail for `domain`, in any writing, is for this installation."""
        return self.prefix_lengths(domain) is not None

    def prefix_lengths(self, domain: str) -> tuple[int, ...] | None:
        """The lengths in characters of the `prefix*` aliases of `domain`, longest first; `None` if it is not local."""
        try:
            return self._prefix_lengths[domain]
        except KeyError:
            return self._store.remember(self._prefix_lengths, domain, self._read_prefix_lengths(fold_domain(domain)))

    def _read_prefix_lengths(self, domain: str) -> tuple[int, ...] | None:
        if not self._store.row(self._queries.domain, domain):
            return None
        return tuple(length for (length,) in self._store.rows(self._queries.alias_prefix_lengths, domain))


def _checked(name: str) -> str:
    try:
        mailbox = parse_mailbox(f"postmaster@{name}")
    except AddressError as error:
        raise InvalidValue(f"{name!r} is not a domain: {error}; write it as in in.test") from None
    if mailbox.domain.startswith("["):
        raise InvalidValue(f"{name} is an address literal; a domain name is needed, such as in.test")
    return mailbox.folded().domain
