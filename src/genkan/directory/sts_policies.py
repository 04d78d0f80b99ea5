# SPDX-License-Identifier: Apache-2.0
"""MTA-STS policies that were fetched (RFC 8461, 5.1), kept for all workers and over a restart until they expire."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from genkan.directory.moments import loaded, stored
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.directory.store import Store

MAX_POLICIES: Final = 10_000  # whoever has many domains must not fill the disk with them

StsMode = Literal["enforce", "testing", "none"]


class StoredPolicy(NamedTuple):
    """The policy of a domain: the `id` of its DNS record, and the patterns that its MX hosts have to match."""

    domain: str
    id: str
    mode: StsMode
    mx: tuple[str, ...]
    fetched: datetime
    expires: datetime


class StoredPolicies:
    """The table of policies. It is not cached and concerns no cache: it is asked for a domain that a worker has not met yet."""

    def __init__(self, store: Store, most: int = MAX_POLICIES) -> None:
        self._store = store
        self._queries = store.queries
        self._most = most

    def get(self, domain: str) -> StoredPolicy | None:
        """The policy of a domain, also one that has expired; `None` if none was fetched."""
        row = self._store.row(self._queries.sts_policy, fold_domain(domain))
        if row is None:
            return None
        name, number, mode, mx, fetched, expires = row
        return StoredPolicy(name, number, mode, tuple(json.loads(mx)), loaded(fetched), loaded(expires))

    def put(self, policy: StoredPolicy) -> None:
        """Keep a policy in place of the domain's former one; of too many, those that expire first are forgotten.

        What a power failure takes is fetched again.
        """
        key, mx = fold_domain(policy.domain), json.dumps(policy.mx)
        values = (key, policy.id, policy.mode, mx, stored(policy.fetched), stored(policy.expires))
        with self._store.quick_transaction():
            self._store.rows(self._queries.sts_policy_set, *values)
            self._store.rows(self._queries.sts_policy_trim, self._most)

    def drop_expired(self, now: datetime) -> None:
        """Forget the policies that do not count any more."""
        with self._store.quick_transaction():
            self._store.rows(self._queries.sts_policy_purge, stored(now))
