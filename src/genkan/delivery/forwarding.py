# SPDX-License-Identifier: Apache-2.0
"""Forwarding: an account's mail as one message for the addresses that it goes on to (RFC 5321, 3.9; RFC 5598, 5.1).

A foreign reverse-path is rewritten for mail that leaves, since our address is not in the SPF record of its domain. Asks the
directory and makes values; whoever calls writes them to the spool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.delivery.outcome import Expanded, Failed
from genkan.directory.resolution import Elsewhere, External, Local, MailingList
from genkan.message.envelope import Recipient
from genkan.message.header import HeaderFields
from genkan.message.trace import delivered_to_field
from genkan.spool.post import Post

if TYPE_CHECKING:
    from genkan.delivery.errand_context import ErrandContext
    from genkan.directory.accounts import Account
    from genkan.directory.directory import Directory
    from genkan.directory.forwards import Forward
    from genkan.smtp.address import Mailbox
    from genkan.spool.queue import Leased

MOST_HEADER: Final = 64 * 1024  # octets that are looked at; the fields that we wrote are the first ones

_LOOP: Final = "5.4.6"


def forward(
    leased: Leased, account: Account, wanted: Forward, header: bytes, context: ErrandContext
) -> Expanded | Failed | None:
    """The message that goes on, `None` when mail of this sender is not forwarded but kept, as without a forward.

    With `wanted.keep` the mail is to be delivered to the account as well, and the posts belong to that delivery's outcome.
    `header` is the header section, or its first octets. Where the account has had this mail before, or too many servers, it
    has failed (RFC 5321, 6.3).
    """
    reverse_path = _reverse_path(leased)
    if not wanted.permits(reverse_path):
        return None
    fields = HeaderFields(header[:MOST_HEADER])
    if _has_passed(fields, account.address):
        return Failed(f"a loop of forwards: {account.address} has had this mail before", status=_LOOP)
    if len(fields.all("received")) > context.hops:
        return Failed(f"more than {context.hops} servers have passed this mail on", status=_LOOP)
    recipients, leaves = _recipients(leased, wanted, context.directory)
    if leaves and reverse_path is not None and not context.directory.is_local_domain(reverse_path.domain):
        reverse_path = _rewritten(reverse_path, account, context.directory)
    envelope = leased.envelope._replace(
        message_id=context.next_id(),
        accepted_at=context.now,
        reverse_path=reverse_path,
        recipients=recipients,
        account="",
        protocol="forward",
        smtputf8=leased.envelope.smtputf8 or not _all_ascii(recipients),
    )
    content = delivered_to_field(account.address) + leased.recipient.fields
    post = Post(envelope, content, leased.place[0])
    return Expanded((post,), f"{account.address} forwards to {', '.join(map(str, wanted.addresses))}")


def _reverse_path(leased: Leased) -> Mailbox | None:
    own = leased.recipient.reverse_path
    return leased.envelope.reverse_path if own is None else own


def _has_passed(fields: HeaderFields, address: Mailbox) -> bool:
    """Whether the account wrote a Delivered-To field here before (RFC 9228)."""
    own = delivered_to_field(address).partition(b":")[2].strip().lower()
    return any(body.lower() == own for body in fields.all("delivered-to"))


def _recipients(leased: Leased, wanted: Forward, directory: Directory) -> tuple[tuple[Recipient, ...], bool]:
    """One for each mailbox that the addresses lead to now, and whether any of those is not here.

    What the sender wants to be told goes on to them (RFC 3461, 5.2.7.1).
    """
    notify, original = leased.recipient.notify, leased.recipient.original
    if wanted.keep:
        notify = _without_success(notify)
    recipients: dict[Mailbox, Recipient] = {}
    leaves = False
    for address in wanted.addresses:
        match directory.resolve(address):
            case Local(account):
                mailbox = account.address
            case MailingList() as mailing_list:
                mailbox = mailing_list.address
            case Elsewhere(mailbox):
                leaves = True
            case External():
                mailbox, leaves = address, True
            case _:
                mailbox = address  # nobody's any more, or a list's own: the next attempt says so
        recipients.setdefault(mailbox.folded(), Recipient(address, mailbox, notify, original))
    return tuple(recipients.values()), leaves


def _without_success(notify: str) -> str:
    """NOTIFY for copies of what is delivered here: the sender who wants to know of success is told of that, once."""
    words = [word for word in notify.split(",") if word != "SUCCESS"]
    return ",".join(words) or "NEVER" if notify else ""


def _rewritten(reverse_path: Mailbox, account: Account, directory: Directory) -> Mailbox:
    """The reverse-path in the account's domain; one that would be too long becomes the account, who then gets the bounces."""
    return directory.rewritten_paths.rewrite(reverse_path, account.address.domain) or account.address


def _all_ascii(recipients: tuple[Recipient, ...]) -> bool:
    return all(str(recipient.mailbox).isascii() for recipient in recipients)
