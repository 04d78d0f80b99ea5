# SPDX-License-Identifier: Apache-2.0
"""Automatic replies: whether a delivered mail is answered for its account, and the message that does so (RFC 3834).

Asks the directory, notes there who was answered, and makes a value; whoever calls writes it to the spool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.message.auto_reply import ReplyWords, auto_reply
from genkan.message.automatic import addressed_to, is_automatic
from genkan.message.envelope import Envelope, Recipient
from genkan.spool.post import Post

if TYPE_CHECKING:
    from genkan.delivery.errand_context import ErrandContext
    from genkan.directory.accounts import Account
    from genkan.directory.auto_replies import AutoReply
    from genkan.directory.directory import Directory
    from genkan.smtp.address import Mailbox
    from genkan.spool.queue import Leased

MOST_HEADER: Final = 64 * 1024  # octets of a header section that are looked at


def automatic_reply(
    leased: Leased, account: Account, reply: AutoReply, header: bytes, context: ErrandContext
) -> Post | None:
    """The account's answer to a mail that was delivered to it, `None` when it is not to be answered. Blocks: not for the loop.

    `header` is the header section, or its first octets. The answer goes to the reverse-path, with the null one (RFC 3834, 3.3
    and 4). That the sender is answered is noted first: a crash may lose an answer, and never makes two.
    """
    start = header[:MOST_HEADER]
    sender = leased.envelope.reverse_path
    # A recipient with a reverse-path of its own is a member of a list.
    if sender is None or leased.recipient.reverse_path is not None or not reply.answers(sender, context.now):
        return None
    if is_automatic(start, sender) is not None or not _names(start, leased, account, context.directory):
        return None
    if not context.directory.auto_replies.claim(account.id, sender, context.now):
        return None
    message_id = context.next_id()
    words = ReplyWords(
        account=account.address,
        name=account.name,
        subject=reply.subject,
        text=reply.text,
        identifier=f"{message_id}.reply@{context.hostname}",
        date=context.now,
    )
    return Post(_envelope(leased, sender, message_id, context), auto_reply(words, sender, start))


def _names(header: bytes, leased: Leased, account: Account, directory: Directory) -> bool:
    """Whether To or Cc name the account, by its address, the one that the mail was sent to, or an alias that leads to it."""
    if addressed_to(header, (account.address, leased.recipient.forward_path)):
        return True
    own = account.address.folded()
    aliases = directory.aliases.list()
    return addressed_to(header, tuple(alias.address for alias in aliases if alias.target.folded() == own))


def _envelope(leased: Leased, sender: Mailbox, message_id: str, context: ErrandContext) -> Envelope:
    return Envelope(
        message_id=message_id,
        accepted_at=context.now,
        reverse_path=None,
        recipients=(Recipient(sender, sender, "NEVER"),),
        client_address=leased.envelope.client_address,
        hello_domain=context.hostname,
        protocol="reply",
        smtputf8=not str(sender).isascii(),
    )
