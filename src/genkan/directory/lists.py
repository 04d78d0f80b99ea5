# SPDX-License-Identifier: Apache-2.0
"""Mailing lists: one local address that stands for many (RFC 5321, 3.9.2; RFC 5598, 5.3), who is behind it, who may write.

A member may be any address: an account, an alias, another list, somebody elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, assert_never

from genkan.directory.aliases import check_address
from genkan.directory.errors import AlreadyExists, InvalidValue, NotFound
from genkan.directory.list_members import ListMembers, Member
from genkan.directory.list_requests import ListRequests
from genkan.directory.resolution import Elsewhere, External, ListRole, ListSettings, Local, MailingList, Unknown
from genkan.smtp.address import Mailbox, fold_domain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from genkan.directory.domains import Domains
    from genkan.directory.resolution import Resolution
    from genkan.directory.store import Store

MAX_MEMBERS: Final = 10_000  # of one list, and of all the lists in it together
MAX_OWNERS: Final = 20
MAX_TITLE: Final = 100  # characters
MAX_TAG: Final = 40  # characters

_PLAIN: Final = ListSettings()


class ListTooLarge(InvalidValue):
    """A list and the lists in it lead to more than 10,000 mailboxes; raised by `expand`, told to clients as temporary."""


class Reached(NamedTuple):
    """A mailbox where mail for a list ends, and the membership by which it does: in the list, or in one that is in it."""

    mailbox: Mailbox
    member: Member


class Lists:
    """The tables of lists, their owners and members; no list shares its address with an account or an alias."""

    def __init__(self, store: Store, domains: Domains, resolve: Callable[[Mailbox], Resolution]) -> None:
        """`resolve` is the directory's: it says what a member is."""
        self._store = store
        self._queries = store.queries
        self._domains = domains
        self._resolve = resolve
        self.roll = ListMembers(store)
        self.requests = ListRequests(store)
        self._by_id: dict[int, MailingList | None] = store.cache()
        self._reached: dict[int, tuple[Reached, ...]] = store.cache()
        self._owners: dict[int, tuple[Mailbox, ...]] = store.cache()
        self._writers: dict[tuple[int, bool], frozenset[Mailbox]] = store.cache()

    def add(self, address: Mailbox, settings: ListSettings = _PLAIN) -> MailingList:
        """A new list without members; raises InvalidValue, AlreadyExists, NotFound when its domain is not local."""
        _check_plain(address, "mailing list")
        _check_settings(settings)
        key = address.folded()
        with self._store.change():
            self._domains.require(key.domain)
            self._require_free(key)
            values = (key.domain, key.local_part, address.local_part, *settings)
            [(number,)] = self._store.rows(self._queries.list_add, *values)
        return MailingList(number, Mailbox(address.local_part, key.domain), settings)

    def set(self, address: Mailbox, settings: ListSettings) -> MailingList:
        """Give a list other settings; raises NotFound, InvalidValue."""
        _check_settings(settings)
        with self._store.change():
            found = self.show(address)
            self._store.rows(self._queries.list_set, found.id, *settings)
        return MailingList(found.id, found.address, settings)

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

    def owners(self, mailing_list: MailingList) -> tuple[Mailbox, ...]:
        """Who answers for a list, as they were added, ordered by domain and local-part. Cached."""
        try:
            return self._owners[mailing_list.id]
        except KeyError:
            rows = self._store.rows(self._queries.list_owners, mailing_list.id)
            return self._store.remember(self._owners, mailing_list.id, tuple(Mailbox(*row) for row in rows))

    def add_owner(self, address: Mailbox, owner: Mailbox) -> None:
        """Make somebody answerable for a list; raises NotFound, AlreadyExists, InvalidValue."""
        _check_plain(owner, "owner")
        key = owner.folded()
        with self._store.change():
            found = self.show(address)
            if isinstance(self._resolve(owner), MailingList | ListRole):
                raise InvalidValue(f"{owner} is the address of a list; name the owners one by one")
            values = (found.id, key.domain, key.local_part, owner.local_part, owner.domain)
            if not self._store.rows(self._queries.list_owner_add, *values):
                raise AlreadyExists(f"{owner} owns {found.address} already; see: genkan list show {found.address}")
            if len(self.owners(found)) > MAX_OWNERS:
                raise InvalidValue(f"mailing list {found.address} has {MAX_OWNERS} owners; remove one first")

    def remove_owner(self, address: Mailbox, owner: Mailbox) -> None:
        """Somebody no longer answers for a list; raises NotFound."""
        key = owner.folded()
        with self._store.change():
            found = self.show(address)
            if not self._store.rows(self._queries.list_owner_remove, found.id, key.domain, key.local_part):
                raise NotFound(f"{owner} does not own {found.address}; see: genkan list show {found.address}")

    def members(self, mailing_list: MailingList) -> tuple[Member, ...]:
        """The members as they were added, ordered by domain and local-part."""
        return self.roll.of(mailing_list)

    def membership(self, mailing_list: MailingList, address: Mailbox) -> Member | None:
        """The member that `address` is: by itself, or because mail for both ends in the same mailbox."""
        found = self.roll.find(mailing_list, address)
        if found is None:
            end = self._end(address)
            found = next((member for member in self.members(mailing_list) if self._end(member.address) == end), None)
        return found

    def may_write(self, mailing_list: MailingList, *names: Mailbox | None) -> bool:
        """Whether one of the addresses that a sender goes by is a member's or an owner's, also through aliases."""
        writers = self._writers_of(mailing_list, members=True)
        return any(name is not None and self._is_one_of(writers, name) for name in names)

    def is_owner(self, mailing_list: MailingList, *names: Mailbox | None) -> bool:
        """Whether one of the addresses that a sender goes by is an owner's, also through aliases."""
        owners = self._writers_of(mailing_list, members=False)
        return any(name is not None and self._is_one_of(owners, name) for name in names)

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
        """The mailboxes of `reach`."""
        return tuple(reached.mailbox for reached in self.reach(mailing_list))

    def reach(self, mailing_list: MailingList) -> tuple[Reached, ...]:
        """The mailboxes where mail for the list ends, no two alike: of accounts here, or elsewhere. Cached.

        Lists in it are expanded too, each once, so that a loop does no harm; suspended members and a local address that
        nobody has are left out. Raises ListTooLarge.
        """
        try:
            return self._reached[mailing_list.id]
        except KeyError:
            return self._store.remember(self._reached, mailing_list.id, self._reach(mailing_list))

    def owner_mailboxes(self, mailing_list: MailingList) -> tuple[Mailbox, ...]:
        """The mailboxes where mail for the owners ends, no two alike."""
        ends = filter(None, map(self.mailbox, self.owners(mailing_list)))
        return tuple({end.folded(): end for end in ends}.values())

    def mailbox(self, address: Mailbox) -> Mailbox | None:
        """Where mail for one address goes: an account's own address, or one elsewhere; `None` for nobody and for a list."""
        match self._resolve(address):
            case Local(account):
                return account.address
            case Elsewhere(mailbox):
                return mailbox
            case External():
                return address
            case _:
                return None

    def _end(self, address: Mailbox) -> Mailbox:
        return (self.mailbox(address) or address).folded()

    def _is_one_of(self, writers: frozenset[Mailbox], name: Mailbox) -> bool:
        return name.folded() in writers or self._end(name) in writers

    def _writers_of(self, mailing_list: MailingList, *, members: bool) -> frozenset[Mailbox]:
        """Owners, and with `members` also those who get its mail or are suspended; all folded."""
        key = mailing_list.id, members
        try:
            return self._writers[key]
        except KeyError:
            names = list(self.owners(mailing_list))
            if members:
                names += [member.address for member in self.members(mailing_list)]
                names += self.expand(mailing_list)
            found = frozenset(one for name in names for one in (name.folded(), self._end(name)))
            return self._store.remember(self._writers, key, found)

    def _reach(self, mailing_list: MailingList) -> tuple[Reached, ...]:
        found: dict[Mailbox, Reached] = {}
        for reached in self._ends(mailing_list):
            found.setdefault(reached.mailbox.folded(), reached)
            if len(found) > MAX_MEMBERS:
                raise ListTooLarge(
                    f"mailing list {mailing_list.address} leads to more than {MAX_MEMBERS} mailboxes; take members off "
                    "it, or off the lists in it, with: genkan list member remove LIST ADDRESS"
                )
        return tuple(found.values())

    def _ends(self, mailing_list: MailingList) -> Iterator[Reached]:
        waiting, seen = [mailing_list], {mailing_list.id}
        while waiting:
            for member in self._active(waiting.pop()):
                match self._resolve(member.address):
                    case Local(account):
                        yield Reached(account.address, member)
                    case Elsewhere(mailbox):
                        yield Reached(mailbox, member)
                    case External():
                        yield Reached(member.address, member)
                    case MailingList() as inner:
                        if inner.id not in seen:
                            seen.add(inner.id)
                            waiting.append(inner)
                    case Unknown() | ListRole():
                        pass
                    case never:
                        assert_never(never)

    def _active(self, mailing_list: MailingList) -> Iterable[Member]:
        return (member for member in self.members(mailing_list) if not member.suspended)

    def _check_size(self, mailing_list: MailingList, member: Mailbox) -> None:
        # What a plain member does to the lists around this one is found out when those are expanded.
        if len(self.members(mailing_list)) > MAX_MEMBERS:
            raise ListTooLarge(
                f"mailing list {mailing_list.address} has {MAX_MEMBERS} members; put the rest on another"
            )
        if isinstance(self._resolve(member), MailingList):
            self._reach(mailing_list)

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


def _check_settings(settings: ListSettings) -> None:
    for what, text, most in (("title", settings.title, MAX_TITLE), ("subject tag", settings.subject_tag, MAX_TAG)):
        if len(text) > most or not text.isprintable() or text != text.strip():
            raise InvalidValue(f"{text!r} cannot be the {what}: write one line of at most {most} characters")
    if settings.bounce_limit < 1:
        raise InvalidValue(f"the bounce limit {settings.bounce_limit} would suspend everybody; choose 1 or more")


def _list(row: tuple[Any, ...]) -> MailingList:
    number, local_part, domain, posting, moderated, *others = row
    return MailingList(number, Mailbox(local_part, domain), ListSettings(posting, bool(moderated), *others))
