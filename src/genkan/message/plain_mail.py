# SPDX-License-Identifier: Apache-2.0
"""The octets of mail that the server itself writes: head and text, with what strangers wrote in them (RFC 5322; RFC 2047).

Not built with the `email` package: that decodes encoded words in whatever it is given, and a line end in one of them would
begin a header field.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from genkan.message.marking import encoded_text
from genkan.message.trace import format_date
from genkan.message.visible import visible

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.smtp.address import Mailbox

_MOST_NAME: Final = 90  # characters; with each of them escaped the phrase still has its closing quote
_is_phrase: Final = re.compile(r"[A-Za-z0-9'-]+(?: [A-Za-z0-9'-]+)*+", re.ASCII).fullmatch


class Head(NamedTuple):
    """Who writes to whom, about what, and when; `identifier` is the inside of the Message-ID. `name` may be "".

    A `subject` in octets, for programs to read, stands as it is and is folded already. `submitted` says whether the mail
    answers another or was occasioned by something else (RFC 3834, 5).
    """

    name: str
    sender: Mailbox
    recipient: Mailbox
    subject: str | bytes
    identifier: str
    date: datetime
    submitted: Literal["auto-generated", "auto-replied"]


def whole_mail(head: Head, text: str) -> bytes:
    """A mail that is nothing but a text."""
    return head_fields(head) + text_entity(text)


def head_fields(head: Head) -> bytes:
    """The fields of an automatic mail before those of its content, in UTF-8 only where an address needs it (RFC 6532)."""
    sender = one_line(str(head.sender))
    name = _phrase(visible(head.name, _MOST_NAME))
    fields = (
        b"Date: " + format_date(head.date).encode(),
        b"From: " + (encoded_text(name) + b" <" + sender + b">" if name else sender),
        b"To: " + one_line(str(head.recipient)),
        b"Message-ID: <" + one_line(head.identifier) + b">",
        b"Subject: " + _subject(head.subject),
        b"Auto-Submitted: " + head.submitted.encode(),
        b"MIME-Version: 1.0",
    )
    return b"\r\n".join(fields) + b"\r\n"


def text_entity(text: str) -> bytes:
    """The Content fields of a text, a blank line, and the text: of seven bits and short lines, so that any server takes it."""
    octets = re.sub(r"\r\n?|\n", "\r\n", text).encode("utf-8", "replace")
    fields = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return fields + binascii.b2a_qp(octets, istext=True)


def one_line(text: str) -> bytes:
    """Text in which each character counts, such as an address, without those that would end its line."""
    return "".join(c if c.isprintable() else "?" for c in text).encode()


def _subject(subject: str | bytes) -> bytes:
    return subject if isinstance(subject, bytes) else encoded_text(_no_words(visible(subject)))


def _no_words(text: str) -> str:
    """Text in which nothing looks like an encoded word, so that what was decoded once is not decoded again."""
    return text.replace("=?", "= ?")


def _phrase(name: str) -> str:
    """A name as RFC 5322, 3.2.5 has it; one beyond ASCII becomes encoded words, which need no quotes."""
    if not name.isascii() or not name or _is_phrase(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
