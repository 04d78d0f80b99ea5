# SPDX-License-Identifier: Apache-2.0
"""An installation in a folder, and the processes that serve it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tests.support.load import RECIPIENTS, Client
from tests.support.server import DEADLINE, ServerProcess, add_account, configuration, free_port, until

if TYPE_CHECKING:
    import signal

    from genkan.config import Config


class MakeSite(Protocol):
    """The fixture `make_site`: `settings` are lines of TOML; with `proxy`, clients send a PROXY header."""

    def __call__(self, settings: str = "", *, proxy: bool = False) -> Site: ...


class Site(ServerProcess):
    """An installation with one smtp listener, and the accounts that load is sent to."""

    def __init__(self, home: Path, settings: str = "", *, proxy: bool = False) -> None:
        self.port = free_port()
        self._proxy = proxy
        self.listeners = f'[[listener]]\naddress = "127.0.0.1:{self.port}"\nrole = "smtp"\n'
        if proxy:
            self.listeners += 'proxy_protocol = ["127.0.0.0/8"]\n'
        self.config = configuration(home, settings, self.listeners)
        for address in RECIPIENTS:
            add_account(self.config, address)
        super().__init__(self.config.file, self.port)

    def _greets(self) -> bool:
        if not self._proxy:
            return super()._greets()
        try:
            Client(self.port, proxy_for="192.0.2.1").close()
        except OSError:
            return False
        return True

    def start(self) -> None:
        """Start, and wait until every worker serves."""
        before = len(self.logged("worker started")) if self.output.exists() else 0
        super().start()
        self.until_logged("worker started", before + self.config.workers)

    def configure(self, settings: str) -> Config:
        """Other settings, for the next start or reload."""
        self.config = configuration(self.config.home, settings, self.listeners)
        return self.config

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the first process."""
        os.kill(self.pids()[0], number)

    def wait(self) -> int:
        """Wait for the end of the first process; its exit status, negative for a signal."""
        assert self._process is not None
        return self._process.wait(DEADLINE)

    def end(self) -> None:
        """Leave nothing running."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def genkan(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command for this installation to its end."""
        command = [sys.executable, "-m", "genkan", "-c", str(self.config.file), *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=DEADLINE, check=False)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The entries of the mail log with that event, of all processes and since the first start."""
        lines = self.output.read_bytes().split(b"\n")[:-1]
        entries = (json.loads(line) for line in lines if line.startswith(b"{"))
        return [entry for entry in entries if entry["event"] == event]

    def until_logged(self, event: str, count: int) -> None:
        """Wait until that event was logged so often."""
        until(lambda: len(self.logged(event)) >= count, f"{count} times {event!r} in {self.output}")

    def resident(self, pid: int) -> int:
        """The resident memory of a process in octets."""
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
