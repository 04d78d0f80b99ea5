# SPDX-License-Identifier: Apache-2.0
"""Who delivers what a spool accepts, as the spool sees him."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.message.envelope import Envelope


class Taker(Protocol):
    """Who delivers: asked for room before the commit, given the message after it."""

    def claim(self, recipients: int) -> bool:
        """Whether this many recipients may be leased to the taker with the commit that accepts them."""
        ...

    def take(self, envelope: Envelope, size: int, content: bytes | None) -> None:
        """The recipients of an accepted message of `size` octets are yours; they are leased. `content`, if it is small."""
        ...

    def give_up(self, recipients: int) -> None:
        """The commit that would have leased so many recipients has failed."""
        ...

    def hold(self, deadline: datetime) -> None:
        """A message was accepted that waits for somebody until then."""
        ...

    def leave(self) -> None:
        """A message was accepted for which there was no room; its recipients are due and leased to nobody."""
        ...
