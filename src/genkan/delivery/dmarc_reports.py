# SPDX-License-Identifier: Apache-2.0
"""Sends the DMARC reports of the days that are over, through the queue (RFC 9990, 3.5 and 4).

A crash neither loses a report nor sends it twice: the spool remembers each mail by its report and recipient, and what is still
to be reported is asked every hour. So a domain whose DNS does not answer is tried again, until its day is too old.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from genkan.directory.errors import DirectoryError
from genkan.dmarc.destinations import find_destinations
from genkan.dmarc.discovery import TreeWalks
from genkan.dmarc.record import only_record
from genkan.dns.dmarc_texts import found_texts
from genkan.message.envelope import Envelope, Recipient
from genkan.spool.own_mail import PostOnce
from genkan.spool.post import Post
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from genkan.clock import Clock
    from genkan.delivery.dmarc_desk import ReportDesk, ReportMails
    from genkan.dmarc.destinations import Destinations
    from genkan.dmarc.discovery import Found
    from genkan.dns.resolver import Resolver
    from genkan.maillog import MailLog
    from genkan.smtp.address import Mailbox
    from genkan.spool.queue import Queue

_AT_ONCE: Final = 8  # domains that the DNS is asked about
_HOUR: Final = 3600  # seconds
_SETTLED: Final = 60  # seconds after midnight before the counts of all workers are sure to be written
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class DmarcReports:
    """Lives on the event loop; one for an installation."""

    def __init__(
        self,
        queue: Queue,
        desk: ReportDesk,
        resolver: Resolver,
        next_id: Callable[[], str],
        log: MailLog,
        clock: Clock,
    ) -> None:
        """`desk` writes the mails, which are closed with this; `next_id` gives message ids."""
        self._queue = queue
        self._desk = desk
        self._resolver = resolver
        self._next_id = next_id
        self._log = log
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, hostname: str) -> None:
        """Look every hour, in a minute that depends on the name, so that not all the world reports at midnight."""
        spread = int.from_bytes(hashlib.sha256(hostname.lower().encode()).digest()[:4])
        self._plan(_SETTLED + spread % (_HOUR - _SETTLED))

    async def stop(self) -> None:
        """End; what is under way is given up, and comes again at the next start."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        self._desk.close()

    async def send_due(self) -> None:
        """Put into the queue what is to be reported now."""
        try:
            due = await self._desk.due(self._clock.now().date())
        except (DirectoryError, StorageError) as error:
            self._log.server("DMARC reports are not sent", error=str(error))
            return
        for start in range(0, len(due), _AT_ONCE):
            reports = (self._report(day, domain) for day, domain in due[start : start + _AT_ONCE])
            for outcome in await asyncio.gather(*reports, return_exceptions=True):
                if isinstance(outcome, Exception):  # whichever made it fail is not to hold up the others
                    self._log.failure("DMARC report", outcome)

    def _plan(self, offset: int) -> None:
        loop, now = asyncio.get_running_loop(), (self._clock.now() - _EPOCH).total_seconds()

        def look() -> None:
            if self._task is None or self._task.done():
                self._task = loop.create_task(self.send_due())
            self._plan(offset)

        self._timer = loop.call_later(_HOUR - (now - offset) % _HOUR, look)

    async def _report(self, day: date, domain: str) -> None:
        try:
            destinations = await self._destinations(domain)
            if destinations.mailboxes:
                written = await self._desk.mails(day, domain, destinations.mailboxes, self._clock.now())
                if written is not None:
                    await self._post(written)
            if destinations.undecided:
                self._log.server("a DMARC report waits for the DNS", domain=domain, uris=list(destinations.undecided))
            else:
                await self._desk.note(day, domain, _said(destinations))
                self._log.server("DMARC report", domain=domain, day=str(day), result=_said(destinations))
        except StorageError as error:
            self._log.server("a DMARC report waits", domain=domain, error=str(error))

    async def _destinations(self, domain: str) -> Destinations:
        """Where the domain wants its reports now."""
        walks = TreeWalks(self._find)
        found = await walks.find_texts(f"_dmarc.{domain}")
        record = only_record(found.texts)
        destinations = await find_destinations(domain, () if record is None else record.rua, walks)
        if found.status == "failed":
            return destinations._replace(undecided=(f"_dmarc.{domain}",))
        return destinations

    async def _find(self, name: str) -> Found:
        return found_texts(await self._resolver.query(name, "TXT"))

    async def _post(self, written: ReportMails) -> None:
        """Spool the mails that are not there yet. Raises `StorageError`."""
        posts = {
            f"dmarc {written.report_id} {mailbox.folded()}": Post(self._envelope(written, mailbox), content)
            for mailbox, content in written.mails
        }
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def posted(error: StorageError | None) -> None:
            if not done.done():  # else nobody waits for it any more
                done.set_exception(error) if error is not None else done.set_result(None)

        self._queue.submit(PostOnce(self._queue, posts, self._clock.now(), posted))
        await done

    def _envelope(self, written: ReportMails, mailbox: Mailbox) -> Envelope:
        """SPF has to pass for the sender's domain, so the reverse-path is not null (RFC 9990, 3.5.2).

        It is the recipient's own, as a list's is: a report is no mail of an account that the brake should count. Who publishes
        an address where nothing can be delivered is not told, and neither are we.
        """
        sender = written.sender
        return Envelope(
            message_id=self._next_id(),
            accepted_at=self._clock.now(),
            reverse_path=sender,
            recipients=(Recipient(mailbox, mailbox, "NEVER", reverse_path=sender),),
            client_address="127.0.0.1",
            hello_domain=written.receiver,
            protocol="report",
            smtputf8=not (str(sender).isascii() and str(mailbox).isascii()),
        )


def _said(destinations: Destinations) -> str:
    """What became of a report, in words."""
    said = [f"sent to {', '.join(map(str, destinations.mailboxes))}"] if destinations.mailboxes else []
    said += [f"not to {refused.uri}: {refused.reason}" for refused in destinations.refused]
    return "; ".join(said) or "nobody wants one"
