# SPDX-License-Identifier: Apache-2.0
"""Speaks a transcript's lines to a running server and compares what it answers, over plain blocking sockets."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Final, Self

from genkan.directory import Directory
from tests.support import transcript as steps
from tests.support.answers import answer_line
from tests.support.server import until

if TYPE_CHECKING:
    from types import TracebackType

    from tests.support.server import RunningServer
    from tests.support.transcript import Step, Transcript

PATIENCE: Final = 10.0  # seconds for a line that should take a moment


class Unexpected(AssertionError):
    """The server said, or did, something else."""


class Wire:
    """One connection of the client."""

    def __init__(self, address: tuple[str, int], client_address: str) -> None:
        """Connects, and says in a PROXY header who the client is."""
        self._socket = socket.create_connection(address, PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        family, here = ("TCP6", "::1") if ":" in client_address else ("TCP4", "127.0.0.1")
        self.send(f"PROXY {family} {client_address} {here} 40000 25\r\n".encode())

    def send(self, octets: bytes) -> None:
        """A server that has closed already may still have said something worth reading."""
        try:
            self._socket.sendall(octets)
        except OSError:
            return

    def line(self) -> str:
        """The next line of the server, without its CRLF."""
        while b"\r\n" not in self._buffer:
            octets = self._receive()
            if not octets:
                raise Unexpected(f"the server closed the connection after {self._buffer!r}")
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line.decode()

    def expect_end(self) -> None:
        """Nothing more comes, and the server has closed."""
        while octets := self._receive():
            self._buffer += octets
        if self._buffer:
            raise Unexpected(f"before the end came {self._buffer!r}")

    def start_tls(self) -> None:
        """Make the handshake; the certificate is self-signed and not looked at."""
        if self._buffer:
            raise Unexpected(f"in clear before the handshake came {self._buffer!r}")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket)

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except TimeoutError:
            raise Unexpected(f"nothing came in {PATIENCE:.0f} s after {self._buffer!r}") from None
        except OSError:
            return b""


class Dialogue:
    """The client of one transcript. Connections are opened when a step needs one."""

    def __init__(self, server: RunningServer, transcript: Transcript) -> None:
        """`transcript` tells where the client comes from and which listener it calls."""
        self._server = server
        self._transcript = transcript
        self._open: Wire | None = None
        self._held: list[Wire] = []
        self._last_line = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wire in (self._open, *self._held):
            if wire is not None:
                wire.close()

    def take(self, step: Step) -> None:
        """Do one step; raises Unexpected."""
        match step:
            case steps.Send(octets=octets):
                self._wire.send(octets)
            case steps.Expect(text=text):
                self._compare(text, self._next_line() == text)
            case steps.ExpectMatch(pattern=pattern):
                self._compare(pattern.pattern, pattern.fullmatch(self._next_line()) is not None)
            case steps.Answer():
                self._wire.send(answer_line(step, self._last_line))
            case steps.StartTls():
                self._wire.start_tls()
            case steps.Closed():
                self._wire.expect_end()
            case _:
                self._take_rare(step)

    def _take_rare(self, step: Step) -> None:
        match step:
            case steps.NewConnection():
                self._wire.close()
                self._open = self._connect()
            case steps.HoldConnections(count=count):
                for _ in range(count):
                    self._held.append(self._connect())
                    self._held[-1].line()
            case steps.Advance(time=time):
                self._let_it_read()
                self._server.advance(time)
            case steps.StopServer():
                self._let_it_read()
                for listener in self._server.worker.listeners:
                    self._server.call(listener.stop)
            case steps.AwaitRule(document=document, rule=rule):
                self._await_rule(document, rule)
            case _:
                raise NotImplementedError(step)

    def _await_rule(self, document: str, rule: str) -> None:
        """The server writes in a thread of its own."""

        def is_there() -> bool:
            directory.renew()
            current = directory.documents.current(document)
            return current is not None and rule in current.octets.decode().splitlines()

        with Directory.open(self._server.config.storage_folder) as directory:
            until(is_there, f"the line {rule!r} in {document}")

    @property
    def _wire(self) -> Wire:
        if self._open is None:
            self._open = self._connect()
        return self._open

    def _connect(self) -> Wire:
        return Wire(self._server.address(self._transcript.listener), self._transcript.client_address)

    def _next_line(self) -> str:
        self._last_line = self._wire.line()
        return self._last_line

    def _compare(self, expected: str, agrees: bool) -> None:
        if not agrees:
            raise Unexpected(f"\nexpected {expected}\n     got {self._last_line}")

    def _let_it_read(self) -> None:
        """Two turns of the server's event loop: by then it has read all that was sent."""
        for _ in range(2):
            self._server.call(lambda: None)
