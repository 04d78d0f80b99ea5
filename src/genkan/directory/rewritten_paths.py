# SPDX-License-Identifier: Apache-2.0
"""The reverse-paths that this installation rewrites when it forwards mail, and what a bounce to one of them is for.

The day is that of the database's clock for both, as for all times that the directory notes by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.message.srs import SrsKeys, is_rewritten

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.directory.store import Store
    from genkan.smtp.address import Mailbox

SECRET: Final = "srs"  # noqa: S105  (the name of a row)


class RewrittenPaths:
    """Makes them and reads them; nothing is kept of those that were made."""

    def __init__(self, store: Store, secret: Callable[[str], bytes]) -> None:
        """`secret` gives the secret of a name, and makes it when there is none."""
        self._store = store
        self._queries = store.queries
        self._secret = secret

    def rewrite(self, mailbox: Mailbox, domain: str) -> Mailbox | None:
        """The path in `domain` that stands for `mailbox` for 21 days; `None` when it would be too long."""
        return SrsKeys(self._secret(SECRET)).rewrite(mailbox, domain, self._today())

    def restore(self, mailbox: Mailbox) -> Mailbox | None:
        """What a path stands for; `None` for one that is forged, too old, or no such path. Never writes."""
        if not is_rewritten(mailbox.local_part):
            return None
        row = self._store.row(self._queries.secret, SECRET)  # without one no path was ever made
        return None if row is None else SrsKeys(bytes(row[0])).restore(mailbox, self._today())

    def _today(self) -> int:
        [(day,)] = self._store.rows(self._queries.today)
        return int(day)
