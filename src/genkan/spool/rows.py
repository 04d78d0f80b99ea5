# SPDX-License-Identifier: Apache-2.0
"""Envelopes and recipients as rows of the spool, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from genkan.message.envelope import Envelope, Recipient
from genkan.message.message_id import format_message_id
from genkan.smtp.address import Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable

LEASE: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Row = tuple[Any, ...]


def microseconds(moment: datetime) -> int:
    """An aware moment as the spool's databases hold it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The moment, in UTC, that a database holds as microseconds."""
    return _EPOCH + timedelta(microseconds=value)


def arrival_row(
    envelope: Envelope, size: int, content: bytes | None, extents: str | None, leased_until: int | None
) -> Row:
    """The row that inserts a message with its recipients; with `leased_until` their first attempt has begun."""
    reverse_path = envelope.reverse_path
    attempts = 0 if leased_until is None else 1
    recipients = [_arriving(recipient, attempts, leased_until) for recipient in envelope.recipients]
    return (
        int(envelope.message_id[1:]),
        microseconds(envelope.accepted_at),
        size,
        None if reverse_path is None else str(reverse_path),
        envelope.client_address,
        envelope.hello_domain,
        envelope.account,
        envelope.protocol,
        envelope.body,
        envelope.smtputf8,
        envelope.ret,
        envelope.envid,
        content,
        extents,
        envelope.requiretls,
        json.dumps(recipients),
    )


def _arriving(recipient: Recipient, attempts: int, leased_until: int | None) -> Row:
    """What the trigger `arrival_insert` wants to know of a recipient; most have nothing of their own."""
    forward_path, mailbox, notify, original, reverse_path, fields, route = recipient
    row = (str(forward_path), str(mailbox), notify, original, attempts, leased_until)
    if reverse_path is None and not fields and not route:
        return row
    return (*row, None if reverse_path is None else str(reverse_path), fields.decode("utf-8"), route)


def envelope_from_row(row: Row, recipients: Iterable[Recipient]) -> Envelope:
    """The envelope that the queries `message` and `messages` give, with its recipients."""
    reverse_path = None if row[3] is None else parse_stored(row[3])
    return Envelope(
        message_id=format_message_id(row[0]),
        accepted_at=moment(row[1]),
        reverse_path=reverse_path,
        recipients=tuple(recipients),
        client_address=row[4],
        hello_domain=row[5],
        account=row[6],
        protocol=row[7],
        body=row[8],
        smtputf8=bool(row[9]),
        ret=row[10],
        envid=row[11],
        requiretls=bool(row[12]),
    )


def recipient_from_row(columns: Row) -> Recipient:
    """A recipient from the columns forward_path, mailbox, notify, original, reverse_path, fields, route."""
    forward_path, mailbox, notify, original, reverse_path, fields, route = columns
    path = None if reverse_path is None else parse_stored(reverse_path)
    return Recipient(parse_stored(forward_path), parse_stored(mailbox), notify, original, path, fields.encode(), route)


def parse_stored(text: str) -> Mailbox:
    """An address as the spool holds it; only `postmaster` stands without a domain."""
    return parse_mailbox(text) if "@" in text else Mailbox(text, "")
