# SPDX-License-Identifier: Apache-2.0
"""Load on a server: clients that send numbered messages as fast as they are answered, and know which were acknowledged."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Final, Self

from genkan.spool.reading import list_queued
from tests.support.server import maildir, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from genkan.config import Config

RECIPIENTS: Final = ("ann@in.test", "bob@in.test")
CLIENTS: Final = 20
_PATIENCE: Final = 15.0  # seconds for a reply
_SMALL: Final = 600
_LARGE: Final = 70_000  # beyond `spool.inline_size`, in several extents when there is much load
_MARK: Final = b"X-Number: "


class Client:
    """A connection to the server that speaks SMTP line by line."""

    def __init__(self, port: int, *, proxy_for: str = "") -> None:
        """Connect, read the greeting, say EHLO. Raises `OSError`; `ConnectionError` also for any other reply.

        `proxy_for` is a client address for a PROXY header, in front of everything.
        """
        self.socket = socket.create_connection(("127.0.0.1", port), _PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self.socket.makefile("rb")
        try:
            if proxy_for:
                self.socket.sendall(f"PROXY TCP4 {proxy_for} 127.0.0.1 40000 {port}\r\n".encode())
            self.greeting = self.reply()
            self.expect("220", self.greeting)
            self.expect("250", self.command(b"EHLO client.example.net\r\n"))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._lines.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reply(self) -> str:
        """The last line of the next reply; `ConnectionError` when the server is gone."""
        while True:
            line = self._lines.readline().decode()
            if not line.endswith("\r\n"):
                raise ConnectionError(f"the server has gone after {line!r}")
            if line[3] == " ":
                return line.rstrip("\r\n")

    def command(self, octets: bytes) -> str:
        """Send, and give the reply."""
        self.socket.sendall(octets)
        return self.reply()

    @staticmethod
    def expect(code: str, reply: str) -> None:
        """Raise `ConnectionError` with any other reply."""
        if not reply.startswith(code):
            raise ConnectionError(reply)

    def send(self, content: bytes, recipients: Sequence[str] = RECIPIENTS[:1]) -> str:
        """One mail transaction; the first reply that is not positive, else the one that acknowledges the message."""
        commands = [b"MAIL FROM:<carol@example.net>\r\n"]
        commands += [f"RCPT TO:<{recipient}>\r\n".encode() for recipient in recipients]
        for command in (*commands, b"DATA\r\n"):
            reply = self.command(command)
            if reply[0] not in "23":
                return reply
        return self.command(content + b".\r\n")


def content(number: int) -> bytes:
    """The content of a numbered message: every tenth is large; no two are the same anywhere."""
    head = b"Subject: load\r\n" + _MARK + b"%d\r\n\r\n" % number
    line = (b"%d " % number) * 9 + b"\r\n"
    size = _LARGE if number % 10 == 0 else _SMALL
    return head + line * (size // len(line))


class Load:
    """Sends from many threads until it is told to stop."""

    def __init__(self, port: int, *, clients: int = CLIENTS, numbers: Iterator[int] | None = None) -> None:
        """Messages get the next of `numbers`."""
        self.port = port
        self.acknowledged: set[int] = set()
        self.replies: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._numbers = numbers or count(1)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, name=f"client {n}") for n in range(clients)]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send no more, and wait for the answers to what was sent."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until_acknowledged(self, number: int) -> None:
        """Wait until so many messages were acknowledged in all."""
        until(lambda: len(self.acknowledged) >= number, f"{number} acknowledged messages, {self.errors} {self.replies}")

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._converse()
            except OSError as error:
                self.errors[type(error).__name__ if error.errno else str(error)] += 1
                self._stop.wait(0.02)

    def _converse(self) -> None:
        with Client(self.port) as client:
            while not self._stop.is_set():
                number = next(self._numbers)
                reply = client.send(content(number), [RECIPIENTS[number % len(RECIPIENTS)]])
                if reply.startswith("250"):
                    self.acknowledged.add(number)
                else:
                    self.replies[reply[:9]] += 1
                    Client.expect("250", reply) if reply.startswith("421") else client.command(b"RSET\r\n")


@contextmanager
def loading(port: int, *, clients: int = CLIENTS, numbers: Iterator[int] | None = None) -> Iterator[Load]:
    """Load for the block."""
    load = Load(port, clients=clients, numbers=numbers)
    load.start()
    try:
        yield load
    finally:
        load.stop()


def until_queue_is_empty(config: Config) -> None:
    """Wait until every spool of the server is empty."""
    until(lambda: next(list_queued(config.storage_folder, datetime.now(UTC)), None) is None, "an empty queue")


def delivered(config: Config, folder: Callable[[Config, str], list[bytes]] = maildir) -> Counter[int]:
    """How often each number lies in the mailboxes; fails if one does not have exactly its content."""
    found: Counter[int] = Counter()
    for address in RECIPIENTS:
        for message in folder(config, address):
            number = int(message.partition(_MARK)[2].partition(b"\r\n")[0])
            assert message.endswith(b"\r\n" + content(number)), f"message {number} is not as it was sent"
            found[number] += 1
    return found


def assert_nothing_lost(config: Config, acknowledged: set[int]) -> None:
    """Every acknowledged message is in a mailbox, no message is there twice, and nothing is left in a spool."""
    until_queue_is_empty(config)
    found = delivered(config)
    assert sorted(acknowledged - found.keys()) == []
    assert [number for number, times in found.items() if times > 1] == []
