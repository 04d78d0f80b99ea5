# SPDX-License-Identifier: Apache-2.0
"""What a session tells its driver: questions, which want `send_reply` before the next event, and news, which do not."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from genkan.smtp.address import Mailbox
    from genkan.smtp.command import MailParameters, RcptParameters
    from genkan.smtp.maildata import Fault
    from genkan.smtp.reply import ReplyRow


class MailRequested(NamedTuple):
    """Question: may a mail transaction begin? `reverse_path` is `None` for `<>`; `blank`: `MAIL FROM:` had no path at all."""

    reverse_path: Mailbox | None
    parameters: MailParameters
    blank: bool


class RcptRequested(NamedTuple):
    """Question: will mail be taken for this forward-path?"""

    forward_path: Mailbox
    parameters: RcptParameters


class DataRequested(NamedTuple):
    """Question: may the content come? A positive reply is sent for DATA and kept back for BDAT (RFC 3030, 2)."""

    by_chunks: bool


class ContentReceived(NamedTuple):
    """News: the next octets of the content, dots taken away, line ends checked."""

    octets: bytes


class ContentEnded(NamedTuple):
    """Question: the content is complete, or has a fault; `size` counts its octets."""

    fault: Fault | None
    size: int


class TransactionAborted(NamedTuple):
    """News: the mail transaction is over without a message; what was kept of it can go."""


class AuthRequested(NamedTuple):
    """Question: AUTH with an offered mechanism; `initial` is the decoded initial response, `None` when there was none."""

    mechanism: str
    initial: bytes | None


class AuthResponse(NamedTuple):
    """Question: the decoded answer to the challenge before it."""

    octets: bytes


class AuthAborted(NamedTuple):
    """News: the client cancelled the dialogue, or its answer could not be read (`failed`)."""

    failed: bool


class VrfyRequested(NamedTuple):
    """Question: VRFY, asked only where it is switched on."""

    argument: str


class ExpnRequested(NamedTuple):
    """Question: EXPN, asked only where it is switched on."""

    argument: str


class TlsRequested(NamedTuple):
    """Question: STARTTLS. After a positive reply the driver makes the handshake and calls `tls_started`."""


class Refused(NamedTuple):
    """News: the session itself refused a command, with this row, in these words."""

    row: ReplyRow
    line: str


class Closing(NamedTuple):
    """News: send what is to be sent, then close; `reason` is a word for the log."""

    reason: str


class Signal(Enum):
    """What is no event."""

    NEED_DATA = "need data"
    SEND = "send"


NEED_DATA = Signal.NEED_DATA
"""All that was received is read."""

SEND = Signal.SEND
"""Many replies wait: take them with `data_to_send` before more is read, so that a client who reads none costs little."""

Event = (
    MailRequested
    | RcptRequested
    | DataRequested
    | ContentReceived
    | ContentEnded
    | TransactionAborted
    | AuthRequested
    | AuthResponse
    | AuthAborted
    | VrfyRequested
    | ExpnRequested
    | TlsRequested
    | Refused
    | Closing
)
