# SPDX-License-Identifier: Apache-2.0
"""Which queued recipients an operator means: what a selection may name, and those of a spool that fit it.

The query is static; what is not named is NULL there. A spool is read from end to end, since an index for each of these
questions would make every acceptance dearer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from genkan.message.message_id import message_number
from genkan.smtp.address import fold_domain
from genkan.spool.rows import microseconds, parse_stored
from genkan.storage.engine import translated
from genkan.storage.sqlite import Queries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    import apsw

State = Literal["due", "waiting", "leased", "held"]

NULL_PATH: Final = "<>"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is named must fit, all of it; the empty selection fits everything.

    `ids` are message ids, `account` the authenticated account, `sender` a reverse-path (`NULL_PATH` for the null one),
    `recipient` a forward-path or the mailbox it leads to, `domain` that of the mailbox, `reason` a part of the last outcome or
    of what a message is held for, in any case. `rule` is the place of the rule that holds it, such as `mail.dat` or
    `mail.dat:12`; `hold` what holds the recipient itself: `operator`, `brake` or `undeliverable`.
    """

    ids: tuple[str, ...] = ()
    account: str = ""
    sender: str = ""
    recipient: str = ""
    domain: str = ""
    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    state: State | None = None
    reason: str = ""
    rule: str = ""
    hold: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is named, so that everything fits."""
        return self == Selection()

    def parameters(self, now: datetime) -> dict[str, str | int | None]:
        """What the query wants. Raises `ValueError` for what is no message id."""
        numbers = [message_number(message_id) for message_id in self.ids]
        return {
            "messages": json.dumps(numbers) if numbers else None,
            "account": _folded(self.account) or None,
            "sender": _folded(self.sender) or None,
            "recipient": _folded(self.recipient) or None,
            "domain": fold_domain(self.domain) or None,
            "accepted_until": None if self.older_than is None else microseconds(now - self.older_than),
            "accepted_from": None if self.newer_than is None else microseconds(now - self.newer_than),
            "state": self.state,
            "reason": self.reason or None,
            "rule": self.rule or None,
            "hold": self.hold or None,
            "now": microseconds(now),
        }

    def __str__(self) -> str:
        """What is named, in words, for the audit trail."""
        words = [" ".join(self.ids)] if self.ids else []
        for name in ("account", "sender", "recipient", "domain", "state", "reason", "rule", "hold"):
            value = getattr(self, name)
            words += [f"{name} {value}"] if value else []
        words += [] if self.older_than is None else [f"older than {self.older_than}"]
        words += [] if self.newer_than is None else [f"newer than {self.newer_than}"]
        return ", ".join(words) or "everything"


class Chosen(NamedTuple):
    """A recipient that fits. `held` is what holds it, "" for nothing; `for_approval`: its message waits for a decision."""

    message: int
    number: int
    state: State
    held: str
    for_approval: int
    mailbox: str
    accepted_at: int


def chosen(
    connection: apsw.Connection, selection: Selection, now: datetime, page: int = 5000
) -> Iterator[list[Chosen]]:
    """The recipients of a spool that fit, in the order of acceptance, in pages; no page keeps a transaction open.

    What others change between two pages is seen in the second. Raises `StorageError`, and `ValueError` for what is no
    message id.
    """
    connection.create_scalar_function("folded", _folded, 1, deterministic=True)
    connection.create_scalar_function("folded_domain", _domain_of, 1, deterministic=True)
    parameters = selection.parameters(now) | {"limit": page, "after": 0, "after_number": -1}
    while True:
        with translated(connection.filename):
            found = [Chosen(*row) for row in connection.execute(_query(), parameters)]
        if found:
            yield found
        if len(found) < page:
            return
        parameters |= {"after": found[-1].message, "after_number": found[-1].number}


@cache
def _query() -> str:
    return Queries.load("spool").chosen


@lru_cache(maxsize=65536)
def _folded(address: str | None) -> str:
    """An address as it is compared; text that is none, such as `<>`, in lower case."""
    if not address:
        return ""
    try:
        return str(parse_stored(address).folded())
    except ValueError:
        return address.lower()


@lru_cache(maxsize=65536)
def _domain_of(mailbox: str) -> str:
    return fold_domain(mailbox.rpartition("@")[2])
