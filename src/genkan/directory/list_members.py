# SPDX-License-Identifier: Apache-2.0
"""The members of mailing lists one by one: who they are, how often their mail bounced, who gets no more for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from datetime import date

    from genkan.directory.resolution import MailingList
    from genkan.directory.store import Store

FORGIVEN: Final = 14  # days without a bounce, after which counting begins anew


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the list with the id `list`; its own `id` is never used again.

    `bounces` are the days on which mail to it bounced, `last_bounce` the last of them (`date.toordinal`). A `suspended` one
    stays on the list and gets no mail.
    """

    id: int
    list: int
    address: Mailbox
    bounces: int = 0
    last_bounce: int | None = None
    suspended: bool = False


class ListMembers:
    """The table of members, by id and by address."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = store.queries

    def of(self, mailing_list: MailingList) -> tuple[Member, ...]:
        """The members of a list as they were added, ordered by domain and local-part."""
        return tuple(map(_member, self._store.rows(self._queries.list_members, mailing_list.id)))

    def by_id(self, number: int) -> Member | None:
        """The member with this id, of whichever list."""
        row = self._store.row(self._queries.list_member_by_id, number)
        return None if row is None else _member(row)

    def find(self, mailing_list: MailingList, address: Mailbox) -> Member | None:
        """The member of a list with this address, in any writing."""
        key = address.folded()
        row = self._store.row(self._queries.list_member_by_key, mailing_list.id, key.domain, key.local_part)
        return None if row is None else _member(row)

    def bounced(self, member: Member, day: date, limit: int) -> bool:
        """Mail to a member has bounced for good; whether that was once too often, so that it is suspended from now on.

        A day counts once, however much bounces on it, and after 14 days without a bounce counting begins anew.
        """
        today = day.toordinal()
        with self._store.transaction():
            found = self.by_id(member.id)
            if found is None or found.suspended or (found.last_bounce or 0) >= today:
                return False
            forgiven = found.last_bounce is not None and today - found.last_bounce > FORGIVEN
            bounces = 1 if forgiven else found.bounces + 1
            suspended = bounces >= limit
            self._store.rows(self._queries.list_member_set_bounces, member.id, bounces, today, int(suspended))
            if suspended:
                self._store.mark_changed()
        return suspended

    def resume(self, member: Member) -> None:
        """Send a member mail again, and forget its bounces."""
        with self._store.change():
            self._store.rows(self._queries.list_member_set_bounces, member.id, 0, None, 0)


def _member(row: tuple[Any, ...]) -> Member:
    number, mailing_list, local_part, domain, bounces, last_bounce, suspended = row
    return Member(number, mailing_list, Mailbox(local_part, domain), bounces, last_bounce, bool(suspended))
