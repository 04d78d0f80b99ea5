# SPDX-License-Identifier: Apache-2.0
"""Which settings a running server does not take up when its file is read again (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from genkan.config import Config

FIXED: Final = (
    *("workers", "storage", "listener", "directory", "spool", "delivery"),
    *("brake", "lists", "admin", "dns", "record", "log"),
)
"""Settings before the first table, and whole tables."""

FIXED_OF: Final = {
    "tls": ("certificate", "key"),
    "limits": (
        *("sessions", "sessions_per_client", "connections_per_client", "connection_window"),
        *("idle", "shutdown"),
    ),
    "dmarc": ("keep", "reports", "report_from", "report_organization", "keep_received"),
}
"""Of the other tables, these settings."""


def needs_restart(running: Config, read: Config) -> list[str]:
    """The settings and tables, by name, that differ in what was `read` and are as they were until the next start."""
    tables = [name for name in FIXED if getattr(read, name) != getattr(running, name)]
    keys = [
        f"{table}.{name}"
        for table, names in FIXED_OF.items()
        for name in names
        if getattr(getattr(read, table), name) != getattr(getattr(running, table), name)
    ]
    return tables + keys
