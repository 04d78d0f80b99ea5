# SPDX-License-Identifier: Apache-2.0
"""The outbreak brake: how many recipients outside an account writes to within an hour, and whose mail is held for it.

The number is the account's own, or learned: so many times its highest hour of the last 30 days. The last day teaches nothing,
or else somebody who has got hold of an account would raise the number himself, hour by hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from genkan.directory.errors import InvalidValue, NotFound
from genkan.directory.moments import loaded, stored
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from genkan.directory.store import Store

NO_LIMIT: Final = -1
MAX_LIMIT: Final = 1_000_000_000
HISTORY: Final = 30 * 24  # hours
_LAST_DAY: Final = 24  # hours
_HOUR: Final = 3_600_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class BrakeNumbers:
    """The settings `brake.mode` (but for "off"), `brake.minimum` and `brake.factor`."""

    mode: Literal["learned", "fixed"] = "learned"
    minimum: int = 200
    factor: int = 5


@dataclass(frozen=True, slots=True)
class Braked:
    """An account whose mail to the outside is held: it has written to `counted` recipients within an hour."""

    account: str
    since: datetime
    threshold: int
    counted: int


class Stopped(NamedTuple):
    """What `note` says of an account that is braked; of the recipients just noted the first `admitted` may still go.

    `fresh`: they have brought it about.
    """

    braked: Braked
    admitted: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's number (`None`: no limit), where it comes from, what was sent within the hour, and the highest hour."""

    account: str
    threshold: int | None
    source: Literal["own", "learned", "set"]
    sent: int
    highest: int
    braked: Braked | None


class Brakes:
    """The tables of what goes out and of those who are braked. Accounts are named by `account_key`; the clock is the caller's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = store.queries
        self._forgotten = -1

    def note(self, counts: Mapping[str, int], numbers: BrakeNumbers, now: datetime) -> list[Stopped]:
        """Count recipients outside that accounts are about to write to; those of the accounts that are braked, now or before.

        What a braked account wants to send is not counted. The counts survive a crash of the process, not always one of the
        machine.
        """
        hour = _hour(now)
        with self._store.quick_transaction():
            if hour != self._forgotten:
                self._store.rows(self._queries.outgoing_purge, hour - HISTORY)
                self._forgotten = hour
            noted = [self._note(account, count, numbers, now) for account, count in counts.items()]
        return [stopped for stopped in noted if stopped is not None]

    def release(self, account: str, now: datetime) -> Braked | None:
        """Lift the brake and count anew from now on; the brake that was lifted, or `None` where there was none."""
        with self._store.change():
            braked = self._find(account)
            self._store.rows(self._queries.brake_remove, account)
            self._store.rows(self._queries.outgoing_release, account, _hour(now) - 1)
        return braked

    def list(self) -> tuple[Braked, ...]:
        """Who is braked, the longest first."""
        return tuple(_braked(row) for row in self._store.rows(self._queries.brake_list))

    def standing(self, address: Mailbox, numbers: BrakeNumbers, now: datetime) -> Standing:
        """How an account stands. Raises `NotFound`."""
        account = account_key(address)
        own, highest = self._limit(address), self._highest(account, _hour(now))
        if own is None:
            raise NotFound(f"account {address} is not there; see: genkan account list")
        learned = numbers.mode == "learned" and numbers.factor * highest > numbers.minimum
        return Standing(
            account=account,
            threshold=self._threshold(own[0], highest, numbers),
            source="own" if own[0] is not None else "learned" if learned else "set",
            sent=_rounded_up(self._sent(account, now)),
            highest=highest,
            braked=self._find(account),
        )

    def set_limit(self, address: Mailbox, limit: int | None) -> None:
        """Give an account a number of its own, or `NO_LIMIT`; `None` goes back to what holds for all.

        Raises `NotFound`, or `InvalidValue`.
        """
        if limit is not None and not NO_LIMIT <= limit <= MAX_LIMIT:
            raise InvalidValue(f"the number is out of range: give 0 to {MAX_LIMIT}")
        key = address.folded()
        with self._store.change():
            if not self._store.rows(self._queries.account_set_external_limit, key.domain, key.local_part, limit):
                raise NotFound(f"account {address} is not there; see: genkan account list")

    def _note(self, account: str, count: int, numbers: BrakeNumbers, now: datetime) -> Stopped | None:
        found = self._find(account)
        if found is not None:
            return Stopped(found, 0, fresh=False)
        hour = _hour(now)
        own = self._limit(_mailbox(account)) or (None,)
        threshold = self._threshold(own[0], self._highest(account, hour), numbers)
        sent = self._sent(account, now)
        self._store.rows(self._queries.outgoing_add, account, hour, count)
        if threshold is None or sent + count <= threshold:
            return None
        braked = Braked(account, now, threshold, _rounded_up(sent) + count)
        self._store.rows(self._queries.brake_set, account, stored(now), threshold, braked.counted)
        self._store.rows(self._queries.outgoing_brake, account, hour)
        self._store.mark_changed()
        return Stopped(braked, max(0, int(threshold - sent)), fresh=True)

    def _threshold(self, own: int | None, highest: int, numbers: BrakeNumbers) -> int | None:
        if own is not None:
            return None if own == NO_LIMIT else own
        return max(numbers.minimum, numbers.factor * highest) if numbers.mode == "learned" else numbers.minimum

    def _limit(self, address: Mailbox) -> tuple[int | None] | None:
        """The account's own number in a tuple; `None` when there is no such account."""
        key = address.folded()
        row = self._store.row(self._queries.account_external_limit, key.domain, key.local_part)
        return None if row is None else (row[0],)

    def _highest(self, account: str, hour: int) -> int:
        row = self._store.row(self._queries.outgoing_highest, account, hour - HISTORY, hour - _LAST_DAY)
        return int(row[0] or 0) if row else 0

    def _sent(self, account: str, now: datetime) -> float:
        """What went out within the last hour; of the clock's hour before this one, the part that is not an hour ago."""
        hour = _hour(now)
        rows = dict(self._store.rows(self._queries.outgoing_since, account, hour - 1))
        left = 1 - stored(now) % _HOUR / _HOUR
        return float(rows.get(hour, 0) + left * rows.get(hour - 1, 0))

    def _find(self, account: str) -> Braked | None:
        row = self._store.row(self._queries.brake, account)
        return None if row is None else _braked(row)


def account_key(address: Mailbox) -> str:
    """An account as the brake names it."""
    return str(address.folded())


def held_prefix(account: str) -> str:
    """How the outcome of a recipient begins that is held since this account is braked; no other account's begins so."""
    return f"brake on <{account}>:"


def held_reason(braked: Braked) -> str:
    """The outcome of a recipient that is held."""
    return (
        f"{held_prefix(braked.account)} {braked.counted} recipients outside within an hour, {braked.threshold} may be"
    )


def _mailbox(account: str) -> Mailbox:
    try:
        return parse_mailbox(account)
    except AddressError:
        return Mailbox("", "")  # nobody's


def _hour(now: datetime) -> int:
    return stored(now) // _HOUR


def _rounded_up(sent: float) -> int:
    return -int(-sent // 1)


def _braked(row: tuple[Any, ...]) -> Braked:
    account, since, threshold, counted = row
    return Braked(account, loaded(since), threshold, counted)
