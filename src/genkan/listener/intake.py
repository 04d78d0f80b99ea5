# SPDX-License-Identifier: Apache-2.0
"""The content of one mail transaction, from 354 to its end: kept in a draft, and shown to whoever has to judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from genkan.message.content import HeaderScan, Parting
from genkan.message.header import HeaderFields
from genkan.message.marking import marked
from genkan.message.mime import TextReader
from genkan.message.results import without_results
from genkan.policy.facts import ContentFacts
from genkan.policy.handling import AS_IT_IS, Handlings
from genkan.rules.mail_match import MailText

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.dkim.message_signer import MessageSigner
    from genkan.listener.house import House
    from genkan.message.content import BodyReader
    from genkan.policy.authenticity import Judge
    from genkan.policy.facts import TransactionFacts
    from genkan.policy.handling import Handling
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

    __slots__ = (
        "_header",
        "_house",
        "_judge",
        "_parting",
        "_reader",
        "_scan",
        "_signer",
        "draft",
        "message_id",
        "results",
        "section",
        "trace",
        "transaction",
    )

    def __init__(self, house: House, transaction: TransactionFacts, message_id: str, trace: bytes) -> None:
        """Begin; it ends with the draft's acceptance or `discard`."""
        rules = house.rules
        self._house = house
        self.transaction = transaction
        self.message_id = message_id
        self.trace = trace
        self.results = b""
        """Our Authentication-Results field, once the origin of the message has been judged."""
        self.section = b""
        """The header section as it came, without the blank line behind it; complete when the content is."""
        self.draft: Draft = house.spool.begin()
        self.draft.append(trace)
        self._header = HeaderScan(rules.header_size)
        self._parting = Parting(self._header, self._begin_body)
        self._judge: Judge | None = None
        self._signer: MessageSigner | None = None
        self._reader: TextReader | None = None
        self._scan: Scan | None = None
        reads = house.chain.reads_text(transaction) or house.trials.reads_text(transaction)
        if (reads or house.scanner is not None) and house.chain.filters(transaction):
            self._reader = TextReader(rules.text_size) if reads else None
            self._scan = None if house.scanner is None else house.scanner.begin()

    def feed(self, octets: bytes) -> None:
        """Take the next octets."""
        self.draft.append(octets)
        if self._reader is not None:
            self._reader.feed(octets)
        if self._scan is not None:
            self._scan.feed(octets)
        self._parting.feed(octets)

    def _begin_body(self, section: bytes) -> BodyReader | None:
        """The header section is complete: who looks at the body, to judge it or to sign it."""
        house, self.section = self._house, section
        self._judge = house.chain.judge(self.transaction, self._header)
        if self._judge is not None:
            return self._judge
        if house.signing is not None:
            self._signer = house.signing.signer(self.transaction, self._header)
        return self._signer

    def behind(self) -> Behind | None:
        """Who does not keep up with the client, if anybody: the disk or the scanner."""
        spool = self._house.spool
        if spool.is_behind:
            return spool
        return self._scan if self._scan is not None and self._scan.is_behind else None

    def ended(self, event: ContentEnded) -> ContentFacts:
        """The content is complete: what the checks may know of it."""
        self._parting.finish()
        facts = ContentFacts(self.transaction, event.fault, event.size, self._header, Handlings())
        if self._reader is not None:
            self._reader.finish()
            header = HeaderFields(self._own(self._reader.header.octets))
            facts.text = MailText(header, self._reader.texts)
        facts.scan, facts.judging = self._scan, self._judge
        return facts

    def begin_as(self, draft: Draft, handling: Handling = AS_IT_IS) -> None:
        """Let a draft of this content begin as the message goes on: with our fields, and no other's in our name."""
        header, front = self._own(self.section), self.results
        if handling.tag or handling.fields:
            header = marked(header, handling.tag, handling.fields)
        if self._signer is not None:
            front = self._signer.fields(header, int(self._house.clock.now().timestamp())) + front
        if front or header is not self.section:
            draft.replace_start(len(self.trace) + len(self.section), front + self.trace + header)

    def _own(self, header: bytes) -> bytes:
        """A header section in which nobody else speaks in our name (RFC 8601, 5)."""
        return without_results(header, self._house.hostname)

    def header_start(self) -> bytes:
        """The first octets of the header section: as many as the record keeps."""
        return self.section[: self._house.rules.kept_header]

    def discard(self) -> None:
        """Nothing is to be kept."""
        self._house.spool.discard(self.draft)
        self.stop_scan()

    def stop_scan(self) -> None:
        """The scanner's answer is not needed, or has been given."""
        if self._scan is not None:
            self._scan.abort()
            self._scan = None
