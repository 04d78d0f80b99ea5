# SPDX-License-Identifier: Apache-2.0
"""What all connections of one listener share, and what changes for the next ones when the configuration is reloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.listener.admission import Entrance
from genkan.policy.verdict import Verdict
from genkan.smtp import replies
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    import ssl

    from genkan.listener.admission import Admission
    from genkan.listener.connection import Connection
    from genkan.listener.house import House
    from genkan.listener.idle import IdleWatch
    from genkan.policy.facts import Role
    from genkan.smtp.session_rules import SessionRules


class Door:
    """What all connections of one listener share."""

    __slots__ = (
        "_rules",
        "_without_cram_md5",
        "admission",
        "certificates",
        "connections",
        "house",
        "idle",
        "role",
        "stopping",
    )

    def __init__(self, house: House, rules: SessionRules, role: Role, admission: Admission, idle: IdleWatch) -> None:
        """`rules` are the protocol's for this listener; `certificates` is set where STARTTLS is offered."""
        self.renew(house, rules)
        self.role = role
        self.admission = admission
        self.idle = idle
        self.certificates: ssl.SSLContext | None = None
        self.connections: set[Connection] = set()
        self.stopping = False

    def renew(self, house: House, rules: SessionRules) -> None:
        """Take a new configuration, for the connections to come."""
        self.house = house
        self._rules = rules
        self._without_cram_md5 = rules.without("CRAM-MD5")

    def refusal(self, entrance: Entrance, client_address: str) -> Verdict | None:
        """Why a client may not come in, whoever it is; one that comes too often is locked. Raises `StorageError`."""
        if entrance is Entrance.FULL:
            return Verdict("sessions", replies.TOO_MANY_SESSIONS)
        if entrance is Entrance.TOO_OFTEN:
            now, duration = self.house.clock.now(), self.house.rules.connection_lockout
            if self.house.directory.locks.lock_for_rate(client_address, now, duration):
                return Verdict("connection-rate", None, detail=f"too many connections, locked for {duration}")
            # Loopback, or one who has authenticated lately, is not locked.
            return Verdict("connection-rate", replies.TOO_MANY_SESSIONS)
        return Verdict("stopping", replies.SHUTTING_DOWN) if self.stopping else None

    def rules_now(self) -> SessionRules:
        """The rules for a new connection.

        CRAM-MD5 is offered while an account has the readable secret that it needs: many clients would choose it first, and fail.
        """
        try:
            possible = self.house.directory.accounts.has_readable_secret()
        except StorageError:
            return self._rules  # the checks at connect will say what is wrong
        return self._rules if possible else self._without_cram_md5
