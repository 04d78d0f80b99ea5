# SPDX-License-Identifier: Apache-2.0
"""The client's side of one mail transaction as a state machine, for SMTP and LMTP.

RFC 5321, 3.3; RFC 2033 (LMTP); RFC 2920 (PIPELINING); RFC 3030 (CHUNKING). No I/O, no clock.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final, assert_never

from genkan.smtp.client_commands import mail_line, rcpt_line
from genkan.smtp.client_replies import ProtocolError
from genkan.smtp.dot_stuffing import DotStuffer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genkan.smtp.client_extensions import ServerExtensions
    from genkan.smtp.client_replies import ServerReply
    from genkan.smtp.command import Mail, Rcpt

_STORAGE_EXCEEDED: Final = 552
_STORAGE_SHORT: Final = 452


class Step(Enum):
    """What the owner of a transaction does next."""

    WRITE_CONTENT = auto()
    READ_REPLY = auto()
    DONE = auto()


class _Awaited(Enum):
    MAIL = auto()
    RCPT = auto()
    GO_AHEAD = auto()  # 354, the answer to DATA
    FINAL = auto()


class Transaction:
    """One message for some recipients.

    Its owner does what `step` says, each time after taking `data_to_send`:

        pending = transaction.data_to_send()
        match transaction.step:
            case Step.WRITE_CONTENT: write pending and content(block) for each block, then end_of_content()
            case Step.READ_REPLY: write pending, receive(the next reply of the connection's ReplyReader)
            case Step.DONE: write pending, and look at the results

    `results` are in the recipients' order: the reply to MAIL when that was refused, to the recipient's own RCPT when
    that was, else the one to DATA or to the content. When the connection breaks or ProtocolError ends it, those settled
    before stay, and the others are `None`. `needs_reset` says that RSET has to come before the next transaction,
    `usable` that the connection may go on at all. All three are for reading.
    """

    __slots__ = (
        "_accepted",
        "_awaited",
        "_commands",
        "_content_due",
        "_done",
        "_finals",
        "_lmtp",
        "_out",
        "_rcpts",
        "_remaining",
        "_sent",
        "_stuffer",
        "needs_reset",
        "results",
        "usable",
    )

    def __init__(
        self,
        mail: Mail,
        recipients: Sequence[Rcpt],
        extensions: ServerExtensions,
        *,
        lmtp: bool = False,
        in_one_go: bool = False,
    ) -> None:
        """A transaction whose first commands are ready to be sent.

        The SIZE parameter of `mail` is the exact number of octets that will be given to `content`. With `in_one_go` it
        is worth sending them before anything is accepted, if the server has PIPELINING and CHUNKING. Raises ValueError
        for what this server cannot be told: ask `needs_smtputf8` and `extensions.requiretls` before.
        """
        size = mail.parameters.size
        if size is None or not recipients:
            msg = "a transaction needs the size of its content, and a recipient"
            raise ValueError(msg)
        utf8 = extensions.smtputf8 and (mail.parameters.smtputf8 or _beyond_ascii(mail, recipients))
        self.results: list[ServerReply | None] = [None] * len(recipients)
        self.needs_reset = False
        self.usable = True
        self._lmtp = lmtp
        self._stuffer = None if extensions.chunking else DotStuffer()
        self._remaining = size
        self._accepted: list[int] = []  # numbers of the recipients whose RCPT was accepted
        self._rcpts = 0  # replies to RCPT so far
        self._finals = 0  # replies to the content so far
        self._awaited = _Awaited.MAIL
        self._content_due = False
        self._done = False
        self._commands = [mail_line(mail, extensions, utf8=utf8)]
        self._commands += [rcpt_line(rcpt, extensions, utf8=utf8) for rcpt in recipients]
        self._commands.append(b"BDAT %d LAST\r\n" % size if extensions.chunking else b"DATA\r\n")
        self._out = b""
        self._sent = 0
        self._send(self._first_group(extensions, in_one_go=in_one_go))

    # What the owner calls.

    @property
    def step(self) -> Step:
        """What to do next, after what `data_to_send` gives has been written."""
        if self._done:
            return Step.DONE
        return Step.WRITE_CONTENT if self._content_due else Step.READ_REPLY

    def data_to_send(self) -> bytes:
        """Take the commands that may leave now."""
        octets, self._out = self._out, b""
        return octets

    def content(self, block: bytes) -> bytes:
        """The next block of the content as it has to be written; raises ValueError if there is more than was declared."""
        if self._stuffer is not None:
            return self._stuffer.put(block)
        self._remaining -= len(block)
        if self._remaining < 0:  # the server would read it as commands
            msg = "the content is longer than the size that was declared"
            raise ValueError(msg)
        return block

    def end_of_content(self) -> bytes:
        """What has to be written behind the content; raises ValueError if there was less than was declared."""
        self._content_due = False
        if self._stuffer is not None:
            return self._stuffer.finish()
        if self._remaining:
            msg = "the content is shorter than the size that was declared"
            raise ValueError(msg)
        return b""

    def receive(self, reply: ServerReply) -> None:
        """Take the server's next reply; one that comes early, while content is written, may be given too.

        Raises `ProtocolError` for a reply that cannot be one here.
        """
        if self._done:
            msg = f"the server spoke though nothing was asked: {reply}"
            raise ProtocolError(msg)
        if reply.closes:
            self._settle(reply)
            self._end(usable=False)
        elif reply.code < 400 and reply.goes_on is not (self._awaited is _Awaited.GO_AHEAD):
            msg = f"the server gave a reply that is none to {self._awaited.name}: {reply}"
            raise ProtocolError(msg)
        else:
            self._take(reply)

    # Replies.

    def _take(self, reply: ServerReply) -> None:
        match self._awaited:
            case _Awaited.MAIL:
                self._mail_answered(reply)
            case _Awaited.RCPT:
                self._rcpt_answered(reply)
            case _Awaited.GO_AHEAD:
                self._data_answered(reply)
            case _Awaited.FINAL:
                self._content_answered(reply)
            case _:
                assert_never(self._awaited)

    def _mail_answered(self, reply: ServerReply) -> None:
        self._awaited = _Awaited.RCPT
        if reply.accepts:
            self.needs_reset = True
            self._send_next()
            return
        self._settle(reply)
        if self._sent == 1:
            self._end()

    def _rcpt_answered(self, reply: ServerReply) -> None:
        number = self._rcpts
        self._rcpts += 1
        if self.results[number] is None:  # else MAIL was refused, and this reply says nothing
            if reply.accepts:
                self._accepted.append(number)
            else:
                self.results[number] = _as_answer_to_rcpt(reply)
        if self._rcpts < len(self.results):
            self._send_next()
            return
        self._awaited = _Awaited.FINAL if self._stuffer is None else _Awaited.GO_AHEAD
        if self._accepted or self._sent == len(self._commands):
            self._send_next()
        else:
            self._end()

    def _data_answered(self, reply: ServerReply) -> None:
        self._awaited = _Awaited.FINAL
        if not reply.goes_on:
            self._settle(reply)
            self._end()
        elif self._accepted:
            self._content_due = True
        else:  # RFC 2920, 3.1: it is answered with a lone dot, and what comes for that means nothing
            self._out += b".\r\n"
            if self._lmtp:  # RFC 2033, 4.2: a reply a recipient, and there is none
                self._end(usable=False)

    def _content_answered(self, reply: ServerReply) -> None:
        if self._content_due:
            self._answered_early(reply)
            return
        if self._lmtp and self._accepted:
            self.results[self._accepted[self._finals]] = reply
            self._finals += 1
            if self._finals < len(self._accepted):
                return
        elif self._accepted:
            self._settle(reply)
        # RFC 5321, 4.1.1.4: the end of data clears the buffers; after a refused BDAT, RFC 3030, 2 leaves them undefined.
        self.needs_reset = self._stuffer is None and not (self._accepted and reply.accepts)
        self._end()

    def _answered_early(self, reply: ServerReply) -> None:
        """The server will not have the rest of the content, but would read on in it as commands."""
        if reply.accepts:
            msg = f"the server accepted content before it had it: {reply}"
            raise ProtocolError(msg)
        self._settle(reply)
        self._end(usable=False)

    # What all of them use.

    def _first_group(self, extensions: ServerExtensions, *, in_one_go: bool) -> int:
        """How many commands may leave at once; DATA and BDAT end a group (RFC 2920, 3.1; RFC 3030, 4.2)."""
        if not extensions.pipelining:
            return 1
        return len(self._commands) if in_one_go or not extensions.chunking else len(self._commands) - 1

    def _send_next(self) -> None:
        """The next command, when all that were sent have been answered."""
        if self._sent == 1 + self._rcpts:
            self._send(1)

    def _send(self, count: int) -> None:
        self._out += b"".join(self._commands[self._sent : self._sent + count])
        self._sent += count
        if self._sent == len(self._commands):
            self._content_due = self._stuffer is None  # behind BDAT the content follows at once

    def _settle(self, reply: ServerReply) -> None:
        """All recipients without a reply have this one."""
        self.results = [reply if result is None else result for result in self.results]

    def _end(self, *, usable: bool = True) -> None:
        self.usable = usable
        self._done = True


def _beyond_ascii(mail: Mail, recipients: Sequence[Rcpt]) -> bool:
    """Whether a local-part can be told with SMTPUTF8 only."""
    if mail.reverse_path is not None and not mail.reverse_path.local_part.isascii():
        return True
    return not all(rcpt.forward_path.local_part.isascii() for rcpt in recipients)


def _as_answer_to_rcpt(reply: ServerReply) -> ServerReply:
    # RFC 5321, 4.5.3.1.10: 552 to RCPT is meant as 452, and has to be tried again.
    if reply.code != _STORAGE_EXCEEDED:
        return reply
    return reply._replace(code=_STORAGE_SHORT, enhanced=reply.enhanced and f"4{reply.enhanced[1:]}")
