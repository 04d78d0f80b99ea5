# SPDX-License-Identifier: Apache-2.0
"""The content of one mail transaction, from 354 to its end: kept in a draft, and shown to whoever has to judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from genkan.message.content import HeaderScan
from genkan.message.mime import TextReader
from genkan.policy.facts import ContentFacts
from genkan.policy.handling import Handlings
from genkan.rules.mail_match import MailText

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.listener.house import House
    from genkan.policy.facts import TransactionFacts
    from genkan.scanner.clamd import Scan
    from genkan.smtp.events import ContentEnded
    from genkan.spool.spool import Draft


class Behind(Protocol):
    """Somebody who may not keep up."""

    @property
    def is_behind(self) -> bool:
        """Whether too much waits already."""
        ...

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once it does not."""
        ...


class Intake:
    """Takes content; `draft` begins with `trace`, our own trace field."""

    __slots__ = ("_header", "_house", "_reader", "_scan", "draft", "message_id", "trace", "transaction")

    def __init__(self, house: House, transaction: TransactionFacts, message_id: str, trace: bytes) -> None:
        """Begin; it ends with the draft's acceptance or `discard`."""
        rules = house.rules
        self._house = house
        self.transaction = transaction
        self.message_id = message_id
        self.trace = trace
        self.draft: Draft = house.spool.begin()
        self.draft.append(trace)
        self._header = HeaderScan(rules.header_size)
        self._reader: TextReader | None = None
        self._scan: Scan | None = None
        reads = house.chain.reads_text(transaction) or house.trials.reads_text(transaction)
        if (reads or house.scanner is not None) and house.chain.filters(transaction):
            self._reader = TextReader(rules.text_size) if reads else None
            self._scan = None if house.scanner is None else house.scanner.begin()

    def feed(self, octets: bytes) -> None:
        """Take the next octets."""
        self._header.feed(octets)
        self.draft.append(octets)
        if self._reader is not None:
            self._reader.feed(octets)
        if self._scan is not None:
            self._scan.feed(octets)

    def behind(self) -> Behind | None:
        """Who does not keep up with the client, if anybody: the disk or the scanner."""
        spool = self._house.spool
        if spool.is_behind:
            return spool
        return self._scan if self._scan is not None and self._scan.is_behind else None

    def ended(self, event: ContentEnded) -> ContentFacts:
        """The content is complete: what the checks may know of it."""
        text = None
        if self._reader is not None:
            self._reader.finish()
            text = MailText(self._reader.header, self._reader.texts)
        return ContentFacts(self.transaction, event.fault, event.size, self._header, Handlings(), text, scan=self._scan)

    def header_section(self) -> bytes:
        """The header section as it came, without the blank line behind it; the first `limits.header_size` octets of it."""
        return self._header.section

    def header_start(self) -> bytes:
        """The first octets of the header section: as many as the record keeps."""
        return self._header.section[: self._house.rules.kept_header]

    def discard(self) -> None:
        """Nothing is to be kept."""
        self._house.spool.discard(self.draft)
        self.stop_scan()

    def stop_scan(self) -> None:
        """The scanner's answer is not needed, or has been given."""
        if self._scan is not None:
            self._scan.abort()
            self._scan = None
