# SPDX-License-Identifier: Apache-2.0
"""Locked clients: failed AUTHs are counted by client address, and who failed too often is kept out for a while.

IPv6 clients count by /64, since one of them owns all of it. Loopback is never locked, and who authenticated within the
last hour only by an operator. The clock is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final

from genkan.directory.errors import InvalidValue, NotFound
from genkan.directory.moments import loaded, stored
from genkan.ip import parse_address

if TYPE_CHECKING:
    from genkan.directory.store import Store

FOREVER: Final = datetime.max.replace(tzinfo=UTC)  # the end of a lock that has none

# How long a success protects. It is written down once a minute at most, so it may be that much younger than it looks.
TRUSTED: Final = timedelta(hours=1)
_WRITTEN_EVERY: Final = timedelta(minutes=1)

_IPV6_CLIENT: Final = 64  # length of the prefix that is one client

Network = IPv4Network | IPv6Network


class LockKind(StrEnum):
    """What a lock is for: too many failed AUTHs, too many connections, or because an operator said so."""

    AUTH = "auth"
    RATE = "rate"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Lock:
    """A network that may not connect until `until` (aware, UTC); `None` means until an operator clears it."""

    network: Network
    until: datetime | None
    reason: str
    created: datetime
    kind: LockKind = LockKind.OPERATOR


class Locks:
    """The tables of locked networks, and of failed and successful AUTHs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = store.queries
        self._until: dict[str, datetime | None] = store.cache()
        self._lengths: dict[int, tuple[int, ...]] = store.cache()
        self._written: dict[str, datetime] = {}

    def locked_until(self, client_address: str, now: datetime) -> datetime | None:
        """When the client may come again, FOREVER for a lock without end, `None` if it may come now. Cached."""
        try:
            until = self._until[client_address]
        except KeyError:
            until = self._store.remember(self._until, client_address, self._read_until(client_address))
        return until if until is not None and until > now else None

    def record_failure(self, client_address: str, now: datetime, limit: int, window: timedelta) -> bool:
        """Count a failed AUTH; the `limit`-th within `window` locks the client for `window`. True if it locked.

        A `limit` of 0 never locks. The count survives a crash of the process, not always one of the machine.
        """
        network = _client_network(client_address)
        if network is None or limit <= 0:
            return False
        with self._store.quick_transaction():
            self._store.rows(self._queries.failure_purge, stored(now - window))
            self._purge_locks(now)
            self._store.rows(self._queries.failure_add, str(network), stored(now))
            [(count,)] = self._store.rows(self._queries.failure_count, str(network), stored(now - window))
            if count < limit:
                return False
            self._store.rows(self._queries.failure_remove, str(network))
            reason = f"{count} failed AUTH within {window}"
            return self._lock_stranger(Lock(network, now + window, reason, now, LockKind.AUTH))

    def record_success(self, client_address: str, now: datetime) -> None:
        """Note a successful AUTH: for an hour the client is not locked by itself. Nearly free within a minute of another.

        The note survives a crash of the process, not always one of the machine.
        """
        written = self._written.get(client_address)
        if written is not None and now - written < _WRITTEN_EVERY:
            return
        network = _client_network(client_address)
        if network is None:
            return
        with self._store.quick_transaction():
            self._store.rows(self._queries.success_purge, stored(_trusted_since(now)))
            self._store.rows(self._queries.success_set, str(network), stored(now))
        self._store.remember(self._written, client_address, now)

    def lock_for_rate(self, client_address: str, now: datetime, duration: timedelta) -> bool:
        """Lock a client that connects too often, unless it is loopback or has authenticated lately. True if it locked."""
        network = _client_network(client_address)
        if network is None:
            return False
        with self._store.quick_transaction():
            self._purge_locks(now)
            return self._lock_stranger(Lock(network, now + duration, "too many connections", now, LockKind.RATE))

    def extend(self, lock: Lock) -> None:
        """Lock a network until the end of `lock` at least; a lock of it that ends later stays as it is."""
        with self._store.change():
            self._write(self._queries.lock_extend, lock)

    def add(self, network: str, until: datetime | None, reason: str, now: datetime) -> Lock:
        """Lock an address or a network, `until` `None` for good, in place of any lock it has; raises InvalidValue."""
        lock = Lock(_parse_network(network), until, reason, now)
        with self._store.change():
            self._purge_locks(now)
            self._write(self._queries.lock_set, lock)
        return lock

    def list(self, now: datetime) -> tuple[Lock, ...]:
        """The locks that still hold, oldest first."""
        rows = self._store.rows(self._queries.lock_list, stored(now))
        return tuple(_lock(*row) for row in rows)

    def clear(self, network: str | None = None) -> int:
        """Unlock an address or a network, or all of them, forget failed AUTHs too; the number of locks removed.

        Raises InvalidValue for text that is no address, NotFound when just this network is not locked.
        """
        if network is None:
            with self._store.change():
                self._store.rows(self._queries.failure_remove_all)
                return len(self._store.rows(self._queries.lock_remove_all))
        wanted = str(_parse_network(network))
        with self._store.change():
            self._store.rows(self._queries.failure_remove, wanted)
            removed = self._store.rows(self._queries.lock_remove, wanted)
        if not removed:
            raise NotFound(f"{wanted} is not locked; see which networks are: genkan lock list")
        return len(removed)

    def _read_until(self, client_address: str) -> datetime | None:
        address = _client(client_address)
        if address is None:
            return None
        found: list[datetime] = []
        for length in self._prefix_lengths(address.version):
            row = self._store.row(self._queries.lock, str(_network(address, length)))
            if row is not None:
                found.append(FOREVER if row[0] is None else loaded(row[0]))
        return max(found, default=None)

    def _prefix_lengths(self, version: int) -> tuple[int, ...]:
        try:
            return self._lengths[version]
        except KeyError:
            rows = self._store.rows(self._queries.lock_lengths, version)
            return self._store.remember(self._lengths, version, tuple(length for (length,) in rows))

    def _purge_locks(self, now: datetime) -> None:
        # What has expired answers no question, so other processes need not hear of it.
        self._store.rows(self._queries.lock_purge, stored(now))

    def _lock_stranger(self, lock: Lock) -> bool:
        """Inside a transaction: lock, unless the client has authenticated lately."""
        if self._store.row(self._queries.success_since, str(lock.network), stored(_trusted_since(lock.created))):
            return False
        self._store.mark_changed()
        self._write(self._queries.lock_extend, lock)
        return True

    def _write(self, query: str, lock: Lock) -> None:
        until = None if lock.until is None else stored(lock.until)
        network = lock.network
        values = (str(network), network.version, network.prefixlen, until, lock.reason, stored(lock.created))
        self._store.rows(query, *values, lock.kind)


def _trusted_since(now: datetime) -> datetime:
    return now - TRUSTED - _WRITTEN_EVERY


def _client(client_address: str) -> IPv4Address | IPv6Address | None:
    """The address to judge a client by, or `None` for one that is never locked: loopback, or no IP at all."""
    try:
        address = parse_address(client_address)
    except ValueError:
        return None
    return None if address.is_loopback else address


def _client_network(client_address: str) -> Network | None:
    address = _client(client_address)
    if address is None:
        return None
    return _network(address, _IPV6_CLIENT if address.version == 6 else 32)


def _network(address: IPv4Address | IPv6Address, length: int) -> Network:
    if isinstance(address, IPv4Address):
        return IPv4Network((int(address), length), strict=False)
    return IPv6Network((int(address), length), strict=False)


def _parse_network(text: str) -> Network:
    if "/" not in text:
        client = _client_network(text)
        if client is None:
            raise InvalidValue(f"{text!r} cannot be locked: give an IP address other than loopback, or a network")
        return client
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise InvalidValue(f"{text!r} is not a network: write it as in 192.0.2.0/24 or 2001:db8::/32") from None


def _lock(network: str, until: int | None, reason: str, created: int, kind: str) -> Lock:
    end = None if until is None else loaded(until)
    return Lock(ip_network(network), end, reason, loaded(created), LockKind(kind))
