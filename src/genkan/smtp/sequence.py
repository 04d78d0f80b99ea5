# SPDX-License-Identifier: Apache-2.0
"""Which command may come in which state of the session, and the reply when it may not (RFC 5321, 4.1.4).

Rows are commands, columns are states. A cell is the catalogue's row for the refusal; an empty cell means "go on". Commands
without a row may come at any time. The product remembers its first HELO or EHLO and takes MAIL without one; in the `rfc`
profile a second EHLO starts again and MAIL wants a greeting.
"""

from __future__ import annotations

from enum import IntEnum, auto
from typing import TYPE_CHECKING, Final

from genkan.smtp import command, replies
from genkan.smtp.reply import Profile

if TYPE_CHECKING:
    from genkan.smtp.reply import ReplyRow


class State(IntEnum):
    """What the session has seen so far."""

    CONNECTED = 0  # no HELO or EHLO yet
    GREETED = 1
    MAIL = 2  # the transaction has a reverse-path
    RCPT = 3  # and at least one accepted forward-path
    CHUNKS = 4  # and the first BDAT chunk


class Mode(IntEnum):
    """How the octets read that come next."""

    COMMANDS = auto()
    DATA = auto()
    CHUNK = auto()
    AUTH = auto()
    TLS = auto()
    CLOSED = auto()


Row = tuple["ReplyRow | None", "ReplyRow | None", "ReplyRow | None", "ReplyRow | None", "ReplyRow | None"]
Table = dict[type, Row]

_HELO, _EHLO = replies.DUPLICATE_HELO, replies.DUPLICATE_EHLO
_SENDER, _MAIL = replies.SENDER_ALREADY_SPECIFIED, replies.NEED_MAIL_BEFORE_RCPT
_RCPT, _CHUNKS = replies.NEED_RCPT, replies.CHUNKING_UNDER_WAY
_OPEN = replies.TRANSACTION_OPEN

# fmt: off
PRODUCT: Final[Table] = {
    #                  CONNECTED                       GREETED  MAIL     RCPT     CHUNKS
    command.Helo:     (None,                           _HELO,   _HELO,   _HELO,   _HELO),
    command.Ehlo:     (None,                           _EHLO,   _EHLO,   _EHLO,   _EHLO),
    command.Auth:     (replies.NEED_EHLO_BEFORE_AUTH,  None,    _OPEN,   _OPEN,   _OPEN),
    command.Starttls: (None,                           None,    _OPEN,   _OPEN,   _OPEN),
    command.Mail:     (None,                           None,    _SENDER, _SENDER, _CHUNKS),
    command.Rcpt:     (_MAIL,                          _MAIL,   None,    None,    _CHUNKS),
    command.Data:     (_RCPT,                          _RCPT,   _RCPT,   None,    _CHUNKS),
    command.Bdat:     (_RCPT,                          _RCPT,   _RCPT,   None,    None),
}
# fmt: on

RFC: Final[Table] = PRODUCT | {
    command.Helo: (None, None, None, None, None),
    command.Ehlo: (None, None, None, None, None),
    command.Mail: (replies.NEED_HELLO, *PRODUCT[command.Mail][1:]),
}


def table_of(profile: Profile) -> Table:
    """The table that a profile follows."""
    return RFC if profile is Profile.RFC else PRODUCT
