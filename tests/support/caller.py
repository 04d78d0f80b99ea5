# SPDX-License-Identifier: Apache-2.0
"""A client on a plain blocking socket that sends just what a test says, well-formed or not, and a server for it to call."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

import trustme

from genkan.directory import Directory
from genkan.smtp.address import Mailbox
from tests.support.server import configuration, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.config import Config
    from genkan.listener.connection import Connection
    from tests.support.server import RunningServer

PATIENCE: Final = 10.0  # seconds for something that should take a moment
PASSWORD: Final = "ann's secret 1"
TLS: Final = '[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
PLAINTEXT: Final = '[auth]\nplaintext = "always"\n'
BEGIN: Final = b"EHLO client.test\r\nMAIL FROM:<x@out.test>\r\nRCPT TO:<ann@in.test>\r\n"
MESSAGE: Final = b"Subject: hello\r\n\r\nOne line.\r\n"


def listener(role: str = "smtp", *, proxied: bool = False) -> str:
    """A listener on a free port; `proxied`: with a PROXY header in front of each connection."""
    proxies = 'proxy_protocol = ["127.0.0.0/8"]\n' if proxied else ""
    return f'[[listener]]\naddress = "127.0.0.1:0"\nrole = "{role}"\n{proxies}'


def install(home: Path, text: str = "", listeners: str = "") -> Config:
    """Accounts ann (with a readable password) and bob (without any) of in.test; the alias sales leads to ann."""
    config = configuration(home, text, listeners)
    if config.tls.certificate is not None:
        write_certificate(home)
    with Directory.open(config.storage_folder) as directory:
        directory.domains.add("in.test")
        directory.accounts.add(Mailbox("ann", "in.test"), "Ann Example", PASSWORD, reversible=True)
        directory.accounts.add(Mailbox("bob", "in.test"), "Bob Example")
        directory.aliases.add(Mailbox("sales", "in.test"), Mailbox("ann", "in.test"))
    return config


@contextmanager
def reception(home: Path, text: str = "", listeners: str = "") -> Iterator[RunningServer]:
    """A server as `install` makes it. When the block ends, its clients have left, and nothing may be left of them."""
    with serving(install(home, text, listeners)) as server:
        yield server
        until(lambda: not connections(server), "the end of all connections")
        assert server.call(lambda: leftovers(server)) == (0, 0)


def write_certificate(home: Path) -> None:
    """A certificate for 127.0.0.1 that nobody knows."""
    issued = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("mx.in.test", key_type=trustme.KeyType.ECDSA)
    issued.cert_chain_pems[0].write_to_path(home / "cert.pem")
    issued.private_key_pem.write_to_path(home / "key.pem")


def connections(server: RunningServer) -> list[Connection]:
    """The server's open connections."""
    return [connection for open_at in server.worker.listeners for connection in open_at.door.connections]


def leftovers(server: RunningServer) -> tuple[int, int]:
    """Drafts in the spool and sessions in the count; both are of clients that are there now."""
    counted: int = server.worker.listeners[0].door.admission._total  # type: ignore[attr-defined]
    return server.worker._spools[0]._drafts, counted


def unsafe_context() -> ssl.SSLContext:
    """A client's TLS that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def proxy_v1(client_address: str) -> bytes:
    """A PROXY header of version 1 for a client of that IPv4 address."""
    return f"PROXY TCP4 {client_address} 127.0.0.1 40000 25\r\n".encode()


class Caller:
    """One connection of a client."""

    def __init__(
        self, server: RunningServer, role: str = "smtp", *, first: bytes = b"", greeted: bool = True, buffer: int = 0
    ) -> None:
        """`first` is sent before all else, `buffer` is the size of the receive buffer, 0: the system's."""
        self._socket = socket.socket()
        if buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(server.address(role))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self.send(first)
        if greeted:
            assert self.code() == 220

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, octets: bytes) -> None:
        """Send octets in one write."""
        self._socket.sendall(octets)

    def send_until_full(self, octets: bytes) -> int:
        """Send the same again and again until nobody takes it any more; how many octets were taken."""
        self._socket.settimeout(0.5)
        taken = 0
        try:
            while True:
                taken += self._socket.send(octets[taken % len(octets) :])
        except TimeoutError:
            self._socket.settimeout(PATIENCE)
            return taken

    def line(self) -> str:
        """The next line of the server, without its CRLF."""
        while b"\r\n" not in self._received:
            octets = self._socket.recv(65536)
            assert octets, f"the server closed after {self._received!r}"
            self._received += octets
        line, _, self._received = self._received.partition(b"\r\n")
        return line.decode()

    def reply(self) -> list[str]:
        """The lines of the next reply."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return lines

    def code(self) -> int:
        """The code of the next reply."""
        return int(self.reply()[-1][:3])

    def codes(self, count: int) -> list[int]:
        """The codes of the next replies."""
        return [self.code() for _ in range(count)]

    def ask(self, *lines: bytes) -> list[int]:
        """Say lines, each when the one before has been answered; the reply codes."""
        found = []
        for line in lines:
            self.send(line + b"\r\n")
            found.append(self.code())
        return found

    def octets(self, count: int) -> bytes:
        """The next so many octets of the server."""
        pieces, missing = [self._received], count - len(self._received)
        while missing > 0:
            pieces.append(self._socket.recv(65536))
            assert pieces[-1], f"the server closed {missing} octets too early"
            missing -= len(pieces[-1])
        received = b"".join(pieces)
        self._received = received[count:]
        return received[:count]

    def rest(self) -> bytes:
        """All that still comes until the server has closed; b"" also when it cut the connection."""
        while True:
            try:
                octets = self._socket.recv(65536)
            except ConnectionResetError:
                octets = b""
            if not octets:
                rest, self._received = self._received, b""
                return rest
            self._received += octets

    def start_tls(self) -> None:
        """Make the handshake."""
        assert not self._received
        self._socket = unsafe_context().wrap_socket(self._socket)

    def end_sending(self) -> None:
        """Send no more, but read on; the server may have closed already."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def reset(self) -> None:
        """Leave without any politeness: the server gets a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def start_tls_and_say(self, octets: bytes, replies: int, *, before: bytes = b"") -> list[int]:
        """Send octets in one write with the end of the handshake; the codes of so many replies.

        `before` goes in clear, in one write with the beginning of the handshake.
        """
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = unsafe_context().wrap_bio(incoming, outgoing)
        while not _handshake_done(tls):
            self.send(before + outgoing.read())
            before = b""
            incoming.write(self._socket.recv(65536))
        tls.write(octets)
        self.send(outgoing.read())
        while self._received.count(b"\r\n") < replies or not self._complete(replies):
            try:
                self._received += tls.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(self._socket.recv(65536))
        return self.codes(replies)

    def _complete(self, replies: int) -> bool:
        lines = self._received.split(b"\r\n")[:-1]
        return sum(line[3:4] == b" " for line in lines) >= replies


def _handshake_done(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def client_hello() -> bytes:
    """The first octets of a TLS client."""
    outgoing = ssl.MemoryBIO()
    _handshake_done(unsafe_context().wrap_bio(ssl.MemoryBIO(), outgoing))
    return outgoing.read()
