# SPDX-License-Identifier: Apache-2.0
"""When a deferred recipient is tried again, and when no more (RFC 5321, 4.5.4.1).

Pure: the time and the chance come from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime, timedelta

SPREAD: Final = 0.1  # share by which a delay varies either way: mail deferred together does not come back together


def next_attempt(
    attempts: int,
    accepted_at: datetime,
    now: datetime,
    *,
    retry: tuple[timedelta, ...],
    expire: timedelta,
    jitter: float,
) -> datetime | None:
    """When to try again after `attempts` (1 or more) attempts, or `None` once the mail is older than `expire`.

    `retry` holds the delay after each attempt, its last one repeats; `jitter` from 0 to 1 picks a point within +-10 %
    of it. An attempt that would come too late comes at the end of `expire`: mail is not given up before its time.
    """
    deadline = accepted_at + expire
    if now >= deadline:
        return None
    delay = retry[min(attempts, len(retry)) - 1]
    return min(now + delay * (1 - SPREAD + 2 * SPREAD * jitter), deadline)
