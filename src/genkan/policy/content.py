# SPDX-License-Identifier: Apache-2.0
"""Checks of the content, and of its size as declared at MAIL (RFC 1870)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.policy.verdict import Verdict
from genkan.smtp import replies
from genkan.smtp.maildata import Fault

if TYPE_CHECKING:
    from genkan.policy.facts import ContentFacts, TransactionFacts
    from genkan.smtp.reply import ReplyRow

_FAULTS: Final[dict[Fault, ReplyRow]] = {
    Fault.TOO_BIG: replies.MESSAGE_TOO_BIG,
    Fault.BARE_NEWLINE: replies.BARE_NEWLINE,
    Fault.LINE_TOO_LONG: replies.TEXT_LINE_TOO_LONG,
}


class DeclaredSize:
    """A message that says at MAIL that it is too big need not come."""

    name = "declared-size"

    def __init__(self, limit: int) -> None:
        """`limit` is `limits.message_size` in octets."""
        self._limit = limit

    def check(self, transaction: TransactionFacts) -> Verdict | None:
        """Refuse SIZE= above the limit."""
        declared = transaction.parameters.size
        if declared is None or not 0 < self._limit < declared:
            return None
        return Verdict(
            self.name,
            replies.MESSAGE_TOO_BIG,
            detail=f"declared {declared} octets, limits.message_size = {self._limit}",
        )


class MailDataFault:
    """What the protocol found wrong with the mail data: size, bare newline, line length."""

    name = "mail-data"

    def check(self, content: ContentFacts) -> Verdict | None:
        """Refuse mail data with a fault."""
        if content.fault is None:
            return None
        return Verdict(self.name, _FAULTS[content.fault], detail=content.fault.name.lower().replace("_", " "))


HEADER_LINES: Final = "limits.header_lines"  # with which a detail begins


class HeaderSize:
    """A header section without end is no mail (settings `limits.header_size` and `limits.header_lines`)."""

    name = "header-size"

    def __init__(self, octets: int, lines: int) -> None:
        """The most that there may be of them."""
        self._octets = octets
        self._lines = lines

    def check(self, content: ContentFacts) -> Verdict | None:
        """Refuse a header section above a limit."""
        if content.header.header_octets > self._octets:
            return Verdict(self.name, replies.HEADER_TOO_BIG, detail=f"limits.header_size = {self._octets}")
        if content.header.header_lines > self._lines:
            return Verdict(self.name, replies.HEADER_TOO_BIG, detail=f"{HEADER_LINES} = {self._lines}")
        return None


class Hops:
    """More trace fields than the limit mean a loop (RFC 5321, 6.3; the product's default is 20); ours does not count."""

    name = "hops"

    def __init__(self, limit: int) -> None:
        """`limit` is `limits.hops`, 0: none."""
        self._limit = limit

    def check(self, content: ContentFacts) -> Verdict | None:
        """Refuse mail that has come through too many hosts."""
        if not 0 < self._limit < content.header.received:
            return None
        return Verdict(
            self.name,
            replies.TOO_MANY_HOPS,
            detail=f"{content.header.received} Received fields, limits.hops = {self._limit}",
        )
