# SPDX-License-Identifier: Apache-2.0
"""The mails that a mailing list itself writes, in English and Japanese: confirm this, that is done, somebody's mail bounces.

To be sent with the null reverse-path (RFC 3834, 3.3 and 5). Whatever a stranger wrote is made one line of visible characters.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.message.plain_mail import Head, whole_mail
from genkan.message.visible import visible
from genkan.smtp.address import MAX_MAILBOX

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.smtp.address import Mailbox

_MOST_SUBJECT: Final = 100  # characters of an address in a subject


class ListMail(NamedTuple):
    """Subject and text of a mail, before anybody is named on it."""

    subject: str
    text: str


class Heading(NamedTuple):
    """Between whom a mail goes; `identifier` is the inside of its Message-ID. An answer to it goes to `sender`."""

    sender: Mailbox
    recipient: Mailbox
    identifier: str
    date: datetime


def written(heading: Heading, mail: ListMail) -> bytes:
    """The whole mail."""
    sender, recipient, identifier, date = heading
    return whole_mail(Head("", sender, recipient, mail.subject, identifier, date, "auto-generated"), f"{mail.text}\n")


def confirm_subscription(post: Mailbox) -> ListMail:
    """Somebody, in the recipient's name, wants to get the list's mail."""
    return ListMail(
        f"Please confirm: subscribe to {post}",
        f"Somebody, probably you, asked for this address to be put on the mailing list {post}.\n\n"
        "If you want that, answer this mail within three days; what you write does not matter.\n"
        "If not, do nothing: you will hear no more of it.\n\n"
        f"このアドレスをメーリングリスト {post} に登録するよう依頼がありました。\n\n"
        "登録する場合は、3 日以内にこのメールへ返信してください(本文は何でもかまいません)。\n"
        "心当たりがない場合は、何もしないでください。",
    )


def confirm_leaving(post: Mailbox) -> ListMail:
    """Somebody, in the recipient's name, wants the list's mail to end."""
    return ListMail(
        f"Please confirm: unsubscribe from {post}",
        f"Somebody, probably you, asked for this address to be taken off the mailing list {post}.\n\n"
        "If you want that, answer this mail within three days; what you write does not matter.\n"
        "If not, do nothing: you stay on the list.\n\n"
        f"このアドレスをメーリングリスト {post} から削除するよう依頼がありました。\n\n"
        "削除する場合は、3 日以内にこのメールへ返信してください(本文は何でもかまいません)。\n"
        "心当たりがない場合は、何もしないでください。登録は続きます。",
    )


def subscribed(post: Mailbox, unsubscribe: Mailbox) -> ListMail:
    """The recipient is on the list now."""
    return ListMail(
        f"Welcome to {post}",
        f"This address is on the mailing list {post} now.\n\nTo leave it, send any mail to:\n{unsubscribe}\n\n"
        f"このアドレスはメーリングリスト {post} に登録されました。\n\n"
        f"退会するには、次のアドレスへメールを送ってください。\n{unsubscribe}",
    )


def unsubscribed(post: Mailbox) -> ListMail:
    """The recipient is off the list now."""
    return ListMail(
        f"You have left {post}",
        f"This address is no longer on the mailing list {post}. No more of its mail will come.\n\n"
        f"このアドレスはメーリングリスト {post} から削除されました。今後、配信はありません。",
    )


def suspended(post: Mailbox, member: Mailbox, limit: int, reason: str) -> ListMail:
    """Told to the owners: a member's mail has bounced too often; `reason` is what the last bounce said."""
    days = "day" if limit == 1 else "days"
    address = visible(str(member), MAX_MAILBOX)
    command = f"genkan list member resume {shlex.quote(str(post))} {shlex.quote(address)}"
    return ListMail(
        f"{visible(address, _MOST_SUBJECT)} gets no more mail of {post}",
        f"Mail to {address} has bounced on {limit} {days}; it stays on the mailing list {post}, suspended.\n"
        f"The last bounce said: {visible(reason) or '(nothing)'}\n\n"
        f"The operator lets it go on with:\n\n{command}\n\n"
        f"{address} 宛のメールが {limit} 日にわたって不達となったため、"
        f"メーリングリスト {post} からの配信を停止しました(登録は残っています)。",
    )
