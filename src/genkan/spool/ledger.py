# SPDX-License-Identifier: Apache-2.0
"""Which content is still needed: told to the segments after a commit, or, by another process, written down within it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from genkan.spool.segments import format_extents, parse_extents

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from genkan.spool.rows import Row
    from genkan.spool.segments import Extent, Segments
    from genkan.storage.sqlite import Queries


class Ledger(Protocol):
    """Keeps account of extents that rows begin or cease to name; a job calls both methods with the same extents."""

    def write(self, connection: apsw.Connection, shared: Sequence[Extent], freed: Sequence[Extent]) -> None:
        """Inside the transaction that changes the rows, on the writer's thread."""
        ...

    def apply(self, shared: Sequence[Extent], freed: Sequence[Extent]) -> None:
        """After its commit, on the event loop."""
        ...


class OwnLedger:
    """Of the process that gives out the segments: what they need to know, they are told."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments

    def write(self, connection: apsw.Connection, shared: Sequence[Extent], freed: Sequence[Extent]) -> None:
        """See `Ledger`: nothing, since a crash makes the segments count anew."""

    def apply(self, shared: Sequence[Extent], freed: Sequence[Extent]) -> None:
        """See `Ledger`."""
        self._segments.share(shared)
        self._segments.release(freed)


class ForeignLedger:
    """Of every other process: what it has changed is found in the database by the one that gives out the segments."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def write(self, connection: apsw.Connection, shared: Sequence[Extent], freed: Sequence[Extent]) -> None:
        """See `Ledger`."""
        for change, extents in ((1, shared), (-1, freed)):
            if extents:
                connection.execute(self._queries.insert_extent_change, (change, format_extents(extents)))
        if shared or freed:
            connection.execute(self._queries.count_outside_change)

    def apply(self, shared: Sequence[Extent], freed: Sequence[Extent]) -> None:
        """See `Ledger`: nothing is left to do."""


def take_changes(connection: apsw.Connection, queries: Queries) -> tuple[list[Extent], list[Extent]]:
    """What other processes have shared and freed since the last call; inside a transaction, whose commit forgets it."""
    shared: list[Extent] = []
    freed: list[Extent] = []
    changes: list[Row] = connection.execute(queries.take_extent_changes).fetchall()
    for change, extents in changes:
        (shared if change > 0 else freed).extend(parse_extents(extents))
    return shared, freed
