# SPDX-License-Identifier: Apache-2.0
"""What is carried to a next hop in one mail transaction: a message, and those of its recipients that go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from genkan.message.envelope import Envelope
    from genkan.smtp.address import Mailbox
    from genkan.spool.queue import Leased


@dataclass(frozen=True, slots=True)
class Consignment:
    """One message on its way to one next hop.

    `size` are the octets of the content without `fields`, which are put before it. `content` gives the content anew, in
    blocks, and raises `OSError` when it cannot be read. The recipients are those of `leased`, and not the envelope's.
    """

    envelope: Envelope
    size: int
    reverse_path: Mailbox | None
    fields: bytes
    leased: tuple[Leased, ...]
    content: Callable[[], AsyncGenerator[bytes, None]]
