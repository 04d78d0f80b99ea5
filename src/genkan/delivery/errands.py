# SPDX-License-Identifier: Apache-2.0
"""What is done for a recipient besides carrying his mail somewhere: forwards, automatic replies, lists and their addresses.

What blocks, and what takes long, runs in a thread that has a directory of its own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from genkan.delivery.errand_context import ErrandContext
from genkan.delivery.forwarding import MOST_HEADER as FORWARD_HEADER
from genkan.delivery.forwarding import forward
from genkan.delivery.list_copy import expand_list
from genkan.delivery.list_roles import BODY, handle_role
from genkan.delivery.outcome import Failed
from genkan.delivery.replying import MOST_HEADER as REPLY_HEADER
from genkan.delivery.replying import automatic_reply
from genkan.message.message_id import format_message_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.clock import Clock
    from genkan.delivery.batches import Batches
    from genkan.delivery.outcome import Expanded, Outcome
    from genkan.directory.accounts import Account
    from genkan.directory.auto_replies import AutoReply
    from genkan.directory.directory import Directory
    from genkan.directory.forwards import Forward
    from genkan.directory.resolution import ListRole, MailingList
    from genkan.spool.post import Post
    from genkan.spool.queue import Leased

_MOST_HEADER: Final = 256 * 1024  # octets of a header section that is read whole
_TOO_LONG: Final = "5.6.0"


@dataclass(frozen=True, slots=True)
class ErrandSettings:
    """Our name, and the settings that errands obey."""

    hostname: str
    list_url: str
    hops: int


class Errands:
    """Runs errands. Lives on the event loop."""

    def __init__(
        self,
        open_directory: Callable[[], Directory],
        settings: ErrandSettings,
        batches: Batches,
        next_id: Callable[[], str],
        clock: Clock,
    ) -> None:
        """`next_id` is for the event loop, `batches` has the threads, for which directories are opened, and reads the spool."""
        self._open_directory = open_directory
        self._settings = settings
        self._batches = batches
        self._next_id = next_id
        self._clock = clock
        self._local = threading.local()

    async def forward(self, leased: Leased, account: Account, wanted: Forward) -> Expanded | Failed | None:
        """See `forwarding.forward`."""
        message_id = self._next_id()
        return await self._batches.run(lambda: self._forward(leased, account, wanted, message_id))

    async def reply(self, leased: Leased, account: Account, reply: AutoReply) -> Post | None:
        """See `replying.automatic_reply`."""
        return await self._batches.run(lambda: self._reply(leased, account, reply))

    async def expand(self, leased: Leased, mailing_list: MailingList) -> Outcome:
        """See `list_copy.expand_list`."""
        return await self._batches.run(lambda: self._expand(leased, mailing_list))

    async def act(self, leased: Leased, role: ListRole) -> Outcome:
        """See `list_roles.handle_role`."""
        return await self._batches.run(lambda: self._act(leased, role))

    # In a thread, each in one go: what waits for a thread has read nothing yet, and so needs no room.

    def _forward(self, leased: Leased, account: Account, wanted: Forward, message_id: str) -> Expanded | Failed | None:
        header, _ = self._start(leased, FORWARD_HEADER)
        return forward(leased, account, wanted, header, replace(self._context(), next_id=lambda: message_id))

    def _reply(self, leased: Leased, account: Account, reply: AutoReply) -> Post | None:
        header, _ = self._start(leased, REPLY_HEADER)
        return automatic_reply(leased, account, reply, header, self._context())

    def _expand(self, leased: Leased, mailing_list: MailingList) -> Outcome:
        header, rest = self._start(leased, _MOST_HEADER)
        if not rest and len(header) >= _MOST_HEADER:
            return Failed(f"{mailing_list.address} takes no header section of more than 256 KiB", status=_TOO_LONG)
        return expand_list(leased, mailing_list, header, self._context())

    def _act(self, leased: Leased, role: ListRole) -> Outcome:
        header, body = self._start(leased, _MOST_HEADER + BODY)
        return handle_role(leased, role, header, body[:BODY], self._context())

    def _start(self, leased: Leased, most: int) -> tuple[bytes, bytes]:
        """The header section, without the blank line behind it, and the first octets of the body. Raises `OSError`."""
        start = self._batches.read_start(leased, most)
        if start.startswith(b"\r\n"):
            return b"", start[2:]
        header, blank, body = start.partition(b"\r\n\r\n")
        return (header + b"\r\n", body) if blank else (start, b"")

    def _context(self) -> ErrandContext:
        directory: Directory | None = getattr(self._local, "directory", None)
        if directory is None:
            directory = self._local.directory = self._open_directory()
        directory.refresh()
        hostname, list_url, hops = self._settings.hostname, self._settings.list_url, self._settings.hops
        return ErrandContext(directory, hostname, list_url, hops, self._clock.now(), lambda: _next_id(directory))


def _next_id(directory: Directory) -> str:
    """A message id; a transaction for each, which only the few errands in threads can afford."""
    return format_message_id(directory.next_message_ids(1)[0])
