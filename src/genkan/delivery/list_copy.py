# SPDX-License-Identifier: Apache-2.0
"""A mailing list's mail for its members: one message, in which each recipient has a reverse-path of its own (VERP).

The list answers for it from here on: bounces come to the list, and the author hears of none (RFC 5321, 3.9.2; RFC 3461,
5.2.7.3). Asks the directory and makes values; whoever calls writes them to the spool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.delivery.outcome import Deferred, Expanded, Failed
from genkan.directory.list_addresses import list_id, role_address
from genkan.directory.lists import ListTooLarge
from genkan.message.envelope import Recipient
from genkan.message.header import HeaderFields
from genkan.message.list_fields import ListWords, has_passed, list_header, unsubscribe_fields
from genkan.message.trace import delivered_to_field
from genkan.spool.post import Post

if TYPE_CHECKING:
    from genkan.delivery.errand_context import ErrandContext
    from genkan.directory.directory import Directory
    from genkan.directory.list_members import Member
    from genkan.directory.resolution import MailingList
    from genkan.message.envelope import Envelope
    from genkan.smtp.address import Mailbox
    from genkan.spool.queue import Leased

PATH: Final = "/list/unsubscribe/"  # below the setting `lists.pages`, before a token

_LOOP: Final = "5.4.6"
_CANNOT_EXPAND: Final = "5.2.4"
_CANNOT_EXPAND_NOW: Final = "4.2.4"


def expand_list(
    leased: Leased, mailing_list: MailingList, header: bytes, context: ErrandContext
) -> Expanded | Failed | Deferred:
    """A list's mail as one message for all its members; what came with the null reverse-path goes to the owners.

    `header` is the whole header section, without the blank line behind it. A mail to the list itself with the null
    reverse-path is a bounce or an automatic answer, and nothing that members should read.
    """
    if has_passed(header, list_id(mailing_list)):
        return Failed(f"{mailing_list.address} has sent this mail before", status=_LOOP)
    if leased.envelope.reverse_path is None:
        return expand_to_owners(leased, mailing_list, header, context)
    try:
        reached = context.directory.lists.reach(mailing_list)
    except ListTooLarge as error:
        return Deferred(str(error), status=_CANNOT_EXPAND_NOW)
    if not reached:
        return Failed(f"mailing list {mailing_list.address} leads to nobody", status=_CANNOT_EXPAND)
    recipients = tuple(_recipient(one.mailbox, one.member, context) for one in reached)
    envelope = _envelope(leased, recipients, role_address(mailing_list, "bounces"), context)
    start = list_header(header, _words(mailing_list, context.directory))
    post = Post(envelope, start, leased.place[0], len(header))
    return Expanded((post,), f"{mailing_list.address} has {len(recipients)} recipients", "delivered")


def expand_to_owners(
    leased: Leased, mailing_list: MailingList, header: bytes, context: ErrandContext
) -> Expanded | Failed:
    """The mail as it is, for those who answer for the list; its bounces come to them, too, and end there.

    A Delivered-To field of the owners' address tells mail that has been here before (RFC 9228).
    """
    owner = role_address(mailing_list, "owner")
    passed = HeaderFields(header).texts("delivered-to")
    if str(owner).lower() in (text.lower() for text in passed):
        return Failed(f"{owner} has had this mail before", status=_LOOP)
    mailboxes = context.directory.lists.owner_mailboxes(mailing_list)
    if not mailboxes:
        return Failed(f"mailing list {mailing_list.address} has no owner", status=_CANNOT_EXPAND)
    recipients = tuple(Recipient(owner, mailbox, "NEVER") for mailbox in mailboxes)
    reverse_path = None if leased.envelope.reverse_path is None else owner
    envelope = _envelope(leased, recipients, reverse_path, context)
    post = Post(envelope, delivered_to_field(owner), leased.place[0])
    return Expanded((post,), f"{owner} has {len(recipients)} recipients")


def _recipient(mailbox: Mailbox, member: Member, context: ErrandContext) -> Recipient:
    roles = context.directory.list_roles
    bounces, unsubscribe = roles.address(member, "bounces"), roles.address(member, "unsubscribe")
    fields = b""
    if unsubscribe is not None:
        url = f"{context.list_url}{PATH}{roles.token(member, 'unsubscribe')}" if context.list_url else ""
        fields = unsubscribe_fields(unsubscribe, url)
    return Recipient(member.address, mailbox, "FAILURE", "", bounces, fields)


def _envelope(
    leased: Leased, recipients: tuple[Recipient, ...], reverse_path: Mailbox | None, context: ErrandContext
) -> Envelope:
    """The envelope of a message that takes the place of another; what DSNs of that one would say has ended here."""
    return leased.envelope._replace(
        message_id=context.next_id(),
        accepted_at=context.now,
        reverse_path=reverse_path,
        recipients=recipients,
        account="",
        protocol="list",
        ret="",
        envid="",
    )


def _words(mailing_list: MailingList, directory: Directory) -> ListWords:
    settings = mailing_list.settings
    return ListWords(
        identifier=list_id(mailing_list),
        post=mailing_list.address,
        title=settings.title,
        subject_tag=settings.subject_tag,
        owner=role_address(mailing_list, "owner") if directory.lists.owners(mailing_list) else None,
        subscribe=role_address(mailing_list, "subscribe") if settings.subscription == "confirm" else None,
    )
