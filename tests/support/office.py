# SPDX-License-Identifier: Apache-2.0
"""A delivery side without a server around it: a spool, a directory with ann and bob, a dispatcher, a stopped clock."""

from __future__ import annotations

import json
import os
from contextlib import closing, contextmanager
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from genkan.deliveries import Deliveries
from genkan.delivery.reporting import Retry
from genkan.directory.directory import Directory
from genkan.dns.resolver import Resolver
from genkan.maillog import LogStream, MailLog
from genkan.message.envelope import Recipient
from genkan.message.message_id import format_message_id
from genkan.smtp.address import Mailbox
from genkan.spool.deciding import Changes
from genkan.spool.reading import QueuedRecipient, list_queued
from genkan.spool.spool import SpoolLimits
from tests.support.server import StoppedClock, configuration
from tests.support.spools import ANN, BOB, SpoolOnLoop, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.config import Config
    from genkan.delivery.dispatcher import Dispatcher
    from genkan.message.envelope import Envelope
    from genkan.spool.settling import Settled

RETRY: Final = Retry((timedelta(minutes=10), timedelta(hours=1)), timedelta(days=5), timedelta(hours=4))
SETTINGS: Final = """
delivery.maildir = "mail/{local_part}"
delivery.mta_sts = false
delivery.keep_open = "0s"
storage.url = "sqlite:."
"""
EVE: Final = Recipient(Mailbox("eve", "in.test"), Mailbox("eve", "in.test"))
FIRST_REPORT: Final = 900_000  # number of the first message that the delivery side makes itself


def nobodies(count: int) -> list[Recipient]:
    """Recipients that nobody is any more: attempted, but never delivered."""
    mailboxes = (Mailbox(f"r{number}", "in.test") for number in range(count))
    return [Recipient(mailbox, mailbox) for mailbox in mailboxes]


class Office:
    """A spool, a directory with ann and bob, and a dispatcher between them."""

    def __init__(self, folder: Path, opened: SpoolOnLoop, directory: Directory, config: Config) -> None:
        self.folder = folder
        self.config = config
        self.opened = opened
        self.directory = directory
        self.clock = StoppedClock()
        self._log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        opened.loop.run_until_complete(self._make())

    async def _make(self) -> None:
        config, log = self.config, MailLog(LogStream(self._log), self.clock)
        resolver = Resolver(config.dns.servers, config.dns.timeout, self.clock)
        numbers = count(FIRST_REPORT)
        self.deliveries = Deliveries(
            config, self.directory, resolver, lambda: format_message_id(next(numbers)), log, self.clock
        )
        self.dispatcher: Dispatcher = self.deliveries.add(self.opened.spool, self._settled)

    def envelope(self, number: int, *recipients: Recipient) -> Envelope:
        """Of a message accepted now."""
        return envelope(number, *recipients)._replace(accepted_at=self.clock.now())

    def accept(self, number: int, *recipients: Recipient, content: bytes = b"Subject: x\r\n\r\n") -> None:
        assert self.opened.accept(self.envelope(number, *recipients), content) is None

    def start(self) -> None:
        self.opened.loop.call_soon(self.begin)

    def begin(self) -> None:
        """On the event loop: deliver from now on."""
        self.dispatcher.start(Changes(self.opened.spool.folder))

    def _settled(self, settled: Settled) -> None:
        pass

    def stop(self) -> None:
        self.opened.loop.run_until_complete(self.dispatcher.stop())
        os.close(self._log)

    def advance(self, step: timedelta) -> None:
        """Move the clock, and look at the queue as the timer would."""
        self.clock.advance(step)
        self.opened.loop.call_soon(self.dispatcher._look)

    def logged(self, event: str) -> list[dict[str, Any]]:
        entries = map(json.loads, (self.folder / "log").read_text("utf-8").splitlines())
        return [entry for entry in entries if entry["event"] == event]

    def until_logged(self, event: str, count: int) -> None:
        log = self.folder / "log"
        self.opened.turn_until(lambda: log.read_text("utf-8").count(f'"event":"{event}"') >= count)
        self.opened.settle()

    @property
    def holds_nothing(self) -> bool:
        """Whether the dispatcher holds nobody, and nothing waits for an outcome: whatever became of mail is recorded."""
        attempts = self.dispatcher._attempts
        return not self.dispatcher._held and not attempts._awaited and not attempts._tasks

    def queued(self) -> dict[tuple[str, str], QueuedRecipient]:
        messages = list_queued(self.folder, self.clock.now())
        return {(message.message_id, one.mailbox): one for message in messages for one in message.recipients}

    def until_empty(self) -> None:
        self.opened.turn_until(lambda: not self.queued())

    def mail(self, local_part: str) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.folder / "mail" / local_part / "new").glob("*"))]


@contextmanager
def office_in(folder: Path, *, spool: str = "1", start: bool = True, settings: str = "") -> Iterator[Office]:
    """An office in a folder for the block; `settings` are lines of TOML."""
    retry = "" if "delivery.retry =" in settings else 'delivery.retry = ["10m", "1h"]\n'
    config = configuration(folder, SETTINGS + retry + settings)
    limits = SpoolLimits(inline_size=100, segment_size=10_000)
    with (
        open_spool_on_loop(folder / "spool" / spool, limits) as opened,
        closing(Directory.open(folder)) as directory,
    ):
        if not directory.is_local_domain("in.test"):
            directory.domains.add("in.test")
            for recipient in (ANN, BOB):
                directory.accounts.add(recipient.mailbox, "")
        office = Office(folder, opened, directory, config)
        if start:
            office.start()
        yield office
        office.stop()
