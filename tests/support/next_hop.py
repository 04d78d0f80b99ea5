# SPDX-License-Identifier: Apache-2.0
"""A next hop for tests: an SMTP or LMTP server in a thread that takes mail, or does with us what a script says.

A script is a dictionary: a place in the dialogue (`connect`, a verb, `RCPT` with an address, `handshake` for that of TLS, `early`
for the first octets of the content, `content` for its end, `after` for what follows the reply to it) to what is done there:
text to answer, or one of the `Do` below. A list is used up one by one, its last stays; text may hold several lines.
"""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from base64 import b64decode, b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import TYPE_CHECKING, Final

from scramp import ScramException, ScramMechanism

from tests.support.server import DEADLINE, until

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

FULL: Final = ("PIPELINING", "SIZE 0", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES")
_RECIPIENT: Final = re.compile(rb"RCPT TO:<([^>]*)>(.*)", re.IGNORECASE)
_SENDER: Final = re.compile(rb"MAIL FROM:<([^>]*)>(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Do:
    """Something other than an answer.

    `close` the connection, be `silent` until the test ends, `flood` with replies, send octets as they are (`raw`), read
    nothing (`deaf`) and say so much, or `wait` until the test says `go` and answer then.
    """

    what: str
    text: str = ""


CLOSE: Final = Do("close")
SILENT: Final = Do("silent")
FLOOD: Final = Do("flood")
WAIT: Final = Do("wait")

Act = str | Do
Script = dict[str, "Act | list[Act]"]


@dataclass
class Taken:
    """A message that was accepted: the reverse-path with its parameters, likewise each recipient, and the content."""

    reverse_path: str
    parameters: str
    recipients: list[str]
    recipient_parameters: list[str]
    content: bytes
    tls: bool
    connection: int


@dataclass
class NextHop:
    """The server as a test sees it."""

    extensions: tuple[str, ...] = FULL
    script: Script = field(default_factory=dict)
    lmtp: bool = False
    certificate: tuple[Path, Path] | None = None
    accounts: dict[str, str] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.go = threading.Event()
        self.most_at_once = 0
        self.at_once = 0
        self._used: dict[str, int] = {}

    def act(self, place: str) -> Act | None:
        """What the script says for this place now."""
        acts = self.script.get(place)
        if not isinstance(acts, list):
            return acts
        with self.lock:
            used = self._used.get(place, 0)
            self._used[place] = used + 1
        return acts[min(used, len(acts) - 1)]

    def until_taken(self, count: int) -> list[Taken]:
        """Wait until so many messages were accepted."""
        until(lambda: len(self.taken) >= count, f"{count} messages at the next hop, there are {len(self.taken)}")
        return self.taken

    def said(self, verb: str) -> list[str]:
        """The command lines that begin with a verb."""
        return [line for line in self.lines if line.upper().startswith(verb)]


class _Closed(Exception):
    """The script ends the connection."""


class _Dialogue(socketserver.BaseRequestHandler):
    """One connection."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Server | _SocketServer)
        self.hop = server.hop
        self.sock: socket.socket = self.request
        self.sock.settimeout(DEADLINE)
        self.buffer = b""
        self.tls = False
        with self.hop.lock:
            self.hop.connections += 1
            self.number = self.hop.connections
            self.hop.peers.append(str(self.client_address[0]) if self.client_address else "")
            self.hop.at_once += 1
            self.hop.most_at_once = max(self.hop.most_at_once, self.hop.at_once)
        try:
            with suppress(_Closed, OSError):
                self.talk()
        finally:
            with self.hop.lock:
                self.hop.at_once -= 1
            with suppress(OSError):
                self.sock.close()

    def talk(self) -> None:
        self.answer("connect", "220 hop.test ESMTP")
        self.begin()
        while True:
            line = self.line()
            self.hop.lines.append(line.decode("utf-8", "replace"))
            verb = line.split(b" ")[0].upper().decode("ascii", "replace")
            handler = getattr(self, f"on_{verb.lower()}", None)
            if handler is None:
                self.answer(verb, "500 5.5.2 what?")
            else:
                handler(line)

    def begin(self) -> None:
        self.begun = False
        self.sender = b""
        self.parameters = b""
        self.recipients: list[bytes] = []
        self.recipient_parameters: list[bytes] = []
        self.chunks = b""

    def on_ehlo(self, _line: bytes) -> None:
        words = [*self.hop.extensions]
        if self.hop.certificate and not self.tls:
            words.append("STARTTLS")
        lines = ["hop.test at your service", *words]
        shown = [f"250{' ' if at == len(lines) - 1 else '-'}{text}" for at, text in enumerate(lines)]
        self.answer("EHLO", "\r\n".join(shown))

    def on_lhlo(self, line: bytes) -> None:
        self.on_ehlo(line)

    def on_helo(self, _line: bytes) -> None:
        self.answer("HELO", "250 hop.test")

    def on_starttls(self, _line: bytes) -> None:
        if not self.answer("STARTTLS", "220 2.0.0 go ahead").startswith("2"):
            return
        if (act := self.hop.act("handshake")) is not None:
            self.read()
            self.do(act, "")
            raise _Closed
        assert self.hop.certificate is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.hop.certificate)
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.sock.settimeout(DEADLINE)
        self.tls = True

    def on_auth(self, line: bytes) -> None:
        _, mechanism, initial = line.decode().split(" ")
        if self.hop.act("AUTH") is not None:
            self.answer("AUTH", "")
            return
        known = self.scram(initial) if mechanism == "SCRAM-SHA-256" else self.plain(initial)
        self.send("235 2.7.0 welcome" if known else "535 5.7.8 who are you?")

    def plain(self, initial: str) -> bool:
        login, password = b64decode(initial).decode().split("\0")[1:]
        return self.hop.accounts.get(login) == password

    def scram(self, first: str) -> bool:
        mechanism = ScramMechanism("SCRAM-SHA-256")
        server = mechanism.make_server(lambda login: mechanism.make_auth_info(self.hop.accounts.get(login, "?")))
        server.set_client_first(b64decode(first).decode())
        self.send(f"334 {b64encode(server.get_server_first().encode()).decode()}")
        try:
            server.set_client_final(b64decode(self.line()).decode())
        except ScramException:
            return False
        self.send(f"334 {b64encode(server.get_server_final().encode()).decode()}")
        return not self.line()

    def on_mail(self, line: bytes) -> None:
        match = _SENDER.match(line)
        assert match is not None
        if self.answer("MAIL", "250 2.1.0 fine").startswith("2"):
            self.begin()
            self.begun = True
            self.sender, self.parameters = match[1], match[2].strip()

    def on_rcpt(self, line: bytes) -> None:
        match = _RECIPIENT.match(line)
        assert match is not None
        if not self.begun:
            self.send("503 5.5.1 who is it from?")
            return
        place = f"RCPT {match[1].decode()}"
        if self.answer(place if place in self.hop.script else "RCPT", "250 2.1.5 fine").startswith("2"):
            self.recipients.append(match[1])
            self.recipient_parameters.append(match[2].strip())

    def on_data(self, _line: bytes) -> None:
        if not self.recipients:
            self.send("503 5.5.1 who is it for?")
            return
        if not self.answer("DATA", "354 go on").startswith("3"):
            return
        self.early()
        while b"\r\n.\r\n" not in b"\r\n" + self.buffer:
            self.read()
        content, _, self.buffer = (b"\r\n" + self.buffer).partition(b"\r\n.\r\n")
        self.take((content[2:] + b"\r\n").replace(b"\r\n..", b"\r\n."))

    def on_bdat(self, line: bytes) -> None:
        size = int(line.split()[1])
        self.early()
        while len(self.buffer) < size:
            self.read()
        self.chunks += self.buffer[:size]
        self.buffer = self.buffer[size:]
        if not self.recipients:
            self.send("503 5.5.1 who is it for?")
        elif line.upper().endswith(b"LAST"):
            self.take(self.chunks)
        else:
            self.send("250 2.0.0 more")

    def early(self) -> None:
        """What is said when the content begins, to whoever has not sent all of it."""
        if (act := self.hop.act("early")) is not None:
            self.do(act, "")

    def take(self, content: bytes) -> None:
        taken = Taken(
            self.sender.decode(),
            self.parameters.decode(),
            [one.decode() for one in self.recipients],
            [one.decode() for one in self.recipient_parameters],
            content,
            self.tls,
            self.number,
        )
        act = self.hop.act("content")
        if act is None or (isinstance(act, str) and act.startswith("2")) or act == CLOSE:
            self.hop.taken.append(taken)  # CLOSE: taken, but nobody hears of it
        for recipient in self.recipients if self.hop.lmtp else self.recipients[:1]:
            own = self.hop.act(f"content {recipient.decode()}")
            self.do(act if own is None else own, "250 2.0.0 taken")
        self.begin()
        if (after := self.hop.act("after")) is not None:
            self.do(after, "")

    def on_rset(self, _line: bytes) -> None:
        self.begin()
        self.answer("RSET", "250 2.0.0 forgotten")

    def on_quit(self, _line: bytes) -> None:
        self.answer("QUIT", "221 2.0.0 bye")
        raise _Closed

    def answer(self, place: str, usual: str) -> str:
        return self.do(self.hop.act(place), usual)

    def do(self, act: Act | None, usual: str) -> str:
        if act is None or isinstance(act, str):
            return self.send(usual if act is None else act)
        match act.what:
            case "close":
                raise _Closed
            case "silent":
                self.hop.ended.wait(DEADLINE)
                raise _Closed
            case "flood":
                while not self.hop.ended.is_set():
                    self.sock.sendall(b"250-still here and here and here and here and here\r\n" * 1000)
                raise _Closed
            case "raw":
                self.sock.sendall(act.text.encode("latin-1"))
                return act.text
            case "deaf":
                self.sock.sendall(act.text.encode())
                self.hop.ended.wait(DEADLINE)
                raise _Closed
            case _:
                assert self.hop.go.wait(DEADLINE)
                return self.send(act.text or usual)

    def send(self, text: str) -> str:
        self.sock.sendall(text.encode() + b"\r\n")
        if text.startswith("421"):
            raise _Closed
        return text

    def line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self.read()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def read(self) -> None:
        octets = self.sock.recv(65536)
        if not octets:
            raise _Closed
        self.buffer += octets


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    hop: NextHop

    def get_request(self) -> tuple[socket.socket, object]:
        sock, address = super().get_request()
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        return sock, address


class _SocketServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    hop: NextHop


@contextmanager
def next_hop(
    script: Script | None = None,
    *,
    extensions: tuple[str, ...] = FULL,
    certificate: tuple[Path, Path] | None = None,
    accounts: dict[str, str] | None = None,
    address: tuple[str, int] = ("127.0.0.1", 0),
) -> Iterator[NextHop]:
    """An SMTP server on loopback, on a free port if none is given, for the block."""
    hop = NextHop(extensions, script or {}, certificate=certificate, accounts=accounts or {})
    server = _Server(address, _Dialogue)
    server.hop = hop
    hop.port = server.server_address[1]
    with _serving(server, hop):
        yield hop


@contextmanager
def lmtp_hop(script: Script | None = None, socket: Path | None = None) -> Iterator[NextHop]:
    """The same with LMTP, on a Unix socket if one is named."""
    hop = NextHop(script=script or {}, lmtp=True)
    server = _Server(("127.0.0.1", 0), _Dialogue) if socket is None else _SocketServer(str(socket), _Dialogue)
    server.hop = hop
    if isinstance(server, _Server):
        hop.port = server.server_address[1]
    with _serving(server, hop):
        yield hop


@contextmanager
def _serving(server: _Server | _SocketServer, hop: NextHop) -> Iterator[None]:
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield
    finally:
        hop.ended.set()
        hop.go.set()
        server.shutdown()
        server.server_close()
        until(lambda: not hop.at_once, "the end of all dialogues")
