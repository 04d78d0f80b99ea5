# SPDX-License-Identifier: Apache-2.0
"""The trace fields a receiver writes: Received, Return-Path and Delivered-To (RFC 5321, 4.4; RFC 9228).

Pure: the time comes from outside. Whatever a client or the DNS said is made safe here, so that nobody writes header
fields of his own through a greeting, and no line is longer than RFC 5322, 2.1.1 allows.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.smtp.address import AddressError, parse_mailbox

if TYPE_CHECKING:
    from genkan.smtp.address import Mailbox

_LINE_AIM: Final = 78  # characters without CRLF; RFC 5322, 2.1.1
_MAX_COMMENT: Final = 255  # characters of one foreign text, before escaping
_ID_PLACE: Final = "\0" * 11  # as wide as a message id; safe text never holds NUL
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UTC: Final = timedelta(0)

_replace_unprintable: Final = re.compile(r"[^ -~]").sub
_replace_controls: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").sub
_escape_specials: Final = re.compile(r"[()\\]").sub


class Hop(NamedTuple):
    """Between whom mail passes: all of a Received field that stays the same for the mail of one session.

    `hello_domain` is as the client said it ("" when it said none), `client_domain` its reverse DNS name once verified,
    else "". `client_address` is an IP address without brackets, `protocol` a word from `protocol_name`.
    """

    hello_domain: str
    client_domain: str
    client_address: str
    hostname: str
    banner: str
    protocol: str


def protocol_name(*, extended: bool, tls: bool, authenticated: bool, smtputf8: bool) -> str:
    """The word behind `with`: SMTP after HELO, else ESMTP or UTF8SMTP with S and A (RFC 3848, 1; RFC 6531, 4.3).

    `smtputf8` is whether this transaction asked for it, not whether it was offered.
    """
    if not extended:
        return "SMTP"
    return ("UTF8SMTP" if smtputf8 else "ESMTP") + ("S" if tls else "") + ("A" if authenticated else "")


def received_field(
    hop: Hop, message_id: str, forward_path: Mailbox | None, accepted_at: datetime, zone: timedelta = _UTC
) -> bytes:
    """One Received field with its CRLF, for the top of the content (RFC 5321, 4.4).

    Give `forward_path` only when it is the sole recipient, or one learns of the others; it is left out as well when it
    needs UTF-8 and `hop.protocol` does not say so. `accepted_at` is aware, `zone` the offset from UTC it is written in.
    """
    before, behind = _frame(hop)
    date = _date(accepted_at.replace(microsecond=0), zone)
    if forward_path is None:
        return f"{before}{message_id}{behind};\r\n {date}\r\n".encode()
    path = _path(forward_path)
    if not path.isascii() and not hop.protocol.startswith("UTF8"):
        return received_field(hop, message_id, None, accepted_at, zone)
    gap = " " if len(path) + len(date) + 9 <= _LINE_AIM else "\r\n "
    return f"{before}{message_id}{behind}\r\n for <{path}>;{gap}{date}\r\n".encode()


def return_path_field(reverse_path: Mailbox | None) -> bytes:
    """The Return-Path field of final delivery, `<>` for the null reverse-path `None` (RFC 5321, 4.4)."""
    return f"Return-Path: <{_path(reverse_path) if reverse_path else ''}>\r\n".encode()


def delivered_to_field(mailbox: Mailbox) -> bytes:
    """The Delivered-To field: the account's address, by which a mail loop is recognised (RFC 9228)."""
    return f"Delivered-To: {_path(mailbox)}\r\n".encode()


def format_date(moment: datetime, zone: timedelta = _UTC) -> str:
    """An aware datetime as RFC 5322, 3.3 writes it, in English whatever the locale, at the offset `zone` from UTC."""
    return _date(moment.replace(microsecond=0), zone)


@lru_cache(maxsize=64)  # mail of one second shares its date
def _date(moment: datetime, zone: timedelta) -> str:
    local = moment.astimezone(timezone(zone))
    sign = "-" if zone < _UTC else "+"
    hours, minutes = divmod(abs(zone) // timedelta(minutes=1), 60)
    day = f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year:04}"
    return f"{day} {local.hour:02}:{local.minute:02}:{local.second:02} {sign}{hours:02}{minutes:02}"


@lru_cache(maxsize=1024)  # mail of one session shares its hop
def _frame(hop: Hop) -> tuple[str, str]:
    """The field up to the message id, and from there to the end of the id."""
    by = f" by {hop.hostname} ({comment_text(hop.banner)}) with {hop.protocol} id <{_ID_PLACE}@{hop.hostname}>"
    before, behind = f"Received: {fold_line(_from_clause(hop), 10)}\r\n{fold_line(by, 0)}".split(_ID_PLACE)
    return before, behind


def _from_clause(hop: Hop) -> str:
    """Extended-Domain (RFC 5321, 4.4); a greeting that is no domain goes into the comment, the address in its place."""
    address = f"[IPv6:{hop.client_address}]" if ":" in hop.client_address else f"[{hop.client_address}]"
    information = f"{comment_text(hop.client_domain) or 'unverified'} {address}"
    if _is_domain(hop.hello_domain):
        return f"from {hop.hello_domain} ({information})"
    greeting = f"; greeting {comment_text(hop.hello_domain)}" if hop.hello_domain else ""
    return f"from {address} ({information}{greeting})"


def _is_domain(text: str) -> bool:
    """Whether `text` may stand where RFC 5321, 4.1.2 wants a Domain or an address-literal, in ASCII."""
    try:
        return parse_mailbox(f"a@{text}", smtputf8=False).domain == text
    except AddressError:
        return False


def comment_text(text: str) -> str:
    """Foreign text fit for the inside of a comment: printable ASCII, bounded, specials escaped (RFC 5322, 3.2.2)."""
    words = " ".join(_replace_unprintable("?", text[:_MAX_COMMENT]).split())
    return _escape_specials(r"\\\g<0>", words)


def _path(mailbox: Mailbox) -> str:
    """The wire form, sure to be one line even if the mailbox did not come from our parser."""
    return _replace_controls("?", str(mailbox))


def fold_line(line: str, used: int) -> str:
    """Break `line` at its blanks where it would pass 78 characters, `used` of them already taken (RFC 5322, 2.2.3).

    No line is left blank, which would end the header section.
    """
    words = line.split(" ")
    folded, width = words[0], used + len(words[0])
    for word in words[1:]:
        fits = not width or width + 1 + len(word) <= _LINE_AIM
        folded += f" {word}" if fits else f"\r\n {word}"
        width = width + 1 + len(word) if fits else 1 + len(word)
    return folded
