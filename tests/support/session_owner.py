# SPDX-License-Identifier: Apache-2.0
"""Owns a session as the listener does, without sockets: answers its questions by simple rules and notes what it was told.

Local-parts that begin with "no" are refused. The right credentials are those of `RIGHT`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.smtp import events, replies
from genkan.smtp.events import NEED_DATA, SEND, ContentReceived, Signal
from genkan.smtp.extensions import Extensions, announced_keywords
from genkan.smtp.maildata import BareNewline, Fault
from genkan.smtp.reply import Profile, Wordbook
from genkan.smtp.session import Session, SessionRules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genkan.smtp.events import Event
    from genkan.smtp.reply import ReplyRow

RIGHT: Final = b"\0ann\0right"
SIZE_LIMIT: Final = 1000
LINE_LIMIT: Final = 100
COMMAND_LIMIT: Final = 512

FIELDS: Final = {
    "account": "ann",
    "challenge": "PGNoYWxsZW5nZT4=",
    "forward_path": "ann@in.test",
    "fqdn": "mx.in.test",
    "id": "E1",
    "mailbox": "ann@in.test",
    "message_id": "B0000000001",
    "name": "Ann Example",
    "reverse_path": "x@out.test",
}

FAULTS: Final = {
    Fault.TOO_BIG: replies.MESSAGE_TOO_BIG,
    Fault.BARE_NEWLINE: replies.BARE_NEWLINE,
    Fault.LINE_TOO_LONG: replies.TEXT_LINE_TOO_LONG,
}


def offer(
    profile: Profile = Profile.EPSTRS_4A7,
    *,
    setting: str = "all",
    starttls: bool = False,
    mechanisms: tuple[str, ...] = ("PLAIN", "CRAM-MD5"),
) -> Extensions:
    """What EHLO announces; the keywords are those of the setting `smtp.extensions`."""
    keywords = announced_keywords(setting, profile)
    return Extensions(keywords, starttls, mechanisms, plaintext_always=True, message_size=SIZE_LIMIT)


def rules(
    profile: Profile = Profile.EPSTRS_4A7,
    extensions: Extensions | None = None,
    *,
    vrfy: bool = True,
    bare_newline: BareNewline = BareNewline.REFUSE,
    bad_commands: int = 20,
) -> SessionRules:
    """The rules of a listener with narrow limits; AUTH is enabled when mechanisms are offered."""
    offered = extensions or offer(profile)
    return SessionRules(
        wordbook=Wordbook(profile),
        hostname="mx.in.test",
        banner="Genkan ESMTP receiver",
        extensions=offered,
        auth_enabled=bool(offered.mechanisms),
        vrfy=vrfy,
        bare_newline=bare_newline,
        command_line=COMMAND_LIMIT,
        text_line=LINE_LIMIT,
        bad_commands=bad_commands,
    )


class Owner:
    """What the session told is in `told`, its answered questions in `answered`, whole messages in `messages`."""

    def __init__(self, session_rules: SessionRules | None = None, *, refuse_data: bool = False) -> None:
        """A session that has greeted; with `refuse_data` there is never room for a message."""
        self.rules = session_rules or rules()
        self.session = Session(self.rules, "192.0.2.10", tls_active=False)
        self.told: list[Event] = []
        self.answered: list[tuple[Event, ReplyRow]] = []
        self.messages: list[bytes] = []
        self._refuse_data = refuse_data
        self._content: list[bytes] = []
        self.session.greet()
        self.greeting = self.session.data_to_send()

    @property
    def closed(self) -> bool:
        """Whether the session wants the connection closed."""
        return any(isinstance(event, events.Closing) for event in self.told)

    def say(self, *pieces: bytes) -> bytes:
        """Give octets to the session, each piece as if it were read by itself; what goes back to the client."""
        return b"".join(self._say(piece) for piece in pieces)

    def dialogue(self, *lines: bytes) -> list[int]:
        """Say lines, each when the one before has been answered; the reply codes."""
        return [code for line in lines for code in codes(self.say(line + b"\r\n"))]

    def _say(self, octets: bytes) -> bytes:
        self.session.receive_data(octets)
        sent = b""
        while (event := self.session.next_event()) is not NEED_DATA:
            if event is SEND:
                sent += self.session.data_to_send()
                continue
            assert not isinstance(event, Signal)
            self._note(event)
        return sent + self.session.data_to_send()

    def _note(self, event: Event) -> None:
        if isinstance(event, ContentReceived):
            self._content.append(event.octets)
            return
        self.told.append(event)
        row = self._answer(event)
        if row is None:
            return
        self.answered.append((event, row))
        self.session.send_reply(self.rules.wordbook.reply(row, **FIELDS))
        if row is replies.READY_FOR_TLS:
            self.session.tls_started()

    def _answer(self, event: Event) -> ReplyRow | None:
        if isinstance(event, events.DataRequested):
            self._content.clear()
            return replies.LOCAL_ERROR if self._refuse_data else replies.START_MAIL_INPUT
        if isinstance(event, events.ContentEnded):
            return self._end_content(event.fault)
        return _answer(event)

    def _end_content(self, fault: Fault | None) -> ReplyRow:
        if fault is not None:
            return FAULTS[fault]
        self.messages.append(b"".join(self._content))
        return replies.MESSAGE_RECEIVED


def _answer(event: Event) -> ReplyRow | None:
    match event:
        case events.MailRequested(reverse_path=path):
            row = replies.SENDER_UNKNOWN if path and path.local_part.startswith("no") else replies.SENDER_OK
        case events.RcptRequested(forward_path=path):
            row = replies.USER_UNKNOWN if path.local_part.startswith("no") else replies.RECIPIENT_OK
        case events.AuthRequested(initial=None):
            row = replies.AUTH_CHALLENGE
        case events.AuthRequested(initial=octets) | events.AuthResponse(octets=octets):
            row = replies.AUTH_OK if octets == RIGHT else replies.AUTH_FAILED
        case events.TlsRequested():
            row = replies.READY_FOR_TLS
        case events.VrfyRequested() | events.ExpnRequested():
            row = replies.VRFY_OK
        case _:
            return None
    return row


def codes(octets: bytes) -> list[int]:
    """The code of each reply, a reply of several lines counting once; every line must be well-formed (RFC 5321, 4.2)."""
    found: list[int] = []
    open_code: int | None = None
    for line in lines_of(octets):
        code = int(line[:3])
        assert open_code in {None, code}, octets
        more = line[3:4] == b"-"
        assert more or line[3:4] == b" ", octets
        open_code = code if more else None
        if not more:
            found.append(code)
    assert open_code is None, octets
    return found


def lines_of(octets: bytes) -> Sequence[bytes]:
    """Reply lines without their CRLF; nothing may stand behind the last one."""
    *lines, rest = octets.split(b"\r\n")
    assert rest == b"", octets
    return lines
