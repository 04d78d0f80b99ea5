# SPDX-License-Identifier: Apache-2.0
"""What an operator can do about accounts that the outbreak brake has stopped: the operations behind `genkan brake`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkan.admin.queue_operations import QueueOperations, deletion
from genkan.directory import Braked, BrakeNumbers, Directory, NotFound, Standing
from genkan.directory.brakes import account_key, held_prefix
from genkan.spool.changing import Release
from genkan.spool.reading import choose
from genkan.spool.selection import Selection

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.config import Config
    from genkan.smtp.address import Mailbox
    from genkan.spool.changing import Changed

_HOLD = "brake"


@dataclass(frozen=True, slots=True)
class Let:
    """What became of a brake: `lifted`, if there was one, and of the mail it held."""

    account: str
    lifted: Braked | None
    mail: Changed


class BrakeOperations:
    """An operator's hand on the brake. Safe beside a running server."""

    def __init__(self, directory: Directory, config: Config) -> None:
        """Work with an open directory."""
        self._directory = directory
        self._storage = config.storage_folder
        self._mode = config.brake.mode
        self._queue = QueueOperations(directory, config)
        self._numbers = BrakeNumbers(
            "fixed" if self._mode == "fixed" else "learned", config.brake.minimum, config.brake.factor
        )

    @property
    def is_on(self) -> bool:
        """Whether anybody is stopped at all (setting `brake.mode`)."""
        return self._mode != "off"

    def list(self) -> tuple[Braked, ...]:
        """The accounts that are braked, the longest first."""
        return self._directory.brakes.list()

    def held(self, now: datetime) -> int:
        """How many recipients the brake holds, of whomever."""
        return sum(1 for _ in choose(self._storage, now, Selection(hold=_HOLD)))

    def show(self, address: Mailbox, now: datetime) -> Standing:
        """How an account stands: its number, and what it has sent. Raises `NotFound`."""
        return self._directory.brakes.standing(address, self._numbers, now)

    def release(self, address: Mailbox, now: datetime) -> Let:
        """Lift the brake, count anew, and let the held mail go. Raises `NotFound` when the brake is off and nothing is held."""
        account = account_key(address)
        lifted = self._directory.brakes.release(account, now)
        return _let(account, lifted, self._queue.change(_held_of(account), Release(), now))

    def purge(self, address: Mailbox, now: datetime, *, bounce: bool = False) -> Let:
        """Delete the held mail, then lift the brake. Raises `NotFound` as `release`."""
        account = account_key(address)
        deleted = self._queue.change(_held_of(account), deletion(bounce=bounce), now)
        lifted = self._directory.brakes.release(account, now)
        return _let(account, lifted, deleted)

    def set_limit(self, address: Mailbox, limit: int | None) -> None:
        """Give an account a number of its own; `None`: what holds for all, `NO_LIMIT`: none. Raises `NotFound`."""
        self._directory.brakes.set_limit(address, limit)


def _let(account: str, lifted: Braked | None, mail: Changed) -> Let:
    if lifted is None and not mail.recipients:
        raise NotFound(f"{account} is not braked, and nothing of it is held; see: genkan brake list")
    return Let(account, lifted, mail)


def _held_of(account: str) -> Selection:
    """The recipients that the brake on this account holds, whatever reverse-path the mail has."""
    return Selection(hold=_HOLD, reason=held_prefix(account))
