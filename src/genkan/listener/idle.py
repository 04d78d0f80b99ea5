# SPDX-License-Identifier: Apache-2.0
"""Sends silent clients away with one timer for all connections of a worker.

All have the same patience, so the one that was heard of longest ago is always first in line.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import asyncio

    from genkan.clock import Clock

_TICK: Final = 1.0  # seconds


class Silent(Protocol):
    """Something that can be silent for too long."""

    def timed_out(self) -> None:
        """The patience is over."""
        ...


class IdleWatch:
    """Knows when each connection was last heard of."""

    def __init__(self, patience: float, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        """`patience` in seconds."""
        self._patience = patience
        self._clock = clock
        self._loop = loop
        self._heard: OrderedDict[Silent, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def heard(self, connection: Silent) -> float:
        """The client has made progress, or has just come; gives the moment, in seconds of the monotonic clock."""
        moment = self._clock.monotonic()
        self._heard[connection] = moment
        self._heard.move_to_end(connection)
        if self._timer is None:
            self._timer = self._loop.call_later(_TICK, self._tick)
        return moment

    def forget(self, connection: Silent) -> None:
        """The connection is not waiting for its client any more."""
        self._heard.pop(connection, None)

    def sweep(self) -> None:
        """Tell all those whose patience is over."""
        latest = self._clock.monotonic() - self._patience
        while self._heard:
            connection, moment = next(iter(self._heard.items()))
            if moment > latest:
                return
            del self._heard[connection]
            connection.timed_out()

    def _tick(self) -> None:
        self.sweep()
        self._timer = self._loop.call_later(_TICK, self._tick) if self._heard else None
