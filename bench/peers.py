# SPDX-License-Identifier: Apache-2.0
"""The receivers that are compared: how each is started, whether it can be, and its life from start to stop."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from accounting import open_account, pss_kib
from ends import End, MaildirEnd, SinkEnd
from loadtool import HERE, BenchError

if TYPE_CHECKING:
    from types import TracebackType

START_LIMIT: Final = 30.0  # seconds until the greeting
STOP_LIMIT: Final = 10.0  # seconds between SIGTERM and SIGKILL
QUIET: Final = 0.01  # a receiver that used less CPU than this in PAUSE seconds has nothing left to do
PAUSE: Final = 0.15
FIRST_PORT: Final = 26100  # below the ports the kernel gives to clients


@dataclass(frozen=True, slots=True)
class Kind:
    """A receiver as it can be asked for: its start script is called with a port, a folder and `arguments`.

    One that delivers says where: `maildir` is the folder of its Maildir whose files are counted, below its own folder;
    one that `relays` finds the place of an SMTP server in the variable NEXT_HOP.
    """

    script: Path
    arguments: tuple[str, ...] = ()
    command: str = ""  # must be on the PATH
    needs_root: bool = False
    maildir: str = ""
    relays: bool = False

    @property
    def delivers(self) -> bool:
        """Whether it does more than to accept."""
        return bool(self.maildir) or self.relays

    def missing(self) -> str:
        """Why it cannot be started here; "" when it can."""
        if self.command and shutil.which(self.command, path=search_path()) is None:
            return f"the command {self.command} is not installed"
        if self.relays and shutil.which("smtp-sink", path=search_path()) is None:
            return "the command smtp-sink is not installed, to which it would pass mail on"
        if self.needs_root and os.geteuid() != 0:
            return "it starts as root only"
        return "" if self.script.is_file() else f"{self.script} does not exist"


_GENKAN: Final = HERE / "start_genkan.sh"
_COMMAND: Final = os.environ.get("GENKAN", "genkan")
_OUR_MAILDIR: Final = "home/mail/example.com/load/new"
_POSTFIX: Final = HERE / "start_postfix.sh"
KINDS: Final = {
    "genkan": Kind(_GENKAN, ("hold",), _COMMAND),
    "genkan-2": Kind(_GENKAN, ("hold", "2"), _COMMAND),
    "genkan-rules": Kind(_GENKAN, ("rules",), _COMMAND),
    "genkan-2-rules": Kind(_GENKAN, ("rules", "2"), _COMMAND),
    "genkan-maildir": Kind(_GENKAN, ("maildir",), _COMMAND, maildir=_OUR_MAILDIR),
    "genkan-2-maildir": Kind(_GENKAN, ("maildir", "2"), _COMMAND, maildir=_OUR_MAILDIR),
    "genkan-relay": Kind(_GENKAN, ("relay",), _COMMAND, relays=True),
    "genkan-2-relay": Kind(_GENKAN, ("relay", "2"), _COMMAND, relays=True),
    "postfix": Kind(_POSTFIX, ("hold",), "postfix", needs_root=True),
    "postfix-maildir": Kind(_POSTFIX, ("maildir",), "postfix", needs_root=True, maildir="mail/box/new"),
    "postfix-relay": Kind(_POSTFIX, ("relay",), "postfix", needs_root=True, relays=True),
    "postfix-tuned-relay": Kind(_POSTFIX, ("tuned",), "postfix", needs_root=True, relays=True),
    "sink": Kind(HERE / "start_sink.sh", (), "smtp-sink"),
}
DEFAULT_PEERS: Final = (
    *("genkan", "genkan-2", "genkan-rules", "postfix", "sink"),
    *("genkan-maildir", "postfix-maildir", "genkan-relay", "postfix-relay"),
)
QUICK_PEERS: Final = ("genkan", "postfix")
DELIVERING: Final = ("-maildir", "-relay")  # how names of receivers end that deliver
WITH_RULES: Final = "-rules"  # how names of receivers end that are the same as those without, and have many rules
POSTFIX_WITH_TLS: Final = Kind(_POSTFIX, ("tls",), "postfix", needs_root=True)


def search_path() -> str:
    """The PATH with this interpreter's folder first (its environment's `genkan`) and the system's daemons last."""
    return os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/local/sbin:/usr/sbin:/sbin"]
    )


def kind_named(name: str) -> tuple[str, Kind]:
    """A name of `KINDS`, or NAME=SCRIPT:ARGUMENT:... for a receiver of somebody's own; raises `BenchError`."""
    own, equals, rest = name.partition("=")
    if equals:
        script, *arguments = rest.split(":")
        return own, Kind(Path(script), tuple(arguments))
    if name not in KINDS:
        raise BenchError(f"no receiver {name}; there are {', '.join(KINDS)}, and NAME=SCRIPT:ARGUMENT for your own")
    return name, KINDS[name]


class Peer:
    """One running receiver on 127.0.0.1 with a folder of its own; a context manager that stops it by process id."""

    def __init__(self, name: str, kind: Kind, folder: Path) -> None:
        """Start it and wait for its greeting; raises `BenchError` with the end of what it said."""
        self.name: Final = name
        self.port: Final = _free_port()
        self._folder: Final = folder / name
        self._folder.mkdir()
        self._folder.chmod(0o755)  # receivers change to accounts of their own
        self.end: Final = self._open_end(kind)
        self._account: Final = open_account(name)
        self._root = 0
        try:
            self._start(kind)
            self._await_greeting()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def cpu_seconds(self) -> float:
        """CPU time of all its processes so far."""
        return self._account.cpu_seconds(self._root)

    def pss_kib(self) -> int:
        """Memory of all its processes now, in KiB."""
        return pss_kib(self._account.pids(self._root))

    def settle(self, limit: float) -> float:
        """Wait until it has nothing left to do, at most `limit` seconds; gives the seconds it was still busy."""
        begun = time.monotonic()
        while (waited := time.monotonic() - begun) < limit:
            used = self.cpu_seconds()
            time.sleep(PAUSE)
            if self.cpu_seconds() - used < QUIET:
                break
        return waited

    def stop(self) -> None:
        """End it: SIGTERM to the process that its script named, SIGKILL to those of its own that remain."""
        if self._root:
            with suppress(ProcessLookupError):
                os.kill(self._root, signal.SIGTERM)
        self._await_end(STOP_LIMIT if self._root else 0)
        for pid in self._account.pids(self._root):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._await_end(STOP_LIMIT)
        self._account.close()
        if self.end is not None:
            self.end.close()

    def _open_end(self, kind: Kind) -> End | None:
        if kind.maildir:
            return MaildirEnd(self._folder / kind.maildir)
        return SinkEnd(_free_port(), self._folder / "end") if kind.relays else None

    def _start(self, kind: Kind) -> None:
        command = [*self._account.prefix(), str(kind.script), str(self.port), str(self._folder), *kind.arguments]
        next_hop = self.end.next_hop if isinstance(self.end, SinkEnd) else ""
        said = self._folder / "start"
        with said.open("wb") as output:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60, check=False,
                start_new_session=True, env=os.environ | {"PATH": search_path(), "NEXT_HOP": next_hop},
            )  # fmt: skip
        pid_file = self._folder / "pid"
        if done.returncode or not pid_file.exists():
            raise BenchError(f"{self.name} did not start:\n{self._said()}")
        self._root = int(pid_file.read_text())

    def _await_greeting(self) -> None:
        until = time.monotonic() + START_LIMIT
        while time.monotonic() < until and self._account.pids(self._root):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.settimeout(5)
                if connection.recv(512).startswith(b"220"):
                    connection.sendall(b"QUIT\r\n")
                    connection.recv(512)
                    return
            time.sleep(0.1)
        raise BenchError(f"{self.name} gave no greeting:\n{self._said()}")

    def _await_end(self, limit: float) -> None:
        until = time.monotonic() + limit
        while time.monotonic() < until and self._account.pids(self._root):
            time.sleep(0.05)

    def _said(self) -> str:
        """The last lines of what the script and the receiver printed."""
        texts = [
            path.read_text(errors="replace") for name in ("start", "out") if (path := self._folder / name).exists()
        ]
        return "\n".join("".join(texts).splitlines()[-15:])


_ports = iter(range(FIRST_PORT, FIRST_PORT + 900))


def _free_port() -> int:
    for port in _ports:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise BenchError(f"no free port from {FIRST_PORT} on")
