# SPDX-License-Identifier: Apache-2.0
"""Delivery status notifications (RFC 3461, 3464, 6522; RFC 6533 beyond ASCII): who gets one, and what it says.

Whatever a next hop replied or a stranger wrote is cut and made one line of visible characters. The returned message is put in
octet by octet and never parsed; a report names no recipients but those it is about.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from genkan.message.dsn_words import INTRODUCTIONS, INTRODUCTIONS_JA, SUBJECTS, advice, advice_ja
from genkan.message.header import HeaderFields
from genkan.message.plain_mail import Head, head_fields, text_entity
from genkan.message.trace import format_date
from genkan.message.visible import visible
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from genkan.message.envelope import Envelope, Recipient

Action = Literal["failed", "delayed", "delivered", "relayed"]

_NOTIFY: Final[dict[Action, str]] = {
    "failed": "FAILURE",
    "delayed": "DELAY",
    "delivered": "SUCCESS",
    "relayed": "SUCCESS",
}
_USUAL_STATUS: Final[dict[Action, str]] = {
    "failed": "5.0.0",
    "delayed": "4.0.0",
    "delivered": "2.0.0",
    "relayed": "2.0.0",
}
_MOST_FIELD: Final = 900  # octets; RFC 5322, 2.1.1 bounds the line they stand on
_MOST_SUBJECT_HEADER: Final = 64 * 1024  # octets in which the subject is looked for
_match_status: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII).fullmatch
# RFC 3461, 4.2; RFC 6533, 3
_match_original: Final = re.compile(
    r"[A-Za-z0-9-]{1,50};[!-~]{1,500}|(?i:utf-8);[!-~\u00a0-\U0010ffff]{1,500}"
).fullmatch
_decode_xtext: Final = re.compile(r"\+([0-9A-F]{2})", re.ASCII).sub
_encode_unicode: Final = re.compile(r"[^ -~]").sub


class ReportedRecipient(NamedTuple):
    """What became of one recipient.

    `status` is the enhanced code, `remote` the next hop's name and `reply` its words ("" where there was none). `reason` is
    ours: a stranger is told it only when it is about a next hop, since else it may name folders, or where an alias leads.
    `until` is how long it is still tried (RFC 3464, 2.3).
    """

    recipient: Recipient
    action: Action
    status: str
    remote: str
    reply: str
    reason: str
    last_attempt: datetime
    until: datetime | None = None


class Returned(NamedTuple):
    """The octets of the message that go back with the report: all of it, or its start, of which the header section is used."""

    octets: bytes
    whole: bool


class Identity(NamedTuple):
    """Who reports: our host name, the message id of the report, and the moment."""

    hostname: str
    message_id: str
    date: datetime


def wants(recipient: Recipient, action: Action) -> bool:
    """Whether the sender wants to hear of this (RFC 3461, 4.1); who did not say wants failures and delays."""
    if not recipient.notify:
        return action in ("failed", "delayed")
    return _NOTIFY[action] in recipient.notify.upper().split(",")


def wants_whole(envelope: Envelope, action: Action) -> bool:
    """Whether the whole message goes back: with failures only, and if the sender said so (RFC 3461, 4.3)."""
    return action == "failed" and envelope.ret.upper() == "FULL"


def report(envelope: Envelope, reported: Sequence[ReportedRecipient], returned: Returned, identity: Identity) -> bytes:
    """One notification to the reverse-path about some recipients of a message, who share an action; its whole content.

    `envelope` is the message's, with the reverse-path that is told.
    """
    assert envelope.reverse_path is not None
    beyond_ascii = _beyond_ascii(envelope, reported)
    parts = [
        text_entity(_text(envelope, reported, identity)),
        _status_part(_status_fields(envelope, reported, identity), beyond_ascii=beyond_ascii),
        _returned_part(returned, beyond_ascii=beyond_ascii),
    ]
    boundary = _boundary(identity, parts)
    head = _head(envelope.reverse_path, reported[0].action, returned, identity)
    line = b"--" + boundary.encode()
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts)
    encoding = b"" if body.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"  # RFC 2045, 6.4
    fields = f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"\r\n'.encode()
    return head + fields + encoding + b"\r\n" + body + line + b"--\r\n"


def _head(path: Mailbox, action: Action, returned: Returned, identity: Identity) -> bytes:
    """The header fields but those for the content."""
    subject = HeaderFields(returned.octets[:_MOST_SUBJECT_HEADER]).text("subject")
    return head_fields(
        Head(
            name="Mail Delivery System",
            sender=Mailbox("mailer-daemon", identity.hostname),
            recipient=path,
            subject=f"{SUBJECTS[action]}: {visible(subject) or '(no subject)'}",
            identifier=f"{identity.message_id}.report@{identity.hostname}",
            date=identity.date,
            submitted="auto-replied",
        )
    )


def _boundary(identity: Identity, parts: list[bytes]) -> str:
    """A boundary that stands in no part (RFC 2046, 5.1.1)."""
    whole = b"".join(parts)
    for number in range(1000):
        digest = hashlib.sha256(f"{identity.message_id}.{identity.hostname}.{number}".encode()).hexdigest()
        boundary = f"=_{digest[:32]}"
        if boundary.encode() not in whole:
            return boundary
    raise AssertionError("every boundary of a thousand stands in the message")


# The part for people.


def _text(envelope: Envelope, reported: Sequence[ReportedRecipient], identity: Identity) -> str:
    return "\n".join(
        [
            f"This is the mail server {identity.hostname}.",
            "",
            *_language(reported, INTRODUCTIONS[reported[0].action], japanese=False),
            f"{identity.hostname} のメールサーバーからのお知らせです。",
            "",
            *_language(reported, INTRODUCTIONS_JA[reported[0].action], japanese=True),
            f"Id: {envelope.message_id}",
            "",
        ]
    )


def _language(reported: Sequence[ReportedRecipient], introduction: str, *, japanese: bool) -> Iterator[str]:
    yield introduction
    yield ""
    for one in reported:
        yield f"<{visible(str(one.recipient.forward_path), _MOST_FIELD)}>"
        words = one.reply or (one.reason if one.remote else "")
        if words:
            yield f"    {visible(words, _MOST_FIELD)}"
        if one.until is not None:
            until = f"{one.until:%Y-%m-%d %H:%M} UTC"
            yield f"    {until} まで再送を試みます。" if japanese else f"    It is tried again until {until}."
        if one.action == "failed":
            yield f"    {(advice_ja if japanese else advice)(one.status)}"
        yield ""


# The part for programs.


def _status_part(groups: list[list[str]], *, beyond_ascii: bool) -> bytes:
    kind = "message/global-delivery-status" if beyond_ascii else "message/delivery-status"
    encoding = "\r\nContent-Transfer-Encoding: 8bit" if beyond_ascii else ""
    blocks = "\r\n".join("".join(f"{line}\r\n" for line in group) for group in groups)
    # RFC 3464, 2.1.1 wants seven bits; the words are in the part for people as they are.
    charset = "utf-8" if beyond_ascii else "ascii"
    return f"Content-Type: {kind}{encoding}\r\n\r\n{blocks}".encode(charset, "replace")


def _status_fields(envelope: Envelope, reported: Sequence[ReportedRecipient], identity: Identity) -> list[list[str]]:
    message = [f"Reporting-MTA: dns; {identity.hostname}"]
    if envelope.envid:
        message.insert(0, f"Original-Envelope-Id: {_field_text(_from_xtext(envelope.envid))}")
    if envelope.hello_domain:
        message.append(f"Received-From-MTA: dns; {_field_text(envelope.hello_domain)}")
    message.append(f"Arrival-Date: {format_date(envelope.accepted_at)}")
    beyond_ascii = _beyond_ascii(envelope, reported)
    return [message, *(list(_recipient_fields(one, beyond_ascii=beyond_ascii)) for one in reported)]


def _recipient_fields(one: ReportedRecipient, *, beyond_ascii: bool) -> Iterator[str]:
    original, path = one.recipient.original, str(one.recipient.forward_path)
    if _match_original(original):
        kind, _, address = original.partition(";")
        address = _from_xtext(address)
        yield f"Original-Recipient: {kind};{_field_text(address if beyond_ascii else _encoded(address))}"
    yield f"Final-Recipient: {'rfc822' if path.isascii() else 'utf-8'};{_field_text(path)}"
    yield f"Action: {one.action}"
    yield f"Status: {one.status if _match_status(one.status) else _USUAL_STATUS[one.action]}"
    if one.remote:
        yield f"Remote-MTA: dns; {_field_text(one.remote)}"
    if one.reply:
        yield f"Diagnostic-Code: smtp; {_field_text(one.reply)}"
    elif one.reason and one.remote:
        yield f"Diagnostic-Code: x-genkan; {_field_text(one.reason)}"
    yield f"Last-Attempt-Date: {format_date(one.last_attempt)}"
    if one.until is not None:
        yield f"Will-Retry-Until: {format_date(one.until)}"


def _from_xtext(text: str) -> str:
    """The text that xtext stands for (RFC 3461, 4)."""
    return _decode_xtext(lambda match: chr(int(match[1], 16)), text)


def _encoded(address: str) -> str:
    """What is beyond ASCII in an address as EmbeddedUnicodeChar (RFC 6533, 3)."""
    return _encode_unicode(lambda match: f"\\x{{{ord(match[0]):X}}}", address)


def _field_text(text: str) -> str:
    return visible(text, _MOST_FIELD).encode("utf-8", "replace")[:_MOST_FIELD].decode("utf-8", "ignore")


# What goes back.


def _returned_part(returned: Returned, *, beyond_ascii: bool) -> bytes:
    """The message, or its header section; as the types for ASCII unless it needs the others (RFC 6533, 4)."""
    if returned.whole:
        octets, kind, kind_utf8 = returned.octets, "message/rfc822", "message/global"
    else:
        section, end, _ = returned.octets.partition(b"\r\n\r\n")
        octets = (section if end else section.rpartition(b"\r\n")[0]) + b"\r\n"  # a line that was cut is left out
        kind, kind_utf8 = "text/rfc822-headers", "message/global-headers"
    plain = octets.isascii()
    header_beyond_ascii = not octets.partition(b"\r\n\r\n")[0].isascii()
    chosen = kind_utf8 if beyond_ascii or header_beyond_ascii else kind
    encoding = "" if plain else "\r\nContent-Transfer-Encoding: 8bit"
    return f"Content-Type: {chosen}{encoding}\r\n\r\n".encode() + octets


def _beyond_ascii(envelope: Envelope, reported: Sequence[ReportedRecipient]) -> bool:
    """Whether the report itself needs the fields of RFC 6533."""
    return envelope.smtputf8 or not all(str(one.recipient.forward_path).isascii() for one in reported)
