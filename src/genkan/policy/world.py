# SPDX-License-Identifier: Apache-2.0
"""What the checks ask of the outside: the time, mailboxes, the DNS. The server's own answers, and recorded ones, fit here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Collection, Sequence
    from datetime import datetime

    from genkan.directory.accounts import Account
    from genkan.dns.answer import Answer
    from genkan.dns.spf import SpfResult
    from genkan.rules.mail_hosts import Lookup


class World(Protocol):
    """The outside of policy. What takes time is an awaitable."""

    def may_ask(self, about: str) -> bool:
        """Whether the DNS may be asked with `texts` about something."""
        ...

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    def mailbox_usage(self, account: Account) -> Awaitable[int]:
        """The octets that an account's mailbox holds."""
        ...

    def listed(self, client_address: str, zones: Sequence[str]) -> str | Awaitable[str | None] | None:
        """The first of these DNS block lists that lists the client; at once when the answers are known."""
        ...

    def spf(
        self, client_address: str, sender: str, hello_domain: str
    ) -> SpfResult | Awaitable[SpfResult | None] | None:
        """What SPF says of the client, at once when the answers are known; `None` when nobody is asked.

        `sender` is a mailbox without quoting, or "".
        """
        ...

    def is_patient(self, client_address: str, sender: str) -> bool:
        """Whether a sender that SPF would defer has come again late enough; `sender` may be a HELO domain."""
        ...

    def texts(self, name: str, client_address: str) -> Future[Answer]:
        """The TXT records at a name, asked for at once for the sake of a client, on the event loop; nobody has to wait."""
        ...

    def hosts_listed(self, lookups: Sequence[Lookup]) -> Awaitable[Collection[Lookup]]:
        """Those of the lookups that have a yes."""
        ...
