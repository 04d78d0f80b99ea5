# SPDX-License-Identifier: Apache-2.0
"""Where delivered mail arrives, so that it can be counted: a Maildir of the receiver, or a server behind it that only counts.

Both tell when the last message came without being asked often: asking costs CPU time that the receiver wants.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from loadtool import HERE, BenchError

if TYPE_CHECKING:
    from pathlib import Path

PAUSE: Final = 0.1  # seconds between two looks
START_LIMIT: Final = 10.0  # seconds until the counting server listens
_COUNTED: Final = re.compile(rb"mesg=(\d+)")
_LINE: Final = 200  # octets that surely hold the last count


class End(Protocol):
    """Where the mail of one receiver arrives."""

    def count(self) -> int:
        """Messages so far."""
        ...

    def last_at(self) -> float:
        """When the last one came, in seconds since the epoch, as the file system noted it."""
        ...

    def close(self) -> None:
        """End what was started for it."""
        ...


class MaildirEnd:
    """The folder `new` of a Maildir: a file a message; its own time is that of the last file that was moved there."""

    def __init__(self, new: Path) -> None:
        self._new = new

    def count(self) -> int:
        """See `End`."""
        with suppress(FileNotFoundError), os.scandir(self._new) as files:
            return sum(1 for _ in files)
        return 0

    def last_at(self) -> float:
        """See `End`."""
        return self._new.stat().st_mtime

    def close(self) -> None:
        """Nothing was started."""


class SinkEnd:
    """Postfix's `smtp-sink` on a port of 127.0.0.1, which writes its count after every message."""

    def __init__(self, port: int, folder: Path) -> None:
        """Start it, outside of the receiver's account; raises `BenchError`."""
        self.next_hop: Final = f"127.0.0.1:{port}"
        self._counts = folder / "out"
        folder.mkdir()
        command = [str(HERE / "start_sink.sh"), str(port), str(folder), "-c"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"smtp-sink did not start: {done.stderr}")
        self._pid = int((folder / "pid").read_text())
        self._await_listening(port)

    def count(self) -> int:
        """See `End`."""
        with self._counts.open("rb") as counts:
            counts.seek(max(0, os.fstat(counts.fileno()).st_size - _LINE))
            found = _COUNTED.findall(counts.read())
        return int(found[-1]) if found else 0

    def last_at(self) -> float:
        """See `End`; the end of a connection is counted too, so it is to be asked soon after the last message."""
        return self._counts.stat().st_mtime

    def close(self) -> None:
        """See `End`."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)

    def _await_listening(self, port: int) -> None:
        until = time.monotonic() + START_LIMIT
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), START_LIMIT):
                return
            time.sleep(PAUSE)
        self.close()
        raise BenchError(f"smtp-sink does not listen: {self._counts.read_text(errors='replace')[-1000:]}")


def await_count(end: End, count: int, limit: float) -> float | None:
    """Wait until so many messages are there, at most `limit` seconds; when the last came, `None` if they did not all come."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        if end.count() >= count:
            return end.last_at()
        time.sleep(PAUSE)
    return None
