# SPDX-License-Identifier: Apache-2.0
"""What mail for the addresses beside a mailing list does: bounces are counted, members leave and come, owners get the rest.

Blocks while the directory changes: call it in a thread, with a directory of that thread. What is done twice after a crash
does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from genkan.delivery.list_copy import expand_to_owners
from genkan.delivery.outcome import Delivered
from genkan.directory.errors import AlreadyExists, NotFound
from genkan.directory.list_addresses import role_address
from genkan.directory.list_requests import VALID
from genkan.directory.lists import ListTooLarge
from genkan.message import list_mail
from genkan.message.bounce import read_bounce
from genkan.message.envelope import Envelope, Recipient
from genkan.message.header import HeaderFields
from genkan.spool.post import Post

if TYPE_CHECKING:
    from genkan.delivery.errand_context import ErrandContext
    from genkan.delivery.outcome import Expanded, Failed
    from genkan.directory.list_members import Member
    from genkan.directory.list_requests import Purpose, Request
    from genkan.directory.lists import Lists
    from genkan.directory.resolution import ListRole, MailingList, Role
    from genkan.message.list_mail import ListMail
    from genkan.smtp.address import Mailbox
    from genkan.spool.queue import Leased

BODY: Final = 128 * 1024  # octets of a body that are looked at, for the report in a bounce

_BULK: Final = ("bulk", "junk", "list")
_DAEMON: Final = "mailer-daemon"  # as servers report that do not know the null reverse-path


def handle_role(
    leased: Leased, role: ListRole, header: bytes, body: bytes, context: ErrandContext
) -> Delivered | Expanded | Failed:
    """Do what the mail asks for; `header` is its header section, `body` the first octets behind that, at most `BODY`."""
    desk = _Desk(leased, role.mailing_list, header, context)
    match role.role:
        case "owner":
            return expand_to_owners(leased, role.mailing_list, header, context)
        case "bounces":
            return desk.bounced(role.token, body)
        case "subscribe":
            return desk.asked("subscribe")
        case "unsubscribe":
            return desk.leave(role.token) if role.token else desk.asked("unsubscribe")
        case "confirm":
            return desk.confirmed(role.token)
        case never:
            assert_never(never)


class _Desk:
    """Where one mail for a list's administration is dealt with."""

    def __init__(self, leased: Leased, mailing_list: MailingList, header: bytes, context: ErrandContext) -> None:
        self._leased = leased
        self._list = mailing_list
        self._header = header
        self._context = context
        self._roles = context.directory.list_roles
        self._lists: Lists = context.directory.lists

    def bounced(self, token: str, body: bytes) -> Delivered:
        """The member's mail has come back: only a report of a permanent failure counts, and only from a mail server."""
        path = self._leased.envelope.reverse_path
        if path is not None and path.local_part.lower() != _DAEMON:
            return Delivered(f"{self._list.address}: no report, since it is from {path}")
        member = self._roles.member(token, "bounces")
        bounce = read_bounce(self._header, body)
        if member is None or bounce is None or not bounce.permanent:
            return Delivered(f"{self._list.address}: no permanent failure")
        limit = self._list.settings.bounce_limit
        if not self._lists.roll.bounced(member, self._context.now.date(), limit):
            return Delivered(f"{self._list.address}: mail to {member.address} has bounced")
        told = list_mail.suspended(self._list.address, member.address, limit, bounce.reason)
        posts = tuple(self._post(owner, told, "owner") for owner in self._lists.owners(self._list))
        return Delivered(f"{self._list.address}: {member.address} is suspended", posts=self._sent(posts))

    def leave(self, token: str) -> Delivered:
        """The member's own address for this was written to: nothing more is asked."""
        member = self._roles.member(token, "unsubscribe")
        return Delivered(f"{self._list.address}: no such member") if member is None else self._removed(member)

    def asked(self, purpose: Purpose) -> Delivered:
        """Somebody wants to come or to leave: the reverse-path is asked whether that is so, unless a program wrote."""
        address = self._leased.envelope.reverse_path
        if address is None or self._is_automatic():
            return Delivered(f"{self._list.address}: an automatic mail")
        member = self._lists.membership(self._list, address)
        if (member is None) == (purpose == "unsubscribe"):
            return Delivered(f"{self._list.address}: {address} is {'not ' if member is None else ''}on it")
        wanted = address if member is None else member.address
        request = self._lists.requests.open(self._list, purpose, wanted, self._context.now)
        if request is None:
            return Delivered(f"{self._list.address}: {wanted} was asked already")
        asking = list_mail.confirm_subscription if purpose == "subscribe" else list_mail.confirm_leaving
        post = self._post(wanted, asking(self._list.address), "confirm", self._roles.request_token(request))
        return Delivered(f"{self._list.address}: {wanted} is asked to confirm", posts=self._sent((post,)))

    def confirmed(self, token: str) -> Delivered:
        """The answer to our question has come: not from a program that answers everything, and in time."""
        request = self._roles.request(token)
        if request is None or self._context.now - request.requested > VALID or self._is_automatic():
            return Delivered(f"{self._list.address}: no confirmation")
        self._lists.requests.close(request)
        if request.purpose == "subscribe":
            return self._added(request)
        member = self._lists.roll.find(self._list, request.address)
        return Delivered(f"{self._list.address}: not on it") if member is None else self._removed(member)

    def _added(self, request: Request) -> Delivered:
        try:
            self._lists.add_member(self._list.address, request.address)
        except (AlreadyExists, ListTooLarge) as error:
            return Delivered(f"{self._list.address}: {error}")
        welcome = list_mail.subscribed(self._list.address, role_address(self._list, "unsubscribe"))
        post = self._post(request.address, welcome, "owner")
        return Delivered(f"{self._list.address}: {request.address} is on it", posts=self._sent((post,)))

    def _removed(self, member: Member) -> Delivered:
        try:
            self._lists.remove_member(self._list.address, member.address)
        except NotFound:
            return Delivered(f"{self._list.address}: {member.address} is not on it")
        post = self._post(member.address, list_mail.unsubscribed(self._list.address), "owner")
        return Delivered(f"{self._list.address}: {member.address} is off it", posts=self._sent((post,)))

    def _is_automatic(self) -> bool:
        """Whether a program wrote, whose mail must not be answered (RFC 3834, 2)."""
        if self._leased.envelope.reverse_path is None:
            return True
        fields = HeaderFields(self._header)
        submitted = fields.text("auto-submitted").partition(";")[0].strip().lower()
        return submitted not in ("", "no") or fields.text("precedence").strip().lower() in _BULK

    def _post(self, address: Mailbox, mail: ListMail, role: Role, token: str = "") -> Post | None:
        """A mail of the list's own; `None` for whom no mail goes to any more."""
        context = self._context
        mailbox = self._lists.mailbox(address)
        if mailbox is None:
            return None
        message_id = context.next_id()
        sender = role_address(self._list, role, token)
        identifier = f"{message_id}.list@{context.hostname}"
        content = list_mail.written(list_mail.Heading(sender, address, identifier, context.now), mail)
        envelope = Envelope(
            message_id=message_id,
            accepted_at=context.now,
            reverse_path=None,
            recipients=(Recipient(address, mailbox, "NEVER"),),
            client_address=self._leased.envelope.client_address,
            hello_domain=context.hostname,
            protocol="list",
            smtputf8=not (str(sender) + str(address)).isascii(),
        )
        return Post(envelope, content)

    @staticmethod
    def _sent(posts: tuple[Post | None, ...]) -> tuple[Post, ...]:
        return tuple(post for post in posts if post is not None)
