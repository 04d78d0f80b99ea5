# SPDX-License-Identifier: Apache-2.0
"""A message on its way to another end, as tests need one."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from genkan.delivery.consignment import Consignment
from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import Mailbox, parse_mailbox
from genkan.spool.queue import Leased

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CONTENT: Final = b"Subject: x\r\nFrom: eve@out.test\r\n\r\nfirst\r\n.second\r\n"
FIELDS: Final = b"Return-Path: <eve@out.test>\r\n"
ACCEPTED_AT: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def consignment(
    *recipients: str, content: bytes = CONTENT, size: int | None = None, reverse_path: str = "eve@out.test"
) -> Consignment:
    """Content for these recipients, ann@in.test without any; `size` is what the spool says if that is not true."""

    async def blocks() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(content), 16384):
            yield content[start : start + 16384]

    named = tuple(map(_recipient, recipients or ("ann@in.test",)))
    sender = parse_mailbox(reverse_path) if reverse_path else None
    envelope = Envelope("B0000000007", ACCEPTED_AT, sender, named, "192.0.2.7", "mx.out.test", "", "ESMTPS", "8BITMIME")
    length = len(content) if size is None else size
    leased = tuple(Leased(envelope, length, number, recipient, 1) for number, recipient in enumerate(named))
    return Consignment(envelope, length, sender, FIELDS, leased, blocks)


def unreadable(*recipients: str) -> Consignment:
    """The same, with a disk that fails behind the first block."""
    good = consignment(*recipients)

    async def blocks() -> AsyncGenerator[bytes, None]:
        yield CONTENT[:10]
        raise OSError(errno.EIO, "Input/output error")

    return Consignment(good.envelope, good.size, good.reverse_path, good.fields, good.leased, blocks)


def _recipient(text: str) -> Recipient:
    mailbox = parse_mailbox(text)
    return Recipient(Mailbox(mailbox.local_part.upper(), mailbox.domain), mailbox)
