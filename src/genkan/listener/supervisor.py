# SPDX-License-Identifier: Apache-2.0
"""Starts, watches and restarts the workers. It holds their listening sockets, so that nobody is refused while one comes back."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from genkan.listener.admission import LocalCount, SessionLimits, WorkerCount
from genkan.listener.listener import bind

if TYPE_CHECKING:
    from genkan.clock import Clock
    from genkan.config import Config, Listener
    from genkan.maillog import MailLog

_FIRST_DELAY: Final = 0.1  # seconds before a dead worker is started again; doubled each time it dies young
_LONGEST_DELAY: Final = 10.0
_YOUNG: Final = 30.0  # seconds
_PATIENCE: Final = 15.0  # seconds beyond `limits.shutdown` until a worker that does not end is killed


def listeners_of(config: Config, role: str) -> tuple[Listener, ...]:
    """Where a server of that role listens: one that only delivers listens nowhere."""
    return () if role == "deliver" else config.listener


@dataclass(slots=True)
class Seat:
    """A worker's place: its number, its sockets, and the process that has it now."""

    number: int
    sockets: list[socket.socket]
    delay: float = _FIRST_DELAY
    process: asyncio.subprocess.Process | None = field(default=None)


class Supervisor:
    """The parent of all workers."""

    def __init__(self, config: Config, role: str, log: MailLog, clock: Clock) -> None:
        """Binds all sockets, one of each listener for each worker; `role` is passed on to them. Raises `OSError`."""
        listeners = listeners_of(config, role)
        self._config = config
        self._role = role
        self._log = log
        self._clock = clock
        self._count = LocalCount(SessionLimits.of(config), clock.monotonic)
        self._stopping = asyncio.Event()
        for settings in listeners:  # sockets of ours may share a port with each other, not with another server's
            bind(settings.address, shared=False).close()
        self._seats = [
            Seat(number, [bind(settings.address, shared=True) for settings in listeners])
            for number in range(1, config.workers + 1)
        ]

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._tell, signal.SIGHUP)
        self._log.server("supervisor started", workers=self._config.workers)
        async with asyncio.TaskGroup() as group:
            for seat in self._seats:
                group.create_task(self._keep(seat))
        self._log.server("supervisor stopped")
        return 0

    async def _keep(self, seat: Seat) -> None:
        """Keep a worker on its seat until the server stops."""
        while not self._stopping.is_set():
            started = self._clock.monotonic()
            status: int | str
            try:
                status = await self._sit(seat)
            except OSError as error:  # no process or no descriptor is to be had for the moment
                status = str(error)
            if self._stopping.is_set():
                return
            seat.delay = (
                _FIRST_DELAY if self._clock.monotonic() - started > _YOUNG else min(seat.delay * 2, _LONGEST_DELAY)
            )
            self._log.server("worker died, starting another", worker=seat.number, status=status, delay=seat.delay)
            try:
                async with asyncio.timeout(seat.delay):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _sit(self, seat: Seat) -> int:
        """Run one worker process to its end; its exit status, negative for a signal."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003
        try:
            with theirs:
                seat.process = await self._spawn(seat, theirs.fileno())
        except BaseException:
            ours.close()
            raise
        count = WorkerCount(ours, self._count, asyncio.get_running_loop())
        try:
            return await self._watch(seat.process)
        finally:
            seat.process = None
            count.close()

    async def _spawn(self, seat: Seat, lifeline: int) -> asyncio.subprocess.Process:
        descriptors = [lifeline, *(sock.fileno() for sock in seat.sockets)]
        command = [sys.executable, "-m", "genkan.main", str(self._config.file), str(seat.number)]
        command.append(self._role)
        return await asyncio.create_subprocess_exec(*command, *map(str, descriptors), pass_fds=descriptors)

    async def _watch(self, process: asyncio.subprocess.Process) -> int:
        ended = asyncio.ensure_future(process.wait())
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            process.send_signal(signal.SIGTERM)  # again, for it may just have been starting
            patience = self._config.limits.shutdown.total_seconds() + _PATIENCE
            await asyncio.wait({ended}, timeout=patience)
        if not ended.done():
            self._log.server("worker does not end, killed", pid=process.pid)
            process.kill()
        return await ended

    def _stop(self) -> None:
        """The workers close their listening sockets at once; so do we, or new clients would wait for nobody."""
        self._stopping.set()
        self._tell(signal.SIGTERM)
        for sock in (sock for seat in self._seats for sock in seat.sockets):
            sock.close()

    def _tell(self, number: signal.Signals) -> None:
        for seat in self._seats:
            if seat.process is not None and seat.process.returncode is None:
                seat.process.send_signal(number)
