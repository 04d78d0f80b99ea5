# SPDX-License-Identifier: Apache-2.0
"""What became of one attempt for one recipient, as a value: delivered, expanded into other messages, deferred, failed, held.

A reason is for the log and the queue listing; it may name folders and hosts, so it is not fit for the wire as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.spool.post import Post

Success = Literal["delivered", "relayed", "nothing"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """Somebody else is answerable for this recipient now: it would survive a crash there (RFC 5321, 4.2.5).

    `by` is who, and in which words, for the log. `success` is what a sender who asked for it is told (RFC 3461, 5.2.2 and 6):
    that it was delivered, that it was relayed to a server which tells him nothing, or nothing, since the next hop will.
    `posts` are messages that this brings about, such as an automatic reply.
    """

    by: str = ""
    success: Success = "delivered"
    posts: tuple[Post, ...] = ()


@dataclass(frozen=True, slots=True)
class Expanded:
    """The recipient's place is taken by the recipients of these messages: a forward, or a list (RFC 3461, 5.2.7).

    `success` as in `Delivered`: a list answers for its mail itself, a forward hands the sender's wishes on.
    """

    posts: tuple[Post, ...]
    reason: str
    success: Success = "nothing"


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not this time. `retry_at` is when to try again if whoever deferred it knows; `None` leaves it to the schedule.

    `status` is the enhanced code (RFC 3463), `remote` the host name of the next hop and `reply` what it said.
    `attempted`: the time counts; mail that only waited for its turn is not further on in its schedule.
    """

    reason: str
    retry_at: datetime | None = None
    status: str = "4.0.0"
    remote: str = ""
    reply: str = ""
    attempted: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """Never: trying again would give the same. The reverse-path is owed a bounce (RFC 5321, 6.1). Fields as in `Deferred`."""

    reason: str
    status: str = "5.0.0"
    remote: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """Kept back until the operator says otherwise; `hold` is what holds it, in one word."""

    hold: str
    reason: str
    posts: tuple[Post, ...] = ()


Outcome = Delivered | Expanded | Deferred | Failed | Held


def words_of(error: Exception) -> str:
    """What an error says, without its number; its kind when it says nothing."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
