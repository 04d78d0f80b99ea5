# SPDX-License-Identifier: Apache-2.0
"""A scanner that speaks clamd's INSTREAM on loopback or a Unix socket, finds a marker word, and misbehaves on demand."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from tests.support.server import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARKER: Final = b"GENKAN-TEST-VIRUS"
VIRUS: Final = "Test.Marker"  # what the scanner calls it

_SMALL: Final = 4096  # of the receive buffer of one that reads nothing


@dataclass
class ClamdServer:
    """How it behaves, which may be changed between scans, and what it has seen."""

    reply: bytes = b""  # instead of a verdict
    dies_after: int | None = None  # octets of content before it breaks off the connection
    size_limit: int | None = None  # octets of content before it complains and closes
    silent: bool = False  # reads everything and gives no answer
    deaf: bool = False  # takes the connection and reads nothing until `listen`
    address: str = ""
    contents: list[bytes] = field(default_factory=list)  # of the scans that came to their end
    chunks: list[int] = field(default_factory=list)  # the length of each chunk
    ended: int = 0  # connections that are over
    _listens: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        """Read on."""
        self._listens.set()

    def stop(self) -> None:
        self._stopped.set()
        self._listens.set()

    def until_ended(self, count: int = 1) -> None:
        """Wait until so many connections are over."""
        until(lambda: self.ended >= count, f"the end of {count} scans")

    def serve(self, connection: socket.socket) -> None:
        """One connection from its beginning to its end."""
        if self.deaf:
            assert self._listens.wait(DEADLINE)
        with suppress(OSError, EOFError), connection.makefile("rb") as stream:
            assert stream.read(10) == b"zINSTREAM\0"
            content = self._content(stream)
            if content is not None:
                self._answer(connection, content)
        self.ended += 1

    def _content(self, stream: BinaryIO) -> bytes | None:
        """The content; what there was so far when there are too many octets, `None` to break off."""
        content = b""
        while True:
            (length,) = struct.unpack("!I", _exactly(stream, 4))
            self.chunks.append(length)
            if not length:
                self.contents.append(content)
                return content
            content += _exactly(stream, length)
            if self.dies_after is not None and len(content) > self.dies_after:
                return None
            if self.size_limit is not None and len(content) > self.size_limit:
                return content

    def _answer(self, connection: socket.socket, content: bytes) -> None:
        if self.silent:
            self._stopped.wait(DEADLINE)
        elif self.size_limit is not None and len(content) > self.size_limit:
            connection.sendall(b"INSTREAM size limit exceeded. ERROR\0")
        elif self.reply:
            connection.sendall(self.reply)
        else:
            connection.sendall(f"stream: {VIRUS} FOUND\0".encode() if MARKER in content else b"stream: OK\0")


def _exactly(stream: BinaryIO, length: int) -> bytes:
    octets = stream.read(length) or b""
    if len(octets) < length:
        raise EOFError
    return octets


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    scanner: ClamdServer


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    scanner: ClamdServer


class _Scan(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Tcp | _Unix)
        self.server.scanner.serve(self.request)


@contextmanager
def clamd_server(path: Path | None = None, *, deaf: bool = False) -> Iterator[ClamdServer]:
    """A scanner for the block, on a Unix socket if a path is given; its `address` is what filter.scanner would say."""
    scanner = ClamdServer(deaf=deaf)
    server = _Tcp(("127.0.0.1", 0), _Scan) if path is None else _Unix(str(path), _Scan)
    if deaf:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    scanner.address = f"unix:{path}" if path is not None else f"127.0.0.1:{server.socket.getsockname()[1]}"
    server.scanner = scanner
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield scanner
    finally:
        scanner.stop()
        server.shutdown()
        server.server_close()
