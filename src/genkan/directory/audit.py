# SPDX-License-Identifier: Apache-2.0
"""The audit trail: who decided what about which message or document, and when. Entries are added, and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkan.directory.moments import loaded, stored

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from genkan.directory.store import Store


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One decision: `actor` is who took it, `subject` what it is about, such as a message id."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: str


class Audit:
    """The table of decisions; the database itself refuses to change or to delete one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, at: datetime, actor: str, action: str, subject: str, detail: str = "") -> AuditEntry:
        """Keep a decision; on disk before this returns."""
        with self._store.transaction():
            self._store.rows(self._store.queries.audit_add, stored(at), actor, action, subject, detail)
        return AuditEntry(at, actor, action, subject, detail)

    def add_all(self, entries: Iterable[AuditEntry]) -> None:
        """Keep many decisions; all of them are on disk before this returns."""
        with self._store.transaction():
            for entry in entries:
                values = (stored(entry.at), entry.actor, entry.action, entry.subject, entry.detail)
                self._store.rows(self._store.queries.audit_add, *values)

    def list(self, subject: str | None = None, since: datetime | None = None) -> tuple[AuditEntry, ...]:
        """The decisions in the order they were kept: all, or those about `subject`, or those from `since` on."""
        rows = self._store.rows(self._store.queries.audit_list, subject, None if since is None else stored(since))
        return tuple(AuditEntry(loaded(at), *texts) for at, *texts in rows)
