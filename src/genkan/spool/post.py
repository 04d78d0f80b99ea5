# SPDX-License-Identifier: Apache-2.0
"""A message that an outcome brings about: a bounce, a forwarded copy, a list's mail, an automatic reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from genkan.message.envelope import Envelope


class Post(NamedTuple):
    """A message to be spooled in the transaction that finishes the recipient it comes of, so that no crash loses or doubles it.

    `content` is the whole of it, or what stands before the content of the spooled message `origin`, which is shared and
    not written again; the first `skip` octets of it are left out. Nobody holds more than `content` in memory.
    """

    envelope: Envelope
    content: bytes
    origin: int | None = None
    skip: int = 0
