# SPDX-License-Identifier: Apache-2.0
"""What people have asked of mailing lists by mail, until they confirm it from the address that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from genkan.directory.moments import loaded, stored
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.directory.resolution import MailingList
    from genkan.directory.store import Store

Purpose = Literal["subscribe", "unsubscribe"]

VALID: Final = timedelta(days=3)
APART: Final = timedelta(days=1)  # between two requests of one address, at least
MOST_OPEN: Final = 10_000  # of one list


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants to be put on the list with the id `list`, or taken off it."""

    id: int
    list: int
    purpose: Purpose
    address: Mailbox
    requested: datetime


class ListRequests:
    """The table of requests that wait for their confirmation."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = store.queries

    def open(self, mailing_list: MailingList, purpose: Purpose, address: Mailbox, now: datetime) -> Request | None:
        """Note a request; `None` when the address asked for the same within a day, or too many others did.

        So a stranger who writes in somebody's name makes us write to that address once a day.
        """
        key = address.folded()
        values = (mailing_list.id, purpose, key.domain, key.local_part, address.local_part, address.domain)
        with self._store.transaction():
            self._store.rows(self._queries.list_request_purge, stored(now - VALID))
            if self._store.rows(self._queries.list_request_count, mailing_list.id)[0][0] >= MOST_OPEN:
                return None
            row = self._store.row(self._queries.list_request_open, *values, stored(now - APART), stored(now))
        return None if row is None else Request(row[0], mailing_list.id, purpose, address, now)

    def by_id(self, number: int) -> Request | None:
        """The request with this id, however old."""
        row = self._store.row(self._queries.list_request, number)
        if row is None:
            return None
        found, mailing_list, purpose, local_part, domain, requested = row
        return Request(found, mailing_list, purpose, Mailbox(local_part, domain), loaded(requested))

    def close(self, request: Request) -> None:
        """Forget a request: it was carried out."""
        with self._store.change():
            self._store.rows(self._queries.list_request_close, request.id)
