# SPDX-License-Identifier: Apache-2.0
"""Makes the mails that bring DMARC reports, from what the directory has counted (RFC 9990, 3.5.2); in a thread of its own.

Whom they are for is decided elsewhere.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from genkan.directory.errors import InvalidValue
from genkan.directory.resolution import External, Unknown
from genkan.dkim.message_signer import signed, signers_of
from genkan.dmarc.daily import daily_report, identity_of
from genkan.dmarc.report import ReportMail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from genkan.directory.directory import Directory
    from genkan.dkim.key_pair import KeyFileError
    from genkan.dkim.message_signer import StoredKey
    from genkan.dmarc.daily import ReportIdentity
    from genkan.smtp.address import Mailbox

T = TypeVar("T")

DAYS_BACK: Final = 3  # days whose reports are still sent; of older ones nobody wants to know


class DeskSettings(NamedTuple):
    """The settings `hostname`, `dmarc.report_from`, `dmarc.report_organization` and `dkim.sign`."""

    hostname: str
    sender: str
    organization: str
    signs: bool


class ReportMails(NamedTuple):
    """The mails that bring one report, by their recipients; `sender` is their reverse-path, `receiver` our name in them."""

    report_id: str
    receiver: str
    sender: Mailbox
    mails: tuple[tuple[Mailbox, bytes], ...]


class ReportDesk:
    """Asked on the event loop; whatever is asked may raise StorageError."""

    def __init__(
        self,
        open_directory: Callable[[], Directory],
        settings: DeskSettings,
        unusable_key: Callable[[StoredKey, KeyFileError], None],
    ) -> None:
        """`open_directory` is called in the thread; `unusable_key` there, too, for a key that cannot be signed with."""
        self._open_directory = open_directory
        self._settings = settings
        self._unusable_key = unusable_key
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dmarc-reports")
        self._own: Directory | None = None

    async def due(self, today: date) -> tuple[tuple[date, str], ...]:
        """The days before today, and the domains, of which reports may still be sent.

        Raises `InvalidValue` when there are some, and the address that is to send them is not ours.
        """
        return await self._run(lambda directory: self._due(directory, today))

    async def mails(self, day: date, domain: str, recipients: Sequence[Mailbox], now: datetime) -> ReportMails | None:
        """The mails of a report; `None` when there is nothing to report any more."""
        return await self._run(lambda directory: self._mails(directory, day, domain, recipients, now))

    async def note(self, day: date, domain: str, said: str) -> None:
        """Note what became of a report; it is not due any more."""
        await self._run(lambda directory: directory.dmarc_tallies.note_report(day, domain, said))

    def close(self) -> None:
        """Wait for what is being done; nothing may be asked afterwards."""
        self._thread.submit(self._close_own).result()
        self._thread.shutdown()

    async def _run(self, work: Callable[[Directory], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self._directory()))

    # In the thread.

    def _directory(self) -> Directory:
        if self._own is None:
            self._own = self._open_directory()
        self._own.refresh()
        return self._own

    def _close_own(self) -> None:
        if self._own is not None:
            self._own.close()

    def _identity(self, directory: Directory) -> ReportIdentity:
        settings = self._settings
        return identity_of(settings.hostname, settings.organization, settings.sender, directory.domains.default())

    def _due(self, directory: Directory, today: date) -> tuple[tuple[date, str], ...]:
        due = directory.dmarc_tallies.unreported(today - timedelta(days=DAYS_BACK), today - timedelta(days=1))
        sender = self._identity(directory).sender
        if due and isinstance(directory.resolve(sender), External | Unknown):
            raise InvalidValue(
                f"{sender} is no address of ours; make an account or alias for it, or set dmarc.report_from to another"
            )
        return due

    def _mails(
        self, directory: Directory, day: date, domain: str, recipients: Sequence[Mailbox], now: datetime
    ) -> ReportMails | None:
        counted = directory.dmarc_tallies.find(day, domain)
        if counted is None:
            return None
        identity = self._identity(directory)
        report = daily_report(identity, day, counted)
        keys = directory.dkim_keys.closest(identity.sender.domain) if self._settings.signs else ()
        signers = signers_of(keys, self._unusable_key)
        mail = ReportMail(report, identity.receiver, identity.sender)
        mails = [(to, signed(mail.to(to, now), signers, int(now.timestamp()))) for to in recipients]
        return ReportMails(report.id, identity.receiver, identity.sender, tuple(mails))
