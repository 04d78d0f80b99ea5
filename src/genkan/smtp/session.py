# SPDX-License-Identifier: Apache-2.0
"""The server's side of an SMTP session as a state machine: octets in, questions out, replies in, octets out (RFC 5321).

No I/O, no clock. The owner calls `receive_data`, then `next_event` until it gives `NEED_DATA`. Every question among the
events is answered with `send_reply` before the next event is asked for: the answer decides how the following octets read,
so nothing is ever parsed ahead. `data_to_send` empties the out-buffer; call it once a read, so that replies leave together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.smtp import command as commands
from genkan.smtp import events, replies
from genkan.smtp.command import Refusal, parse_command
from genkan.smtp.events import NEED_DATA, SEND, ContentReceived, Event, Signal
from genkan.smtp.input import InputBuffer, LineFault
from genkan.smtp.maildata import Chunk, ContentGate, DotReader, Fault
from genkan.smtp.redaction import loggable
from genkan.smtp.reply import Profile, more_to_come
from genkan.smtp.sasl import MAX_RESPONSE, decode_base64, decode_initial_response
from genkan.smtp.sequence import Mode, State, Table, table_of
from genkan.smtp.session_rules import SessionRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.smtp.command import Command
    from genkan.smtp.reply import Reply, ReplyRow

__all__ = ["MisuseError", "Session", "SessionRules"]

MOST_REPLIES: Final = 100  # that wait to be sent while more commands are read


class MisuseError(Exception):
    """The owner broke the contract of the session; nothing a client sends raises it."""


class Session:
    """One session. Public attributes are for reading: what the client has said and reached so far."""

    __slots__ = (
        "_bad_commands",
        "_chunk",
        "_dots",
        "_gate",
        "_input",
        "_mode",
        "_news",
        "_out",
        "_question",
        "_resting",
        "_rules",
        "_sequence",
        "authenticated",
        "client_address",
        "esmtp",
        "hello_domain",
        "state",
        "tls_active",
        "utf8",
    )

    def __init__(self, rules: SessionRules, client_address: str, *, tls_active: bool) -> None:
        """A fresh session; nothing is said before `greet`."""
        self._rules = rules
        self._sequence: Table = table_of(rules.wordbook.profile)
        self._input = InputBuffer(rules.bare_newline)
        self._out: list[bytes] = []
        self._mode = Mode.COMMANDS
        self._question: type[Event | Signal] | None = None
        self._news: list[Event] = []
        self._gate: ContentGate | None = None
        self._dots: DotReader | None = None
        self._chunk: Chunk | None = None
        self._bad_commands = 0
        self._resting = State.CONNECTED  # where the session is between transactions
        self.client_address = client_address
        self.tls_active = tls_active
        self.state = State.CONNECTED
        self.hello_domain = ""
        self.esmtp = False
        self.authenticated = False
        self.utf8 = False

    # What the owner calls.

    def greet(self) -> None:
        """Say the greeting."""
        self._out.append(self._rules.greeting.octets)

    def receive_data(self, octets: bytes) -> None:
        """Append octets from the client; nothing is parsed yet."""
        self._input.receive(octets)

    @property
    def buffered(self) -> int:
        """Octets received and not yet read."""
        return self._input.size

    @property
    def receives_content(self) -> bool:
        """Whether octets are expected that belong to an accepted transaction's content, even if they are only skipped."""
        return self._gate is not None and self._mode in (Mode.DATA, Mode.CHUNK)

    def data_to_send(self) -> bytes:
        """Take what is to be sent to the client."""
        if not self._out:
            return b""
        octets = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return octets

    def next_event(self) -> Event | Signal:
        """Give the next event, `NEED_DATA` or `SEND`. Raises `MisuseError` while a question is open."""
        if self._question is not None:
            msg = f"{self._question.__name__} has not been answered"
            raise MisuseError(msg)
        while True:
            if self._news:
                found: Event | Signal | None = self._news.pop(0)
            elif not self._input.size and self._mode is not Mode.CHUNK:
                return NEED_DATA
            elif len(self._out) > MOST_REPLIES:
                return SEND
            else:
                found = _READERS[self._mode](self)
            if found is not None:
                kind = type(found)
                if kind in _ANSWERS:
                    self._question = kind
                return found

    def send_reply(self, reply: Reply) -> None:
        """Answer the open question. Raises `MisuseError` when there is none."""
        question, self._question = self._question, None
        if question is None:
            msg = f"no question is open for {reply.name}"
            raise MisuseError(msg)
        if question is not events.DataRequested or self._chunk is None:
            self._out.append(reply.octets)
        _ANSWERS[question](self, reply)

    def close_with(self, row: ReplyRow, **fields: str) -> None:
        """Say a last reply of the server's own accord (421) and read no more."""
        self._say(row, **fields)
        self._mode = Mode.CLOSED
        self._question = None
        self._news.clear()

    def tls_started(self) -> None:
        """The handshake is done: all that was said before it is forgotten (RFC 3207, 4.2)."""
        self.tls_active = True
        self._mode = Mode.COMMANDS
        self.state = self._resting = State.CONNECTED
        self.hello_domain = ""
        self.esmtp = False
        self.authenticated = False
        self._bad_commands = 0

    # Answers to questions.

    def _mail_answered(self, reply: Reply) -> None:
        if reply.accepts:
            self.state = State.MAIL
            self._bad_commands = 0
        else:
            self.utf8 = False

    def _rcpt_answered(self, reply: Reply) -> None:
        if reply.accepts:
            self.state = State.RCPT

    def _data_answered(self, reply: Reply) -> None:
        chunk, rules = self._chunk, self._rules
        if chunk is not None:
            self._mode = Mode.CHUNK
            chunk.refusal = None if reply.accepts else reply
        if not reply.accepts:
            return
        self._gate = ContentGate(rules.bare_newline, rules.extensions.message_size, rules.text_line)
        if chunk is not None:
            self.state = State.CHUNKS
        else:
            self._mode, self._dots = Mode.DATA, DotReader()

    def _content_answered(self, _reply: Reply) -> None:
        bare_newline = self._gate is not None and self._gate.fault is Fault.BARE_NEWLINE
        self._forget_transaction()
        self._mode = Mode.COMMANDS
        if bare_newline:  # what follows might be a smuggled message's commands
            self._close("bare newline in mail data")

    def _auth_answered(self, reply: Reply) -> None:
        if reply.code == replies.AUTH_CHALLENGE.wording.code:
            self._mode = Mode.AUTH
            return
        self._mode = Mode.COMMANDS
        self.authenticated = reply.accepts

    def _tls_answered(self, reply: Reply) -> None:
        if reply.accepts:
            self._mode = Mode.TLS

    def _told(self, reply: Reply) -> None:
        """Nothing changes."""

    # Reading commands.

    def _next_command(self) -> Event | Signal | None:
        line = self._next_line(self._rules.command_line)
        if line is None:
            return None if self._news else NEED_DATA
        extensions = self._rules.extensions
        may_utf8 = self.utf8 if self.state >= State.MAIL else self.esmtp and extensions.offers("SMTPUTF8")
        may_require_tls = self.tls_active and self.esmtp and extensions.offers("REQUIRETLS")
        parsed = parse_command(line, smtputf8_allowed=may_utf8, requiretls_allowed=may_require_tls)
        if isinstance(parsed, Refusal):
            return self._refuse_line(parsed, line)
        row = self._sequence.get(type(parsed))
        if row is not None and (refusal := row[self.state]) is not None:
            return self._out_of_sequence(parsed, refusal, line)
        return _COMMANDS[type(parsed)](self, parsed, line)

    def _next_line(self, limit: int) -> bytes | None:
        """The next line, or `None`: it is not there yet, or what refuses it is among the news."""
        line = self._input.next_line(limit)
        if line is LineFault.TOO_LONG:
            self._news.insert(0, self._refuse(replies.LINE_TOO_LONG, ""))
            return None
        if line is LineFault.BARE_NEWLINE:
            self._say(replies.COMMAND_BARE_NEWLINE)
            self._news.append(events.Refused(replies.COMMAND_BARE_NEWLINE, ""))
            self._close("bare newline in a command")
            return None
        return line

    def _refuse_line(self, refusal: Refusal, line: bytes) -> Event:
        event = self._refuse(refusal.row, loggable(line), **refusal.fields)
        if refusal.fatal:
            self._close("what follows is no SMTP")
        return event

    def _out_of_sequence(self, parsed: Command, row: ReplyRow, line: bytes) -> Event | None:
        if isinstance(parsed, commands.Helo | commands.Ehlo) and self._resting is State.CONNECTED:
            return self._on_hello(parsed, line)  # its first one, but after MAIL
        if isinstance(parsed, commands.Auth):
            row = row if self._rules.auth_enabled else replies.AUTH_NOT_ENABLED
            return self._refuse(row, f"AUTH {parsed.mechanism}")
        if isinstance(parsed, commands.Bdat):
            return self._bdat_refusal() or self._skip_chunk(parsed, row)
        return self._refuse(row, loggable(line))

    def _on_hello(self, parsed: commands.Helo | commands.Ehlo, line: bytes) -> Event | None:
        if not parsed.domain and self._rules.wordbook.profile is Profile.RFC:
            return self._refuse(replies.HELLO_SYNTAX, loggable(line))
        aborted = self._abort()
        self.hello_domain = parsed.domain
        self.esmtp = isinstance(parsed, commands.Ehlo)
        self.state = self._resting = State.GREETED
        names = {"fqdn": self._rules.hostname, "client_address": self.client_address}
        if self.esmtp:
            hello = self._rules.wordbook.reply(replies.EHLO_HELLO, **names)
            self._out += [more_to_come(hello.octets), self._rules.ehlo_lines[self.tls_active]]
        else:
            self._say(replies.HELO_HELLO, **names)
        return aborted

    def _on_mail(self, parsed: commands.Mail, _line: bytes) -> Event:
        self.utf8 = parsed.parameters.smtputf8
        return events.MailRequested(parsed.reverse_path, parsed.parameters, parsed.blank)

    def _on_rcpt(self, parsed: commands.Rcpt, _line: bytes) -> Event:
        return events.RcptRequested(parsed.forward_path, parsed.parameters)

    def _on_data(self, _parsed: commands.Data, _line: bytes) -> Event:
        return events.DataRequested(by_chunks=False)

    def _on_rset(self, _parsed: commands.Rset, _line: bytes) -> Event | None:
        self._say(replies.RESET_OK)
        return self._abort()

    def _on_noop(self, _parsed: commands.Noop, _line: bytes) -> None:
        self._say(replies.NOOP_OK)

    def _on_help(self, _parsed: commands.Help, _line: bytes) -> None:
        self._say(replies.HELP_TEXT)

    def _on_quit(self, _parsed: commands.Quit, _line: bytes) -> Event:
        self._out.append(self._rules.closing.octets)
        self._mode = Mode.CLOSED
        return events.Closing("quit")

    def _on_look_up(self, parsed: commands.Vrfy | commands.Expn, line: bytes) -> Event:
        if not self._rules.vrfy:
            return self._refuse(replies.VRFY_DISABLED, loggable(line))
        question = events.VrfyRequested if isinstance(parsed, commands.Vrfy) else events.ExpnRequested
        return question(parsed.argument)

    def _on_starttls(self, _parsed: commands.Starttls, _line: bytes) -> Event:
        if self.tls_active:
            return self._refuse(replies.TLS_ALREADY_ACTIVE, "STARTTLS")
        if not self._rules.extensions.starttls:
            return self._refuse(replies.TLS_NOT_AVAILABLE, "STARTTLS")
        if self.buffered:  # RFC 3207, 6: they would be read as if they had come under TLS
            self._mode = Mode.CLOSED
            return events.Closing("octets behind STARTTLS")
        return events.TlsRequested()

    # AUTH: the session speaks the frame of the dialogue, its owner the mechanism (RFC 4954, 4).

    def _on_auth(self, parsed: commands.Auth, _line: bytes) -> Event:
        row = self._auth_refusal(parsed.mechanism)
        if row is not None:
            return self._refuse(row, f"AUTH {parsed.mechanism}")
        initial = None
        if parsed.initial is not None:
            initial = decode_initial_response(parsed.initial)
            if initial is None:
                self._say(replies.AUTH_NOT_BASE64)
                return events.AuthAborted(failed=True)
        return events.AuthRequested(parsed.mechanism, initial)

    def _auth_refusal(self, mechanism: str) -> ReplyRow | None:
        if not self._rules.auth_enabled:
            return replies.AUTH_NOT_ENABLED
        if not self.esmtp:
            return replies.NEED_EHLO_BEFORE_AUTH
        if self.authenticated:
            return replies.DUPLICATE_AUTH
        return self._rules.extensions.auth_refusal(mechanism, tls_active=self.tls_active)

    def _next_response(self) -> Event | Signal | None:
        line = self._next_line(MAX_RESPONSE)
        if line is None:
            if not self._news:
                return NEED_DATA
            self._news.append(events.AuthAborted(failed=True))
            if self._mode is Mode.AUTH:
                self._mode = Mode.COMMANDS
            return None
        octets = decode_base64(line)
        if octets is not None:
            return events.AuthResponse(octets)
        self._mode = Mode.COMMANDS
        if line == b"*":
            self._say(replies.AUTH_CANCELLED)
            return events.AuthAborted(failed=False)
        self._say(replies.AUTH_NOT_BASE64)
        return events.AuthAborted(failed=True)

    # Mail data.

    def _next_content(self) -> Event | Signal:
        assert self._dots is not None
        assert self._gate is not None
        content, rest = self._dots.read(self._input.take(self._input.size))
        passed = self._gate.put(content)
        if rest is None:
            return ContentReceived(passed) if passed else NEED_DATA
        self._input.put_back(rest)
        return self._content_event(passed + self._gate.finish())

    def _content_event(self, passed: bytes) -> Event:
        """The last octets, if any, and then the question that ends the content."""
        assert self._gate is not None
        ended = events.ContentEnded(self._gate.fault, self._gate.size)
        self._dots = None
        if not passed or self._gate.fault is not None:
            return ended
        self._news.append(ended)
        return ContentReceived(passed)

    def _bdat_refusal(self) -> Event | None:
        if self._rules.extensions.offers("CHUNKING"):
            return None
        event = self._refuse(replies.COMMAND_UNRECOGNIZED, "BDAT", command="BDAT")
        self._close("BDAT without CHUNKING")
        return event

    def _on_bdat(self, parsed: commands.Bdat, _line: bytes) -> Event | None:
        if (refused := self._bdat_refusal()) is not None:
            return refused
        self._chunk = Chunk(parsed.size, last=parsed.last)
        if self.state is State.RCPT:
            return events.DataRequested(by_chunks=True)
        self._mode = Mode.CHUNK
        return None

    def _skip_chunk(self, parsed: commands.Bdat, row: ReplyRow) -> Event | None:
        """The octets of a refused chunk are sent all the same; the refusal follows them (RFC 3030, 4.1)."""
        self._chunk = Chunk(parsed.size, last=parsed.last, refusal=self._rules.wordbook.reply(row))
        self._mode = Mode.CHUNK
        return None

    def _next_chunk(self) -> Event | Signal | None:
        chunk = self._chunk
        assert chunk is not None
        if chunk.remaining:
            if not self.buffered:
                return NEED_DATA
            octets = self._input.take(chunk.remaining)
            chunk.remaining -= len(octets)
            passed = self._gate.put(octets) if self._gate is not None and chunk.refusal is None else b""
            return ContentReceived(passed) if passed else None
        return self._chunk_ended(chunk)

    def _chunk_ended(self, chunk: Chunk) -> Event | None:
        self._chunk = None
        self._mode = Mode.COMMANDS
        if chunk.refusal is not None:
            self._out.append(chunk.refusal.octets)
            self._count_bad_command()
            return events.Refused(replies.CATALOGUE[chunk.refusal.name], "BDAT")
        assert self._gate is not None
        if chunk.last:
            return self._content_event(self._gate.finish())
        if self._gate.fault is not None:
            return self._content_event(b"")
        self._say(replies.CHUNK_RECEIVED, octets=str(chunk.size))
        return None

    # What all of them use.

    def _next_nothing(self) -> Signal:
        return NEED_DATA

    def _say(self, row: ReplyRow, **fields: str) -> None:
        self._out.append(self._rules.wordbook.reply(row, **fields).octets)

    def _refuse(self, row: ReplyRow, line: str, **fields: str) -> Event:
        self._say(row, fqdn=self._rules.hostname, **fields)
        self._count_bad_command()
        return events.Refused(row, line)

    def _count_bad_command(self) -> None:
        self._bad_commands += 1
        if 0 < self._rules.bad_commands <= self._bad_commands:
            self._say(replies.TOO_MANY_BAD_COMMANDS, fqdn=self._rules.hostname)
            self._close("too many bad commands")

    def _close(self, reason: str) -> None:
        if self._mode is not Mode.CLOSED:
            self._mode = Mode.CLOSED
            self._news.append(events.Closing(reason))

    def _abort(self) -> Event | None:
        """Forget an open transaction and tell the owner."""
        if self.state < State.MAIL:
            return None
        self._forget_transaction()
        return events.TransactionAborted()

    def _forget_transaction(self) -> None:
        self.state = self._resting
        self._gate = None
        self._dots = None
        self.utf8 = False
        self._bad_commands = 0


_ANSWERS: Final[dict[type, Callable[[Session, Reply], None]]] = {
    events.MailRequested: Session._mail_answered,
    events.RcptRequested: Session._rcpt_answered,
    events.DataRequested: Session._data_answered,
    events.ContentEnded: Session._content_answered,
    events.AuthRequested: Session._auth_answered,
    events.AuthResponse: Session._auth_answered,
    events.TlsRequested: Session._tls_answered,
    events.VrfyRequested: Session._told,
    events.ExpnRequested: Session._told,
}

_READERS: Final[dict[Mode, Callable[[Session], Event | Signal | None]]] = {
    Mode.COMMANDS: Session._next_command,
    Mode.DATA: Session._next_content,
    Mode.CHUNK: Session._next_chunk,
    Mode.AUTH: Session._next_response,
    Mode.TLS: Session._next_nothing,
    Mode.CLOSED: Session._next_nothing,
}

_COMMANDS: Final[dict[type, Callable[..., Event | None]]] = {
    commands.Helo: Session._on_hello,
    commands.Ehlo: Session._on_hello,
    commands.Mail: Session._on_mail,
    commands.Rcpt: Session._on_rcpt,
    commands.Data: Session._on_data,
    commands.Bdat: Session._on_bdat,
    commands.Rset: Session._on_rset,
    commands.Noop: Session._on_noop,
    commands.Vrfy: Session._on_look_up,
    commands.Expn: Session._on_look_up,
    commands.Help: Session._on_help,
    commands.Quit: Session._on_quit,
    commands.Auth: Session._on_auth,
    commands.Starttls: Session._on_starttls,
}
