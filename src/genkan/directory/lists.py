# SPDX-License-Identifier: Apache-2.0
"""Mailing lists: one local address that stands for many (RFC 5321, 3.9.2; RFC 5598, 5.3), and who is behind it.

A member may be any address: an account, an alias, another list, somebody elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, assert_never

from genkan.directory.aliases import check_address
from genkan.directory.errors import AlreadyExists, InvalidValue, NotFound
from genkan.directory.resolution import Elsewhere, External, Local, MailingList, Unknown
from genkan.smtp.address import Mailbox, fold_domain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genkan.directory.domains import Domains
    from genkan.directory.resolution import Resolution
    from genkan.directory.store import Store

MAX_MEMBERS: Final = 10_000  # of one list, and of all the lists in it together


class ListTooLarge(InvalidValue):
    """A list and the lists in it lead to more than 10,000 mailboxes; raised by `expand`, told to clients as temporary."""


class Lists:
    """The tables of lists and their members; no list shares its address with an account or an alias."""

    def __init__(self, store: Store, domains: Domains, resolve: Callable[[Mailbox], Resolution]) -> None:
        """`resolve` is the directory's: it says what a member is."""
        self._store = store
        self._queries = store.queries
        self._domains = domains
        self._resolve = resolve
        self._by_id: dict[int, MailingList | None] = store.cache()
        self._expanded: dict[int, tuple[Mailbox, ...]] = store.cache()

    def add(self, address: Mailbox, *, require_auth: bool = False) -> MailingList:
        """A new list without members; raises InvalidValue, AlreadyExists, NotFound when its domain is not local."""
        _check_plain(address, "mailing list")
        key = address.folded()
        with self._store.change():
            self._domains.require(key.domain)
            self._require_free(key)
            values = (key.domain, key.local_part, address.local_part, int(require_auth))
            [(number,)] = self._store.rows(self._queries.list_add, *values)
        return MailingList(number, Mailbox(address.local_part, key.domain), require_auth)

    def remove(self, address: Mailbox) -> None:
        """Forget the list and its members; aliases to it lead nowhere. Raises NotFound."""
        with self._store.change():
            self._store.rows(self._queries.list_remove, self.show(address).id)

    def show(self, address: Mailbox) -> MailingList:
        """The list of exactly this address; raises NotFound."""
        key = address.folded()
        row = self._store.row(self._queries.list_by_key, key.domain, key.local_part)
        if row is None:
            raise NotFound(f"mailing list {address} is not there; see: genkan list list")
        return _list(row)

    def list(self, domain: str | None = None) -> tuple[MailingList, ...]:
        """All lists, or those of one domain, ordered by address."""
        wanted = None if domain is None else fold_domain(domain)
        return tuple(map(_list, self._store.rows(self._queries.list_list, wanted)))

    def by_id(self, number: int) -> MailingList | None:
        """The list with this id, cached, or `None`."""
        try:
            return self._by_id[number]
        except KeyError:
            row = self._store.row(self._queries.list_by_id, number)
            return self._store.remember(self._by_id, number, None if row is None else _list(row))

    def members(self, mailing_list: MailingList) -> tuple[Mailbox, ...]:
        """The members as they were added, ordered by domain and local-part."""
        return tuple(Mailbox(*row) for row in self._store.rows(self._queries.list_members, mailing_list.id))

    def add_member(self, address: Mailbox, member: Mailbox) -> None:
        """Put an address on a list; raises NotFound, AlreadyExists, InvalidValue, ListTooLarge."""
        _check_plain(member, "member")
        key = member.folded()
        with self._store.change():
            found = self.show(address)
            if key == found.address.folded():
                raise InvalidValue(f"{member} is the list itself; name another address as the member")
            values = (found.id, key.domain, key.local_part, member.local_part, member.domain)
            if not self._store.rows(self._queries.list_member_add, *values):
                raise AlreadyExists(f"{member} is on {found.address} already; see: genkan list show {found.address}")
            self._check_size(found, member)

    def remove_member(self, address: Mailbox, member: Mailbox) -> None:
        """Take an address off a list; raises NotFound."""
        key = member.folded()
        with self._store.change():
            found = self.show(address)
            if not self._store.rows(self._queries.list_member_remove, found.id, key.domain, key.local_part):
                raise NotFound(f"{member} is not on {found.address}; see: genkan list show {found.address}")

    def expand(self, mailing_list: MailingList) -> tuple[Mailbox, ...]:
        """The mailboxes where mail for the list ends, no two alike: of accounts here, or elsewhere. Cached.

        Lists in it are expanded too, each once, so that a loop does no harm; a local address that nobody has is left
        out. Raises ListTooLarge.
        """
        try:
            return self._expanded[mailing_list.id]
        except KeyError:
            return self._store.remember(self._expanded, mailing_list.id, self._expand(mailing_list))

    def _expand(self, mailing_list: MailingList) -> tuple[Mailbox, ...]:
        found: dict[Mailbox, Mailbox] = {}
        for mailbox in self._ends(mailing_list):
            found.setdefault(mailbox.folded(), mailbox)
            if len(found) > MAX_MEMBERS:
                raise ListTooLarge(
                    f"mailing list {mailing_list.address} leads to more than {MAX_MEMBERS} mailboxes; take members off "
                    "it, or off the lists in it, with: genkan list member remove LIST ADDRESS"
                )
        return tuple(found.values())

    def _ends(self, mailing_list: MailingList) -> Iterator[Mailbox]:
        waiting, seen = [mailing_list], {mailing_list.id}
        while waiting:
            for member in self.members(waiting.pop()):
                match self._resolve(member):
                    case Local(account):
                        yield account.address
                    case Elsewhere(mailbox):
                        yield mailbox
                    case External():
                        yield member
                    case MailingList() as inner:
                        if inner.id not in seen:
                            seen.add(inner.id)
                            waiting.append(inner)
                    case Unknown():
                        pass
                    case never:
                        assert_never(never)

    def _check_size(self, mailing_list: MailingList, member: Mailbox) -> None:
        # What a plain member does to the lists around this one is found out when those are expanded.
        if len(self.members(mailing_list)) > MAX_MEMBERS:
            raise ListTooLarge(
                f"mailing list {mailing_list.address} has {MAX_MEMBERS} members; put the rest on another"
            )
        if isinstance(self._resolve(member), MailingList):
            self._expand(mailing_list)

    def _require_free(self, key: Mailbox) -> None:
        taken = self._store.row(self._queries.address, key.domain, key.local_part)
        if taken is None:
            return
        match taken[0]:
            case "list":
                raise AlreadyExists(f"mailing list {key} is already there; see: genkan list show {key}")
            case "alias":
                raise AlreadyExists(f"{key} is an alias; remove it first: genkan alias remove {key}")
            case _:
                raise AlreadyExists(f"{key} is an account; choose another address for the list")


def _check_plain(address: Mailbox, role: str) -> None:
    check_address(address, role)
    if "*" in address.local_part:
        raise InvalidValue(f"{address} cannot be a {role}: name one address, without an asterisk")


def _list(row: tuple[Any, ...]) -> MailingList:
    number, local_part, domain, require_auth = row
    return MailingList(number, Mailbox(local_part, domain), bool(require_auth))
