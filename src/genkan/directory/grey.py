# SPDX-License-Identifier: Apache-2.0
"""Senders that SPF deferred, by the client's network: since when, and who of them was let in. The clock is the caller's.

A network is an IPv4 /24 or an IPv6 /48, which is a site's: large senders try again from a neighbouring host, and no site may
fill the table.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.directory.errors import InvalidValue, NotFound
from genkan.directory.moments import loaded, stored
from genkan.ip import parse_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from genkan.directory.store import Store

MOST_ENTRIES: Final = 100_000  # of those who wait, and as many who were let in; the oldest are forgotten first
MOST_OF_NETWORK: Final = 10_000  # of them
ENTRIES_AT_ONCE: Final = 100  # of one transaction, for which everybody else who writes to the directory waits
_IPV4: Final = 24
_IPV6: Final = 48


class GreyEntry(NamedTuple):
    """A sender from one network: a mailbox, or a HELO domain for the null reverse-path, in lower case.

    `since` is when it was deferred first, `seen` when that was noted last, or when it came after having been let in.
    """

    network: str
    sender: str
    since: datetime
    seen: datetime
    let_in: bool = False


class GreyEntries:
    """The table of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = store.queries

    def find(self, network: str, sender: str) -> GreyEntry | None:
        """What is known of a sender; `network` as `grey_network` gives it. Not cached: it is asked for failing mail only."""
        row = self._store.row(self._queries.grey, network, sender)
        return None if row is None else _entry(*row)

    def note(self, entries: Sequence[GreyEntry], now: datetime, window: timedelta, memory: timedelta) -> None:
        """Keep these, and forget what is older than `window`, or `memory` once let in, and the oldest beyond the bounds.

        It survives a crash of the process, not always one of the machine. Writes to the disk, so not for the event loop.
        """
        self._purge(now, window, memory)
        for start in range(0, len(entries), ENTRIES_AT_ONCE):
            with self._store.quick_transaction():
                self._note(entries[start : start + ENTRIES_AT_ONCE])
        with self._store.quick_transaction():
            for kind in (0, 1):
                self._store.rows(self._queries.grey_trim, kind, MOST_ENTRIES)

    def _purge(self, now: datetime, window: timedelta, memory: timedelta) -> None:
        """Forget what is too old, and what is of a time to come, when a clock was wrong."""
        with self._store.quick_transaction():
            self._store.rows(self._queries.grey_purge, 0, stored(now - window), stored(now + window))
            self._store.rows(self._queries.grey_purge, 1, stored(now - memory), stored(now + memory))

    def _note(self, entries: Sequence[GreyEntry]) -> None:
        for network, sender, since, seen, let_in in entries:
            self._store.rows(self._queries.grey_note, network, sender, stored(since), stored(seen), int(let_in))
        for kind in (0, 1):
            for network in {entry.network for entry in entries}:
                self._store.rows(self._queries.grey_trim_network, network, kind, MOST_OF_NETWORK)

    def list(self, limit: int) -> tuple[GreyEntry, ...]:
        """The youngest entries, the last seen first."""
        return tuple(_entry(*row) for row in self._store.rows(self._queries.grey_list, limit))

    def clear(self, network: str | None = None) -> int:
        """Forget the senders of the network that this address or network lies in, or all; the number of entries removed.

        Raises InvalidValue for text that is no address, NotFound when nothing is known of just this network.
        """
        if network is None:
            with self._store.transaction():
                return len(self._store.rows(self._queries.grey_remove_all))
        wanted = _parse_network(network)
        with self._store.transaction():
            removed = self._store.rows(self._queries.grey_remove, wanted)
        if not removed:
            raise NotFound(f"no sender in {wanted} is known; see which are: genkan grey list")
        return len(removed)


def grey_network(client_address: str) -> str:
    """The network that a client counts as; raises ValueError for what is no address."""
    address = parse_address(client_address)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), _IPV6), strict=False))
    return str(IPv4Network((int(address), _IPV4), strict=False))


def _parse_network(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or network.prefixlen < (_IPV4 if network.version == 4 else _IPV6):
        raise InvalidValue(f"{text!r} is no address, and no network such as 192.0.2.0/24 or 2001:db8::/48")
    return grey_network(str(network.network_address))


def _entry(network: str, sender: str, since: int, seen: int, let_in: int) -> GreyEntry:
    return GreyEntry(network, sender, loaded(since), loaded(seen), bool(let_in))
