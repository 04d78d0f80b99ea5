# SPDX-License-Identifier: Apache-2.0
"""Everything an operator can do with mailing lists; errors are those of the directory, whose texts say what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from genkan.directory import Elsewhere, External, ListRole, Local, MailingList, NotFound

if TYPE_CHECKING:
    from genkan.directory import Directory, ListSettings, Member
    from genkan.smtp.address import Mailbox


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """A member of a list, and where its mail ends: an account, a list, an address elsewhere; "" for nobody.

    `bounces` are the days on which mail to it bounced, `last_bounce` the last of them ("": none).
    """

    member: str
    end: str
    bounces: int
    last_bounce: str
    suspended: bool


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A mailing list with its settings, owners and members."""

    address: str
    posting: str
    moderated: bool
    title: str
    subject_tag: str
    subscription: str
    bounce_limit: int
    owners: tuple[str, ...]
    members: tuple[MemberEntry, ...]


class ListOperations:
    """One operator's hand on the mailing lists of an open directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._lists = directory.lists

    def add(self, address: Mailbox, settings: ListSettings, owners: tuple[Mailbox, ...] = ()) -> ListEntry:
        """Make a mailing list without members; an owner who cannot be one leaves it made, without that owner."""
        made = self._lists.add(address, settings)
        for owner in owners:
            self._lists.add_owner(made.address, owner)
        return self._entry(made)

    def settings(self, address: Mailbox) -> ListSettings:
        """The settings of a mailing list."""
        return self._lists.show(address).settings

    def set(self, address: Mailbox, settings: ListSettings) -> ListEntry:
        """Give a mailing list other settings."""
        return self._entry(self._lists.set(address, settings))

    def list(self, domain: str | None = None) -> tuple[ListEntry, ...]:
        """All mailing lists, or those of one domain, ordered by address."""
        return tuple(map(self._entry, self._lists.list(domain)))

    def show(self, address: Mailbox) -> ListEntry:
        """The mailing list of exactly this address."""
        return self._entry(self._lists.show(address))

    def remove(self, address: Mailbox) -> None:
        """Forget a mailing list, its owners and its members."""
        self._lists.remove(address)

    def add_owner(self, address: Mailbox, owner: Mailbox) -> None:
        """Make somebody answerable for a mailing list."""
        self._lists.add_owner(address, owner)

    def remove_owner(self, address: Mailbox, owner: Mailbox) -> None:
        """Somebody no longer answers for a mailing list."""
        self._lists.remove_owner(address, owner)

    def add_member(self, address: Mailbox, member: Mailbox) -> MemberEntry:
        """Put an address on a mailing list."""
        self._lists.add_member(address, member)
        return self._member_entry(self._member(address, member))

    def remove_member(self, address: Mailbox, member: Mailbox) -> None:
        """Take an address off a mailing list."""
        self._lists.remove_member(address, member)

    def resume_member(self, address: Mailbox, member: Mailbox) -> MemberEntry:
        """Send a suspended member mail again, and forget its bounces."""
        self._lists.roll.resume(self._member(address, member))
        return self._member_entry(self._member(address, member))

    def _member(self, address: Mailbox, member: Mailbox) -> Member:
        mailing_list = self._lists.show(address)
        found = self._lists.roll.find(mailing_list, member)
        if found is None:
            listed = mailing_list.address
            raise NotFound(f"{member} is not on {listed}; see: genkan list show {listed}")
        return found

    def _entry(self, mailing_list: MailingList) -> ListEntry:
        owners = tuple(map(str, self._lists.owners(mailing_list)))
        members = tuple(map(self._member_entry, self._lists.members(mailing_list)))
        return ListEntry(str(mailing_list.address), *mailing_list.settings, owners, members)

    def _member_entry(self, member: Member) -> MemberEntry:
        end = end_of(self._directory, member.address)
        last = "" if member.last_bounce is None else date.fromordinal(member.last_bounce).isoformat()
        return MemberEntry(str(member.address), end, member.bounces, last, member.suspended)


def end_of(directory: Directory, mailbox: Mailbox) -> str:
    """The address where mail for a mailbox ends, of an account, a list or elsewhere; "" for nobody."""
    match directory.resolve(mailbox):
        case Local(account):
            return str(account.address)
        case MailingList(address=address):
            return str(address)
        case Elsewhere(target):
            return str(target)
        case External() | ListRole():
            return str(mailbox)
        case _:
            return ""
