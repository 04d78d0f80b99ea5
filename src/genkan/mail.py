# SPDX-License-Identifier: Apache-2.0
"""What a Python function that takes mail is given, and what it may answer: `from genkan.mail import Mail, Defer, Refuse`.

For the code of others: names and meanings stay. Nothing here imports the server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

HEADER_LIMIT: Final = 256 * 1024  # octets of a header section, unless another limit is named

_STATUS: Final = re.compile(r"([45])\.[0-9]{1,3}\.[0-9]{1,3}")
_BLANK_LINE: Final = b"\r\n\r\n"
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Refuse(Exception):
    """Never deliver this: the reverse-path is told `reason`. Raise it for all recipients, or see `MailRecipient.refuse`.

    `status` is an enhanced code of class 5 (RFC 3463).
    """

    def __init__(self, reason: str, status: str = "5.0.0") -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = _checked(status, "5")


class Defer(Exception):
    """Not this time: it is tried again as the setting `delivery.retry` says. Raise it, or see `MailRecipient.defer`.

    `status` is an enhanced code of class 4 (RFC 3463).
    """

    def __init__(self, reason: str, status: str = "4.0.0") -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = _checked(status, "4")


@dataclass(slots=True)
class MailRecipient:
    """One of those whom the mail is for.

    `forward_path` is the address that the client gave, `mailbox` where the directory sends it. `notify` and `original`
    are the NOTIFY and ORCPT parameters as given (RFC 3461, 4.1 and 4.2), or "". `number` tells the recipients of one
    message apart and stays the same; `attempt` counts from 1: from 2 on the attempt before may have succeeded, by a crash.
    """

    forward_path: str
    mailbox: str
    notify: str = ""
    original: str = ""
    number: int = 0
    attempt: int = 1
    said: Refuse | Defer | None = None

    def refuse(self, reason: str, status: str = "5.0.0") -> None:
        """Never deliver it to this recipient; what counts for the others is not touched. What is said last counts."""
        self.said = Refuse(reason, status)

    def defer(self, reason: str, status: str = "4.0.0") -> None:
        """Try again later for this recipient only. What is said last counts."""
        self.said = Defer(reason, status)


@dataclass(frozen=True, slots=True)
class Mail:
    """A message on its way to `recipients`: its envelope, and a content that is read as often and as far as it is wanted.

    `reverse_path` is "" for the null one: nobody may be answered then (RFC 5321, 4.5.5). `account` is the address of the
    account that sent it, or "". `body` is the BODY parameter as given. `content()` gives the `size` octets of the content
    from its beginning, block by block, with CRLF at line ends; it raises `OSError` when it cannot be read.
    """

    id: str
    accepted_at: datetime
    reverse_path: str
    recipients: tuple[MailRecipient, ...]
    size: int
    content: Callable[[], AsyncIterator[bytes]] = field(repr=False)
    client_address: str = ""
    hello_domain: str = ""
    account: str = ""
    protocol: str = ""
    body: str = ""
    smtputf8: bool = False

    @staticmethod
    def of(content: bytes, reverse_path: str, recipients: Sequence[str]) -> Mail:
        """Mail for a test: that content, from and to these addresses, with an id and a time that are always the same."""

        async def blocks() -> AsyncIterator[bytes]:
            yield content

        named = tuple(MailRecipient(address, address, number=number) for number, address in enumerate(recipients))
        return Mail("B0000000001", _LONG_AGO, reverse_path, named, len(content), blocks)

    async def read(self, limit: int) -> bytes:
        """The whole content. Raises `Refuse` with 5.3.4 (message too big) when it has more than `limit` octets."""
        if self.size > limit:
            raise Refuse(f"the message has {self.size} octets, more than {limit}", "5.3.4")
        return b"".join([block async for block in self.content()])

    async def header_section(self, limit: int = HEADER_LIMIT) -> bytes:
        """The fields before the blank line, each with its CRLF; beyond `limit` octets it is cut off (RFC 5322, 2.1)."""
        start = b""
        async for block in self.content():
            start += block
            if start.startswith(b"\r\n"):
                return b""
            end = start.find(_BLANK_LINE, max(0, len(start) - len(block) - len(_BLANK_LINE)))
            if end >= 0:
                return start[: end + 2][:limit]
            if len(start) >= limit + len(_BLANK_LINE):
                break
        return start[:limit]


def _checked(status: str, first: str) -> str:
    found = _STATUS.fullmatch(status)
    if found is None or found[1] != first:
        msg = f"{status!r} is no enhanced code of class {first}, such as {first}.0.0"
        raise ValueError(msg)
    return status
