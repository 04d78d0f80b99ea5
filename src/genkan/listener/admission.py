# SPDX-License-Identifier: Apache-2.0
"""How many sessions there are, in all and for each client address, over all workers; and who connects too often.

One process counts for all: the worker itself when it is alone, else the supervisor, asked over a socket. A worker that dies
takes its sessions with it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from genkan.config import Config

ADMIT: Final = b"A"
LEAVE: Final = b"L"
_MOST_RATED: Final = 20_000  # client addresses whose connections are counted at a time


class Entrance(Enum):
    """What a client is told at the door; the values go over the socket."""

    YES = b"Y"
    FULL = b"N"
    TOO_OFTEN = b"R"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The most sessions at a time, in all and of one client address, and the most new ones of one client within `window`.

    0 is no limit; `window` in seconds.
    """

    total: int
    per_client: int
    rate: int = 0
    window: float = 60.0

    @classmethod
    def of(cls, config: Config) -> SessionLimits:
        """The limits that the configuration sets."""
        limits = config.limits
        window = limits.connection_window.total_seconds()
        return cls(limits.sessions, limits.sessions_per_client, limits.connections_per_client, window)

    @property
    def unlimited(self) -> bool:
        """Whether nothing need be counted."""
        return not self.total and not self.per_client and not self.rate


class Admission(Protocol):
    """Asked once when a client comes and told when it has left."""

    def admit(self, client_address: str, decided: Callable[[Entrance], None]) -> None:
        """Call `decided` with whether the client may come in; if so, `leave` must follow one day."""
        ...

    def leave(self, client_address: str) -> None:
        """An admitted client has left."""
        ...


class Unlimited:
    """Everybody comes in."""

    def admit(self, _client_address: str, decided: Callable[[Entrance], None]) -> None:
        """See `Admission`."""
        decided(Entrance.YES)

    def leave(self, _client_address: str) -> None:
        """See `Admission`."""


class LocalCount:
    """Counts in this process."""

    def __init__(self, limits: SessionLimits, monotonic: Callable[[], float]) -> None:
        """An empty house; `monotonic` gives seconds that never go back."""
        self._limits = limits
        self._monotonic = monotonic
        self._total = 0
        self._clients: Counter[str] = Counter()
        self._arrivals: dict[str, deque[float]] = {}

    def admit(self, client_address: str, decided: Callable[[Entrance], None]) -> None:
        """See `Admission`."""
        limits = self._limits
        if limits.rate and self._comes_too_often(client_address):
            decided(Entrance.TOO_OFTEN)
        elif 0 < limits.total <= self._total or 0 < limits.per_client <= self._clients[client_address]:
            decided(Entrance.FULL)
        else:
            self._total += 1
            self._clients[client_address] += 1
            decided(Entrance.YES)

    def _comes_too_often(self, client_address: str) -> bool:
        """Count an arrival; one too many begins a new count, since the client is locked meanwhile."""
        now = self._monotonic()
        if len(self._arrivals) > _MOST_RATED:
            self._forget_arrivals(now)
        arrivals = self._arrivals.setdefault(client_address, deque())
        while arrivals and arrivals[0] <= now - self._limits.window:
            arrivals.popleft()
        arrivals.append(now)
        if len(arrivals) <= self._limits.rate:
            return False
        del self._arrivals[client_address]
        return True

    def _forget_arrivals(self, now: float) -> None:
        latest = now - self._limits.window
        recent = {client: arrivals for client, arrivals in self._arrivals.items() if arrivals[-1] > latest}
        self._arrivals = recent if len(recent) <= _MOST_RATED else {}

    def leave(self, client_address: str) -> None:
        """See `Admission`."""
        self._total -= 1
        self._clients[client_address] -= 1
        if not self._clients[client_address]:
            del self._clients[client_address]


class _Outbox:
    """Sends packets in order and waits while the other side is busy: a lost one would make the count wrong for good."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._socket = sock
        self._loop = loop
        self._packets: deque[bytes] = deque()

    def send(self, packet: bytes) -> None:
        """Send now or later. Raises `OSError` when the other side is gone."""
        if not self._packets:
            try:
                self._socket.send(packet)
            except BlockingIOError:
                self._loop.add_writer(self._socket, self._go_on)
            else:
                return
        self._packets.append(packet)

    def close(self) -> None:
        """Send no more."""
        if self._packets:
            self._loop.remove_writer(self._socket)
            self._packets.clear()

    def _go_on(self) -> None:
        try:
            while self._packets:
                self._socket.send(self._packets[0])
                self._packets.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._packets.clear()  # who reads from the socket sees its end
        self._loop.remove_writer(self._socket)


class RemoteCount:
    """A worker's view of the count that its supervisor keeps, over a sequenced-packet socket; answers come in order."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, orphaned: Callable[[], None]) -> None:
        """`sock` is the worker's end, not blocking; `orphaned` is called when the supervisor has died."""
        self._socket = sock
        self._loop = loop
        self._orphaned = orphaned
        self._outbox = _Outbox(sock, loop)
        self._undecided: deque[Callable[[Entrance], None]] = deque()
        loop.add_reader(sock, self._read)

    def admit(self, client_address: str, decided: Callable[[Entrance], None]) -> None:
        """See `Admission`. When the supervisor cannot be asked, the client is sent away: a limit is a limit."""
        self._undecided.append(decided)
        try:
            self._outbox.send(ADMIT + client_address.encode())
        except OSError:
            self._undecided.pop()
            decided(Entrance.FULL)

    def leave(self, client_address: str) -> None:
        """See `Admission`."""
        try:
            self._outbox.send(LEAVE + client_address.encode())
        except OSError:
            return  # the supervisor is gone, and its count with it

    def _read(self) -> None:
        try:
            while answer := self._socket.recv(1):
                self._undecided.popleft()(Entrance(answer))
        except BlockingIOError:
            return
        except OSError:
            pass
        self._loop.remove_reader(self._socket)
        self._outbox.close()
        while self._undecided:
            self._undecided.popleft()(Entrance.FULL)
        self._orphaned()


class WorkerCount:
    """The supervisor's end of one worker: counts for it, and gives everything back when it dies."""

    def __init__(self, sock: socket.socket, count: LocalCount, loop: asyncio.AbstractEventLoop) -> None:
        """`count` is shared by all workers."""
        self._socket = sock
        self._count = count
        self._loop = loop
        self._outbox = _Outbox(sock, loop)
        self._clients: Counter[str] = Counter()
        loop.add_reader(sock, self._read)

    def close(self) -> None:
        """The worker is dead: its sessions are over."""
        self._loop.remove_reader(self._socket)
        self._outbox.close()
        self._socket.close()
        for client_address in self._clients.elements():
            self._count.leave(client_address)
        self._clients.clear()

    def _read(self) -> None:
        try:
            while packet := self._socket.recv(256):
                self._serve(packet[:1], packet[1:].decode())
        except BlockingIOError:
            return
        except OSError:
            self._loop.remove_reader(self._socket)
            return
        self._loop.remove_reader(self._socket)

    def _serve(self, verb: bytes, client_address: str) -> None:
        if verb == LEAVE:
            self._clients[client_address] -= 1
            if not self._clients[client_address]:
                del self._clients[client_address]
            self._count.leave(client_address)
            return

        def decided(entrance: Entrance) -> None:
            if entrance is Entrance.YES:
                self._clients[client_address] += 1
            self._outbox.send(entrance.value)

        self._count.admit(client_address, decided)
