# SPDX-License-Identifier: Apache-2.0
"""What became of one attempt for one recipient: delivered, deferred or failed, as a value.

A reason is for the log and the queue listing; it may name folders and hosts, so it is not fit for the wire as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """Somebody else is answerable for this recipient now: it would survive a crash there (RFC 5321, 4.2.5)."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not this time. `retry_at` is when to try again if whoever deferred it knows; `None` leaves it to the schedule."""

    reason: str
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Never: trying again would give the same. The reverse-path is owed a bounce (RFC 5321, 6.1)."""

    reason: str


Outcome = Delivered | Deferred | Failed
