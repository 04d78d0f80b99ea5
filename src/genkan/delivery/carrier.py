# SPDX-License-Identifier: Apache-2.0
"""What the queue of a next hop needs of whoever speaks to it: an open way, over which one consignment goes at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Deferred, Failed, Outcome


class HopUnreachable(Exception):
    """No way to the next hop could be opened; `outcome` is that of all mail that waits for it.

    Raised by an `Opener`, caught by the hop's queue.
    """

    def __init__(self, outcome: Deferred | Failed) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class CarrierLost(Exception):
    """The way was open for earlier mail and is not any more; nothing of this consignment was answered, or taken.

    Raised by `Carrier.carry`, caught by the hop's queue, which opens another way at once.
    """


class Carrier(Protocol):
    """An open way to a next hop."""

    @property
    def usable(self) -> bool:
        """Whether another consignment may be carried."""
        ...

    async def carry(self, consignment: Consignment) -> list[Outcome]:
        """The outcomes in the order of `consignment.leased`. What goes wrong is an outcome, or `CarrierLost`."""
        ...

    async def close(self) -> None:
        """Take leave; nothing may be carried afterwards. Raises nothing."""
        ...


class Opener(Protocol):
    """Opens ways to one next hop, for one consignment or many."""

    async def __call__(self) -> Carrier:
        """A way to it. Raises `HopUnreachable`."""
        ...
