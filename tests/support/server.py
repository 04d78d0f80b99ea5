# SPDX-License-Identifier: Apache-2.0
"""The real server for tests: inside the test process with a stopped clock, or as processes of its own that can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from genkan.config import Config, parse_config
from genkan.directory.directory import Directory
from genkan.listener.admission import LocalCount, SessionLimits
from genkan.listener.listener import bind
from genkan.smtp.address import parse_mailbox
from genkan.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DEADLINE: Final = 60.0  # seconds a test waits for something that should take a moment, on whatever machine


class StoppedClock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - START).total_seconds()

    def advance(self, step: timedelta) -> None:
        self._now += step


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that happens in another process or thread; fail if it does not."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            msg = f"waited {DEADLINE:.0f} s in vain for: {what}"
            raise AssertionError(msg)
        threading.Event().wait(0.005)


class RunningServer:
    """One worker inside the test process, on an event loop in a thread."""

    def __init__(self, config: Config, clock: StoppedClock) -> None:
        self.config = config
        self.clock = clock
        self.sockets = [bind(settings.address, shared=False) for settings in config.listener]
        self.worker = Worker(config, 1, self.sockets, clock)
        self._log = os.open(config.home / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="server")
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._stop = asyncio.Event()

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(DEADLINE)
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        os.close(self._log)

    def address(self, role: str = "smtp") -> tuple[str, int]:
        """Where the first listener of that role listens."""
        for settings, sock in zip(self.config.listener, self.sockets, strict=True):
            if settings.role == role:
                host, port = sock.getsockname()[:2]
                return host, port
        raise KeyError(role)

    def call(self, function: Callable[[], object]) -> object:
        """Call something on the server's event loop and give what it returns."""

        async def run() -> object:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(DEADLINE)

    def advance(self, step: timedelta) -> None:
        """Move the clock, and let what is due by it happen."""
        self.clock.advance(step)
        self.call(self.worker.idle.sweep)

    @property
    def log(self) -> str:
        """The mail log so far."""
        self.call(self.worker.log.drain)
        return (self.config.home / "log").read_text()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # ends as `uvloop.run` does
                runner.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        admission = LocalCount(SessionLimits.of(self.config), self.worker.clock.monotonic)
        try:
            await self.worker.start(admission, self._log)
        except BaseException as error:  # noqa: BLE001
            self._failure = error
            return
        self._started.set()
        await self._stop.wait()
        await self.worker.stop()


@contextmanager
def serving(config: Config, clock: StoppedClock | None = None) -> Iterator[RunningServer]:
    """Run a server for the block."""
    server = RunningServer(config, clock or StoppedClock())
    server.start()
    try:
        yield server
    finally:
        server.stop()


def configuration(home: Path, text: str = "", listeners: str = "") -> Config:
    """A configuration in `home` with one smtp listener on a free port, unless `listeners` says otherwise.

    Nobody is to ask the real DNS about the clients of a test: SPF and DMARC are off unless `text` has a setting of them, and
    names are not looked up unless it has one of the DNS.
    """
    home.mkdir(parents=True, exist_ok=True)
    listeners = listeners or '[[listener]]\naddress = "127.0.0.1:0"\nrole = "smtp"\n'
    file = home / "genkan.toml"
    spf = "" if "spf." in text or "[spf]" in text else 'spf.mode = "off"\n'
    reverse = "" if "dns." in text or "[dns]" in text else "dns.reverse = false\n"
    dmarc = "" if "dmarc." in text or "[dmarc]" in text else 'dmarc.mode = "off"\n'
    file.write_text(f'hostname = "mx.in.test"\n{spf}{dmarc}{reverse}{text}\n{listeners}')
    return parse_config(file.read_text(), file)


def add_account(config: Config, address: str, password: str | None = None, quota: int | None = None) -> None:
    """An account, and its domain where that is missing."""
    mailbox = parse_mailbox(address)
    with Directory.open(config.storage_folder) as directory:
        if not directory.is_local_domain(mailbox.domain):
            directory.domains.add(mailbox.domain)
        directory.accounts.add(mailbox, address, password, quota)


def maildir(config: Config, address: str) -> list[bytes]:
    """The messages in an account's Maildir, oldest first."""
    mailbox = parse_mailbox(address)
    folder = config.home / "mail" / mailbox.domain / mailbox.local_part / "new"
    return [path.read_bytes() for path in sorted(folder.glob("*"))] if folder.is_dir() else []


def free_port() -> int:
    """A port that is free at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class ServerProcess:
    """The server as `genkan serve` runs it: processes that can be killed."""

    def __init__(self, config_file: Path, port: int) -> None:
        self._file = config_file
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.output = config_file.parent / "output"

    def start(self) -> None:
        self._spawn()
        until(self._greets, f"a greeting on port {self.port}; see {self.output}")

    def _spawn(self, *words: str) -> None:
        with self.output.open("ab") as output:
            command = [sys.executable, "-m", "genkan", "-c", str(self._file), "serve", *words]
            self._process = subprocess.Popen(command, stdout=output, stderr=output)

    def pids(self) -> list[int]:
        """The server's processes, the first one first."""
        assert self._process is not None
        first = self._process.pid
        children = (int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text("ascii").split())
        return [first, *children]

    def terminate(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(DEADLINE)

    def kill(self) -> None:
        """SIGKILL to all processes."""
        assert self._process is not None
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self._process.wait(DEADLINE)
        until(lambda: not any(_runs(pid) for pid in pids), "the death of all processes")

    def _greets(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.output.read_text()
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                sock.settimeout(1)
                return sock.recv(3) == b"220"
        except OSError:
            return False


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
