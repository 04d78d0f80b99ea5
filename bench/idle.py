# SPDX-License-Identifier: Apache-2.0
"""What an open connection costs that has said EHLO and then waits."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtool import BenchError

if TYPE_CHECKING:
    from peers import Peer

FLOOR_KIB: Final = 5.0  # a connection of ours may cost this much with 10,000 of them open
SPARE_FILES: Final = 200
A_SOURCE: Final = 20000  # connections from one source address; the kernel has fewer than 28,232 ports for each


@dataclass(frozen=True, slots=True)
class IdleFigures:
    """Memory of a receiver (all processes, PSS) before and with `connections` idle ones; `seconds` to open them all."""

    peer: str
    connections: int
    base_mib: float
    full_mib: float
    kib_each: float
    seconds: float


def measure_idle(peer: Peer, count: int) -> IdleFigures:
    """Open `count` connections to a freshly started receiver; raises `BenchError` when it does not take them."""
    allow_files(count + SPARE_FILES)
    peer.settle(10)
    base = peer.pss_kib()
    with ExitStack() as connections:
        begun = time.monotonic()
        for number in range(count):
            connections.enter_context(_greeted(peer, number))
        seconds = time.monotonic() - begun
        peer.settle(10)
        full = peer.pss_kib()
    return IdleFigures(peer.name, count, base / 1024, full / 1024, (full - base) / count, seconds)


def allow_files(count: int) -> None:
    """Raise the limit of open files to `count` for us and the receivers started later; raises `BenchError`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchError(f"{count} open files are needed and {hard} allowed; raise the limit (`ulimit -Hn`)")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count if hard == resource.RLIM_INFINITY else hard, hard))


def _greeted(peer: Peer, number: int) -> socket.socket:
    """A connection that has had its greeting and the reply to EHLO."""
    connection = socket.socket()
    try:
        connection.settimeout(10)
        connection.bind((f"127.0.{1 + number // A_SOURCE}.1", 0))
        connection.connect(("127.0.0.1", peer.port))
        greeting = connection.recv(512)
        connection.sendall(b"EHLO idle.example\r\n")
        if not greeting.startswith(b"220") or not connection.recv(4096).startswith(b"250"):
            raise BenchError(f"{peer.name} does not greet connection {number + 1}: {greeting!r}")  # noqa: TRY301  (closed below)
    except OSError as error:
        connection.close()
        raise BenchError(f"{peer.name} does not take connection {number + 1}: {error}") from error
    except BenchError:
        connection.close()
        raise
    return connection
