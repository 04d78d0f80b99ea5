# SPDX-License-Identifier: Apache-2.0
"""The mail log: one function for each thing that can happen to mail, one line of JSON each.

A refusal names its reply and its check; what a client typed in AUTH never comes here.
"""

from __future__ import annotations

import json
import os
import threading
import traceback
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from genkan.clock import Clock
    from genkan.message.envelope import Envelope

_MOMENT: Final = 0.02  # seconds
_PATIENCE: Final = 2.0  # seconds
_MOST_WAITING: Final = 8 * 1024 * 1024  # octets

_encode: Final = msgspec.json.Encoder(enc_hook=str).encode
_encode_ascii: Final = json.JSONEncoder(ensure_ascii=True, default=str).encode


class LogStream:
    """Writes lines in a thread: whoever reads the log slowly, or not at all, must not stop the mail.

    What comes when too much waits already is dropped, and counted in a line of its own.
    """

    def __init__(self, descriptor: int, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Without a `loop` every line is written at once, by the caller."""
        self._descriptor = descriptor
        self._loop = loop
        self._lines: list[bytes] = []
        self._waiting = 0
        self._lost = 0
        self._written = threading.Condition()
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        if loop is not None:
            threading.Thread(target=self._work, name="maillog", daemon=True).start()

    def write(self, line: bytes) -> None:
        """Take a line; it is written within a moment."""
        if self._loop is None:
            _write_all(self._descriptor, line)
            return
        if not self._lines:
            self._loop.call_later(_MOMENT, self._hand_over)
        self._lines.append(line)

    def flush(self) -> None:
        """Wait until all is written, two seconds at most."""
        self._hand_over()
        with self._written:
            self._written.wait_for(lambda: not self._waiting, _PATIENCE)

    def _hand_over(self) -> None:
        lines, self._lines = self._lines, []
        octets = b"".join(lines)
        with self._written:
            if self._waiting > _MOST_WAITING:
                self._lost += len(lines)
                return
            if self._lost:
                octets += b'{"event":"log lines lost","lines":%d}\n' % self._lost
                self._lost = 0
            self._waiting += len(octets)
        self._queue.put(octets)

    def _work(self) -> None:
        while True:
            octets = self._queue.get()
            _write_all(self._descriptor, octets)
            with self._written:
                self._waiting -= len(octets)
                self._written.notify_all()


def _write_all(descriptor: int, octets: bytes) -> None:
    """Write; a log that cannot be written (a full disk, a closed pipe) is no reason to stop."""
    with suppress(OSError):
        while octets:
            octets = octets[os.write(descriptor, octets) :]


class MailLog:
    """Writes the log. All methods are cheap and none of them raises."""

    def __init__(self, stream: LogStream, clock: Clock) -> None:
        """Every line gets the clock's time."""
        self._clock = clock
        self._stream = stream

    def drain(self) -> None:
        """Write what is still held."""
        self._stream.flush()

    def server(self, event: str, **details: object) -> None:
        """Something about the server as a whole: started, stopping, reloaded."""
        self._write(event, details)

    def connection(self, client: str, listener: str, reason: str, **details: object) -> None:
        """A connection has ended."""
        self._write("connection", {"client": client, "listener": listener, "reason": reason, **details})

    def refused(self, client: str, reply: str, check: str, **details: object) -> None:
        """Something was refused or deferred; `check` is the check or "session" for the protocol itself."""
        self._write("refused", {"client": client, "reply": reply, "check": check, **details})

    def accepted(self, envelope: Envelope, size: int, client_domain: str) -> None:
        """A message is durable and the client is told so; `client_domain` is its confirmed name, "" without one."""
        reverse_path = envelope.reverse_path
        details = {
            "id": envelope.message_id,
            "client": envelope.client_address,
            "client_domain": client_domain,
            "hello": envelope.hello_domain,
            "account": envelope.account,
            "protocol": envelope.protocol,
            "reverse_path": "" if reverse_path is None else str(reverse_path),
            "recipients": _recipients(envelope),
            "size": size,
        }
        self._write("accepted", details)

    def authenticated(self, client: str, account: str, mechanism: str) -> None:
        """A client has authenticated."""
        self._write("authenticated", {"client": client, "account": account, "mechanism": mechanism})

    def outcome(self, event: str, message_id: str, recipient: str, **details: object) -> None:
        """An attempt at delivery has ended: `delivered`, `deferred` or `failed`."""
        self._write(event, {"id": message_id, "recipient": recipient, **details})

    def failure(self, error_id: str, error: BaseException, **details: object) -> None:
        """Something unexpected; the client was given `error_id`."""
        trace = "".join(traceback.format_exception(error))
        self._write("failure", {"id": error_id, "error": repr(error), "trace": trace, **details})

    def _write(self, event: str, details: dict[str, object]) -> None:
        time = self._clock.now().isoformat(timespec="milliseconds")
        octets = _encode(details)
        if not octets.isascii():  # beyond ASCII all is escaped: no control character of any kind reaches a terminal
            octets = _encode_ascii(details).encode()
        head = f'{{"time":"{time}","event":"{event}"{"," if details else ""}'
        self._stream.write(b"%b%b\n" % (head.encode(), octets[1:]))


_MOST_RECIPIENTS: Final = 100


def _recipients(envelope: Envelope) -> Sequence[str]:
    names = [str(recipient.forward_path) for recipient in envelope.recipients[:_MOST_RECIPIENTS]]
    if len(envelope.recipients) > _MOST_RECIPIENTS:
        names.append(f"and {len(envelope.recipients) - _MOST_RECIPIENTS} more")
    return names
