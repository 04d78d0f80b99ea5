# SPDX-License-Identifier: Apache-2.0
"""The audit trail: decisions are kept in order, found again, and never changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from genkan.directory import AuditEntry
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from genkan.directory import Directory

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_decisions_are_found_by_subject_and_by_time(directory: Directory, elsewhere: Directory) -> None:
    held = directory.audit.add(NOW, "filter", "hold", "B0000000001", "subject matched")
    other = directory.audit.add(NOW + HOUR, "ann@in.test", "reject", "B0000000002")
    freed = elsewhere.audit.add(NOW + 2 * HOUR, "ann@in.test", "approve", "B0000000001", "a customer")
    assert held == AuditEntry(NOW, "filter", "hold", "B0000000001", "subject matched")
    assert directory.audit.list() == (held, other, freed)
    assert directory.audit.list("B0000000001") == (held, freed)
    assert directory.audit.list(since=NOW + HOUR) == (other, freed)
    assert directory.audit.list("B0000000001", NOW + HOUR) == (freed,)
    assert directory.audit.list("B0000000003") == ()


def test_many_decisions_are_kept_at_once(directory: Directory) -> None:
    entries = [AuditEntry(NOW, "root", "delete", f"B000000000{number}", "") for number in (2, 1)]
    directory.audit.add_all(entries)
    assert directory.audit.list() == tuple(entries)


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_a_decision(directory: Directory, statement: str) -> None:
    kept = directory.audit.add(NOW, "ann@in.test", "approve", "B0000000001")
    with pytest.raises(StorageError, match="the audit trail is never changed"):
        directory._store.rows(statement)
    assert directory.audit.list() == (kept,)
