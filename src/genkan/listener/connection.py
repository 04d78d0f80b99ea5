# SPDX-License-Identifier: Apache-2.0
"""One connection: octets in, the session's questions to the reception, replies out. A thin shell with callbacks only.

No coroutine for a line and none for a message: one exists only while an answer has to be waited for. This is the one
place where the unexpected becomes a temporary reply with an id that is also in the log.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from genkan.listener.admission import Entrance
from genkan.listener.ends import address_of, port_of
from genkan.listener.reception import Reception
from genkan.listener.tls import tls_summary
from genkan.policy.facts import ConnectionFacts
from genkan.policy.verdict import Verdict
from genkan.smtp import events, replies
from genkan.smtp.events import NEED_DATA, SEND
from genkan.smtp.reply import Reply
from genkan.smtp.sequence import State
from genkan.smtp.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from genkan.listener.door import Door
    from genkan.smtp.events import Event, Signal
    from genkan.smtp.reply import ReplyRow

MOST_BUFFERED: Final = 64 * 1024  # octets a client may send ahead while an answer is waited for
_HANDSHAKE_TIME: Final = 30.0  # seconds
_TURN: Final = 0.01  # seconds of work for one client, before others have theirs


class Connection(asyncio.Protocol):
    """The life of one connection, from accept to close."""

    __slots__ = (
        "__weakref__",
        "_admitted",
        "_at_end",
        "_begun",
        "_client_address",
        "_closing",
        "_door",
        "_messages",
        "_progress",
        "_reading_paused",
        "_reason",
        "_reception",
        "_session",
        "_task",
        "_transport",
        "_waiting",
        "_writing_paused",
    )

    def __init__(self, door: Door, client_address: str = "") -> None:
        """`client_address` is given when a PROXY header has told it."""
        self._door = door
        self._client_address = client_address
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._session: Session = cast("Session", None)
        self._reception: Reception = cast("Reception", None)
        self._task: asyncio.Task[None] | None = None
        self._admitted = False
        self._at_end = False
        self._waiting = True
        self._closing = False
        self._reading_paused = False
        self._writing_paused = False
        self._messages = 0
        self._progress = False
        self._reason = "client closed"
        self._begun = 0.0

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come: is there room, and may it come in?"""
        self._transport = cast("asyncio.Transport", transport)
        door = self._door
        if not self._client_address:
            self._client_address = address_of(transport)
        self._begun = door.house.clock.monotonic()
        door.connections.add(self)
        door.idle.heard(self)
        facts = ConnectionFacts(self._client_address, door.role)
        tls = transport.get_extra_info("ssl_object") is not None
        self._session = Session(door.rules_now(), self._client_address, tls_active=tls)
        self._reception = Reception(door.house, self._session, facts)
        door.admission.admit(self._client_address, self._decided)

    def data_received(self, data: bytes) -> None:
        """Octets from the client."""
        self._session.receive_data(data)
        if self._waiting or self._writing_paused:
            self._check_buffer()
        elif not self._closing:
            self._run()

    def eof_received(self) -> bool:
        """The client will send no more; what it has sent is still answered if that can be done at once."""
        self._at_end = True
        return self._waiting and not self._closing and not self._session.tls_active

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whoever wanted it. A message whose acceptance is under way stays accepted, a failed AUTH counts."""
        door = self._door
        if self not in door.connections:
            return
        if isinstance(exc, OSError) and self._reason == "client closed":
            self._reason = f"lost: {exc.strerror or exc}"
        self._closing = True
        door.connections.discard(self)
        door.idle.forget(self)
        self._reception.abort("reset" if self._reason == "quit" else "lost")
        if self._admitted:
            door.admission.leave(self._client_address)
        self._log()

    def pause_writing(self) -> None:
        """The client does not read its replies: no more are made."""
        self._writing_paused = True
        self._pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._writing_paused = False
        self._go_on()

    def timed_out(self) -> None:
        """The client was silent for too long."""
        if self._closing or self._writing_paused:  # it does not even take what it was told
            self._transport.abort()
        elif self._waiting:
            self._door.idle.heard(self)  # it is we who let it wait
        else:
            self.close_with(replies.IDLE_TIMEOUT, "idle")

    # The beginning.

    def _decided(self, entrance: Entrance) -> None:
        self._admitted = entrance is Entrance.YES
        door, house = self._door, self._door.house
        if self._closing:
            if self._admitted:
                door.admission.leave(self._client_address)
            return
        try:
            verdict = door.refusal(entrance, self._client_address)
            if verdict is None:
                house.product_logs.connected(self._client_address, port_of(self._transport))
                house.directory.renew()
                answer = house.chain.connect.decide(self._reception.facts)
                if not isinstance(answer, Verdict):
                    house.names.look_up(self._reception.name, self._client_address)
                if answer is not None and not isinstance(answer, Verdict):
                    self._start(self._decide_later(answer))
                    return
                verdict = answer
            self._greet() if verdict is None else self._turn_away(verdict)
        except Exception as error:  # noqa: BLE001
            self._fail(error)

    async def _decide_later(self, answer: Awaitable[Verdict | None]) -> None:
        verdict = await answer
        if self._closing:
            return
        if verdict is None:
            self._greet()
        else:
            self._turn_away(verdict)

    def _greet(self) -> None:
        if self._reception.journal is not None:
            self._reception.journal.greeted(self._reception.facts, None)
        self._session.greet()
        self._waiting = False
        self._flush()
        self._go_on()

    def _turn_away(self, verdict: Verdict) -> None:
        name = "none" if verdict.row is None else verdict.row.name
        rule = {} if verdict.rule is None else {"rule": str(verdict.rule)}
        self._door.house.log.refused(self._client_address, name, verdict.check, detail=verdict.detail, **rule)
        self._door.house.product_logs.ended(self._client_address, "", None, "", ok=False)
        if self._reception.journal is not None:
            self._reception.journal.greeted(self._reception.facts, verdict)
        if verdict.row is not None:
            self._session.close_with(verdict.row, fqdn=self._door.house.hostname, **verdict.fields)
        self._close(verdict.check)

    # The session.

    def _run(self) -> None:
        """Take events until the client has to say more, or has to wait."""
        session, turn = self._session, monotonic() + _TURN
        try:
            while not self._waiting:
                event = session.next_event()
                if event is NEED_DATA or (event is SEND and not self._make_room()):
                    break
                if event is not SEND:
                    _ANSWERS[type(event)](self, event)
                    if monotonic() > turn and not self._waiting:
                        self._let_others_go_first()
        except Exception as error:  # noqa: BLE001
            self._fail(error)
            return
        progress = self._flush() or self._progress or session.receives_content
        if progress and self._reception.overdue(self._door.idle.heard(self)):
            self.close_with(replies.TRANSACTION_TOO_LONG, "transaction too long")
        elif self._reading_paused:
            self._resume_reading()
        self._progress = False
        if self._at_end and not self._waiting:
            self._close(self._reason)

    def _let_others_go_first(self) -> None:
        """A client that has sent many commands at once, or dear ones, goes on after whoever waits by now."""
        self._waiting = True
        self._door.house.loop.call_soon(self._had_a_rest)

    def _had_a_rest(self) -> None:
        self._waiting = False
        self._go_on()

    def _make_room(self) -> bool:
        """Send what waits; whether the client reads it, so that more may be said."""
        self._progress |= self._flush()
        return not self._writing_paused

    def _flush(self) -> bool:
        octets = self._session.data_to_send()
        if not octets:
            return False
        self._transport.write(octets)
        return True

    def _give(self, answer: Reply | Awaitable[Reply]) -> None:
        """Answer the session's question, now or when the answer is there."""
        if isinstance(answer, Reply):
            self._session.send_reply(answer)
            if answer.code >= 400:
                self._check_guessing()
            return
        self._waiting = True
        self._start(self._give_later(answer))

    async def _give_later(self, answer: Awaitable[Reply]) -> None:
        try:
            reply = await answer
        except Exception as error:  # noqa: BLE001
            reply = self._reception.failed(error)
        self._task = None
        self._answered(reply)

    def _answered(self, reply: Reply) -> None:
        """An answer that was waited for is there."""
        if self._closing:
            return
        self._waiting = False
        self._session.send_reply(reply)
        self._check_locked()
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting or self._closing or self._writing_paused:
            return
        self._run()

    def _start(self, work: Awaitable[None]) -> None:
        self._task = self._door.house.loop.create_task(_finish(work, self._fail))

    def _on_mail(self, event: events.MailRequested) -> None:
        self._give(self._reception.mail(event))

    def _on_rcpt(self, event: events.RcptRequested) -> None:
        self._give(self._reception.rcpt(event))

    def _on_data(self, _event: events.DataRequested) -> None:
        self._give(self._reception.data())

    def _on_content(self, event: events.ContentReceived) -> None:
        behind = self._reception.content(event.octets)
        self._progress = True
        if behind is not None:
            self._waiting = True
            self._pause_reading()
            behind.when_drained(self._drained)

    def _drained(self) -> None:
        if not self._closing:
            self._waiting = False
            self._go_on()

    def _on_ended(self, event: events.ContentEnded) -> None:
        self._waiting = True
        judging = self._reception.ended(event, self._content_answered)
        if judging is not None:
            self._start(judging)

    def _content_answered(self, reply: Reply) -> None:
        self._messages += reply.accepts
        self._answered(reply)
        self._check_stopping()

    def _on_aborted(self, _event: events.TransactionAborted) -> None:
        self._reception.abort()
        self._check_stopping()

    def _on_auth(self, event: events.AuthRequested) -> None:
        self._give(self._reception.authenticate(event))
        self._check_locked()

    def _on_auth_response(self, event: events.AuthResponse) -> None:
        self._give(self._reception.auth_response(event.octets))
        self._check_locked()

    def _on_auth_aborted(self, event: events.AuthAborted) -> None:
        self._reception.auth_aborted(replies.AUTH_NOT_BASE64 if event.failed else replies.AUTH_CANCELLED)
        self._check_locked()

    def _check_guessing(self) -> None:
        """Who asks for one unknown address after the other is looking for the known ones."""
        if self._reception.is_guessing:
            self.close_with(replies.TOO_MANY_BAD_COMMANDS, "too many unknown addresses")

    def _check_locked(self) -> None:
        """After too many failed AUTHs this connection, too, is over."""
        if self._reception.locked:
            self._close("locked out")

    def _on_vrfy(self, event: events.VrfyRequested) -> None:
        self._give(self._reception.vrfy(event.argument))

    def _on_expn(self, event: events.ExpnRequested) -> None:
        self._give(self._reception.expn(event.argument))

    def _on_tls(self, _event: events.TlsRequested) -> None:
        self._give(self._door.house.wordbook.reply(replies.READY_FOR_TLS))
        self._flush()
        self._waiting = True
        self._start(self._start_tls())

    def _on_refused(self, event: events.Refused) -> None:
        self._reception.refused(event.row, event.line)

    def _on_closing(self, event: events.Closing) -> None:
        self._close(event.reason)

    # TLS.

    async def _start_tls(self) -> None:
        """Make the handshake; what the client sends right behind it waits until the new transport is in place."""
        door = self._door
        assert door.certificates is not None
        if self._closing:
            return
        if self._session.buffered:  # they came behind the command, and would be read as if they had come under TLS
            self._close("octets behind STARTTLS")
            return
        try:
            transport = await door.house.loop.start_tls(
                self._transport, self, door.certificates, server_side=True, ssl_handshake_timeout=_HANDSHAKE_TIME
            )
        except OSError as error:
            self._reason = f"TLS handshake: {error}"
            self._transport.abort()
            self.connection_lost(None)  # the transport tells it only to those who have completed their handshake
            return
        if transport is None or self._closing:
            return
        self._transport = transport
        self._session.tls_started()
        facts = ConnectionFacts(self._client_address, door.role)
        self._reception = Reception(door.house, self._session, facts, self._reception)
        self._task = None
        self._waiting = False
        self._reading_paused = False
        door.idle.heard(self)
        self._go_on()

    # Flow.

    def _check_buffer(self) -> None:
        if self._session.buffered > MOST_BUFFERED:
            self._pause_reading()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._waiting and not self._writing_paused and not self._closing:
            self._reading_paused = False
            self._transport.resume_reading()

    # The end.

    @property
    def in_transaction(self) -> bool:
        """Whether a mail transaction is open or its acceptance under way."""
        return self._session.state >= State.MAIL

    def stop(self) -> None:
        """The server is stopping: an open transaction may finish, everything else ends now."""
        if not self.in_transaction:
            self.close_with(replies.SHUTTING_DOWN, "server stopping")

    def abandon(self) -> None:
        """The server can wait no longer."""
        if self._closing or self._writing_paused:
            self._transport.abort()
        else:
            self.close_with(replies.SHUTTING_DOWN, "server stopping")

    def _check_stopping(self) -> None:
        if self._door.stopping and not self._closing:
            self.stop()

    def close_with(self, row: ReplyRow, reason: str) -> None:
        """Say a last reply and close."""
        if not self._closing:
            self._session.close_with(row, fqdn=self._door.house.hostname)
            self._close(reason)

    def _close(self, reason: str) -> None:
        self._reason = reason
        self._flush()
        self._closing = True
        self._waiting = True  # nothing that was sent behind this is read
        self._door.idle.heard(self)
        self._transport.close()

    def _fail(self, error: BaseException) -> None:
        """A bug or a dead dependency: the client is told 451 with an id, and the connection ends."""
        reply = self._reception.failed(error)
        if self._closing:
            return
        if not self._transport.is_closing():
            self._transport.write(self._session.data_to_send() + reply.octets)
        self._close("failure")

    def _log(self) -> None:
        session, house, reception = self._session, self._door.house, self._reception
        tls = self._transport.get_extra_info("ssl_object")
        account = reception.facts.account
        seconds = round(house.clock.monotonic() - self._begun, 3)
        if reception.journal is not None:
            reception.journal.closed(session, reception.facts, self._reason, seconds)
        if reception.last is not None:
            path, ok = reception.last.reverse_path, self._messages > 0
            house.product_logs.ended(self._client_address, "", path, reception.last_id, ok=ok)
        house.log.connection(
            self._client_address,
            self._door.role,
            self._reason,
            client_domain=reception.name.domain,
            hello=session.hello_domain,
            account="" if account is None else str(account.address),
            tls="" if tls is None else tls_summary(tls),
            messages=self._messages,
            seconds=seconds,
        )


async def _finish(work: Awaitable[None], fail: Callable[[BaseException], None]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001
        fail(error)


_ANSWERS: Final[dict[type, Callable[[Connection, Event | Signal], None]]] = cast(
    "dict[type, Callable[[Connection, Event | Signal], None]]",
    {
        events.MailRequested: Connection._on_mail,
        events.RcptRequested: Connection._on_rcpt,
        events.DataRequested: Connection._on_data,
        events.ContentReceived: Connection._on_content,
        events.ContentEnded: Connection._on_ended,
        events.TransactionAborted: Connection._on_aborted,
        events.AuthRequested: Connection._on_auth,
        events.AuthResponse: Connection._on_auth_response,
        events.AuthAborted: Connection._on_auth_aborted,
        events.VrfyRequested: Connection._on_vrfy,
        events.ExpnRequested: Connection._on_expn,
        events.TlsRequested: Connection._on_tls,
        events.Refused: Connection._on_refused,
        events.Closing: Connection._on_closing,
    },
)
