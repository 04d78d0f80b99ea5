# SPDX-License-Identifier: Apache-2.0
"""Which addresses beside the mailing lists there are, and whose token is in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.directory.list_addresses import Tokens, numbered, parse_role, role_address, same_token, token_number
from genkan.directory.resolution import ListRole

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.directory.list_members import Member
    from genkan.directory.list_requests import Request
    from genkan.directory.lists import Lists
    from genkan.directory.resolution import MailingList, Role
    from genkan.directory.store import Store
    from genkan.smtp.address import Mailbox


class ListRoles:
    """Finds roles by address, members and requests by token, and makes the tokens."""

    def __init__(self, store: Store, lists: Lists, secret: Callable[[], bytes]) -> None:
        """`secret` is asked once, when the first token is to be made or checked."""
        self._store = store
        self._lists = lists
        self._secret = secret
        self._made: Tokens | None = None

    def find(self, mailbox: Mailbox) -> ListRole | None:
        """The role that an address of a local domain stands for.

        Bounces and confirmations are taken with a right token only, and requests to subscribe where a list wants them.
        """
        key = mailbox.folded()
        said = parse_role(key.local_part)
        mailing_list = None if said is None else self._list(said.name, key.domain)
        if said is None or mailing_list is None:
            return None
        role = ListRole(mailing_list, said.role, said.token)
        return role if self._is_there(role) else None

    def address(self, member: Member, role: Role) -> Mailbox | None:
        """The address of a role with the member's token in it; `None` when its list has been removed."""
        mailing_list = self._lists.by_id(member.list)
        return None if mailing_list is None else role_address(mailing_list, role, self.token(member, role))

    def token(self, member: Member, role: Role) -> str:
        """The token by which a member is known in one role."""
        return self._tokens.of_member(member, role)

    def request_token(self, request: Request) -> str:
        """The token that confirms a request."""
        return self._tokens.of_request(request)

    def member(self, token: str, role: Role) -> Member | None:
        """The member that a token of this role names, of whichever list."""
        number = token_number(token)
        member = None if number is None else self._lists.roll.by_id(number)
        return member if member is not None and same_token(token, self.token(member, role)) else None

    def request(self, token: str) -> Request | None:
        """The request that a token confirms, however old."""
        number = token_number(token)
        request = None if number is None else self._lists.requests.by_id(number)
        return request if request is not None and same_token(token, self.request_token(request)) else None

    @property
    def _tokens(self) -> Tokens:
        if self._made is None:
            self._made = Tokens(self._secret())
        return self._made

    def _list(self, name: str, domain: str) -> MailingList | None:
        row = self._store.row(self._store.queries.list_by_key, domain, name)
        if row is not None:
            return self._lists.by_id(row[0])
        number = numbered(name)
        found = None if number is None else self._lists.by_id(number)
        return found if found is not None and found.address.domain == domain else None

    def _is_there(self, role: ListRole) -> bool:
        mailing_list, token = role.mailing_list, role.token
        match role.role:
            case "owner":
                return bool(self._lists.owner_mailboxes(mailing_list))
            case "subscribe":
                return mailing_list.settings.subscription == "confirm"
            case "confirm":
                request = self.request(token)
                return request is not None and request.list == mailing_list.id
            case "bounces" | "unsubscribe" if token:
                member = self.member(token, role.role)
                return member is not None and member.list == mailing_list.id
            case _:
                return True
