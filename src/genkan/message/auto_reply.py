# SPDX-License-Identifier: Apache-2.0
"""The mail that an account answers by itself (RFC 3834, 3): to the reverse-path, and with the null one as its own.

What the mail that is answered says gets no further than its place: ids that are none are left out, its subject is one line.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.message.header import HeaderFields
from genkan.message.plain_mail import Head, head_fields, text_entity

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from genkan.smtp.address import Mailbox

MOST_HEADER: Final = 64 * 1024  # octets of the answered mail's header section that are looked at
MOST_REFERENCES: Final = 20

_MOST_LOOKED_AT: Final = 16 * 1024  # octets of one field
# RFC 5322, 3.6.4: msg-id, as mail programs write it, short enough for a line of its own.
_MESSAGE_ID: Final = re.compile(rb"<[!-;=?-~]{1,200}+>")
_REPLY_MARKS: Final = re.compile(r"(?:re[:\uff1a]\s*+)++", re.IGNORECASE)
_NO_SUBJECT: Final = "(no subject)"


class ReplyWords(NamedTuple):
    """What an account answers, and as whom. The subject "" is that of the answered mail, behind `Re: `.

    `identifier` is the inside of the Message-ID.
    """

    account: Mailbox
    name: str
    subject: str
    text: str
    identifier: str
    date: datetime


def auto_reply(words: ReplyWords, sender: Mailbox, header: bytes) -> bytes:
    """The whole content of the answer to `sender`, the reverse-path; `header` is the answered mail's header section."""
    fields = HeaderFields(header[:MOST_HEADER])
    subject = words.subject or f"Re: {_bare_subject(fields)}"
    head = Head(words.name, words.account, sender, subject, words.identifier, words.date, "auto-replied")
    return head_fields(head) + _thread_fields(fields) + text_entity(words.text)


def _bare_subject(fields: HeaderFields) -> str:
    """The subject without the marks of replies before it, which would grow with each answer."""
    subject = fields.text("subject").strip()
    marks = _REPLY_MARKS.match(subject)
    return (subject[marks.end() :] if marks else subject) or _NO_SUBJECT


def _thread_fields(fields: HeaderFields) -> bytes:
    """In-Reply-To and References (RFC 5322, 3.6.4; RFC 3834, 3.1.5); nothing when the mail has no Message-ID."""
    answered = _message_ids(fields.all("message-id")[:1])[:1]
    if not answered:
        return b""
    # References of a mail that has none are its In-Reply-To, if that names one mail.
    before = _message_ids(fields.all("references")[:1])
    if not before:
        before = _message_ids(fields.all("in-reply-to")[:1])
        before = before if len(before) == 1 else []
    chain = [*before[-(MOST_REFERENCES - 1) :], *answered]
    return b"In-Reply-To: " + answered[0] + b"\r\nReferences: " + b"\r\n ".join(chain) + b"\r\n"


def _message_ids(bodies: Iterable[bytes]) -> list[bytes]:
    found = (match[0] for body in bodies for match in _MESSAGE_ID.finditer(body[:_MOST_LOOKED_AT]))
    return [one for one in islice(found, 1000) if one.count(b"@") == 1]
