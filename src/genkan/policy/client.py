# SPDX-License-Identifier: Apache-2.0
"""Checks of the client address, before the greeting: the trial period, lock-outs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.policy.verdict import Verdict
from genkan.smtp import replies

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from genkan.directory.directory import Directory
    from genkan.policy.facts import ConnectionFacts


class TrialPeriod:
    """From the day `expires` on, nobody is served (setting `expires`; UTC)."""

    name = "trial-period"

    def __init__(self, expires: date | None, now: Callable[[], datetime]) -> None:
        """`now` gives the present moment, aware."""
        self._expires = expires
        self._now = now
        self.needed = expires is not None

    def check(self, _connection: ConnectionFacts) -> Verdict | None:
        """Refuse once the period is over."""
        if self._expires is None or self._now().date() < self._expires:
            return None
        return Verdict(self.name, replies.TRIAL_EXPIRED, detail=f"expires = {self._expires}")


class LockOut:
    """A client address that failed to authenticate too often is cut off without a greeting (the product's page faq17-09)."""

    name = "lock-out"

    def __init__(self, directory: Directory, now: Callable[[], datetime]) -> None:
        """Locks lie in the directory, so that every worker sees them."""
        self._directory = directory
        self._now = now

    def check(self, connection: ConnectionFacts) -> Verdict | None:
        """Cut off a locked address."""
        lock = self._directory.locks.locked_until(connection.client_address, self._now())
        if lock is None:
            return None
        return Verdict(self.name, None, detail=f"locked until {lock}")
