# SPDX-License-Identifier: Apache-2.0
"""Mail that brings DMARC reports about our domains: it is read, and what it reports is kept (RFC 9990, 3.5.2).

In a thread, since a large one takes seconds. Mail in which there is no report that can be read is refused, so that whoever
asked for this way can have it lie where a person sees it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from genkan.delivery.outcome import Deferred, Delivered, Failed, words_of
from genkan.delivery.whole import whole_content, whole_size
from genkan.dmarc.reading import read_report
from genkan.dmarc.unpacking import ReportError
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from genkan.clock import Clock
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from genkan.directory.directory import Directory

NAME: Final = "dmarc-reports:"
LARGEST: Final = 2 * 1024 * 1024  # octets of a mail, which is whole in memory while it is read

_NO_REPORT: Final = "5.6.0"  # RFC 3463: the content is not what it should be
_NOT_NOW: Final = "4.3.0"


class ReportsOpener:
    """See `Opener`; there is always a way."""

    def __init__(self, open_directory: Callable[[], Directory], keep: timedelta, clock: Clock) -> None:
        """`open_directory` is called in the thread; reports older than `keep` are forgotten."""
        self._open_directory = open_directory
        self._keep = keep
        self._clock = clock

    async def __call__(self) -> ReportsCarrier:
        """See `Opener`."""
        return ReportsCarrier(self._open_directory, self._keep, self._clock)


class ReportsCarrier:
    """Takes reports, one mail at a time."""

    def __init__(self, open_directory: Callable[[], Directory], keep: timedelta, clock: Clock) -> None:
        self._open_directory = open_directory
        self._keep = keep
        self._clock = clock

    @property
    def usable(self) -> bool:
        """See `Carrier`."""
        return True

    async def close(self) -> None:
        """See `Carrier`."""

    async def carry(self, consignment: Consignment) -> list[Outcome]:
        """See `Carrier`."""
        return [await self._outcome(consignment)] * len(consignment.leased)

    async def _outcome(self, consignment: Consignment) -> Outcome:
        if whole_size(consignment) > LARGEST:
            return _no_report(f"it has more than {LARGEST} octets")
        try:
            octets = b"".join([block async for block in whole_content(consignment)])
        except OSError as error:
            return Deferred(f"the content cannot be read: {words_of(error)}", status=_NOT_NOW)
        path = consignment.reverse_path
        return await asyncio.to_thread(self._take, octets, "" if path is None else str(path))

    def _take(self, mail: bytes, sender: str) -> Outcome:
        """In a thread: read, and keep."""
        try:
            report = read_report(mail)
        except ReportError as error:
            return _no_report(str(error))
        now = self._clock.now()
        try:
            with self._open_directory() as directory:
                directory.dmarc_received.drop_before(now - self._keep)
                is_new = directory.dmarc_received.add(report, sender, now)
        except StorageError as error:
            return Deferred(f"the report cannot be kept: {error}", status=_NOT_NOW)
        return Delivered(by=NAME if is_new else f"{NAME} (it has come before)")


def _no_report(why: str) -> Failed:
    return Failed(f"no DMARC report that can be read: {why}", _NO_REPORT)
