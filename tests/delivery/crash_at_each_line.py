# SPDX-License-Identifier: Apache-2.0
"""Ends a delivering process at each line it runs in turn, tries again, and says what lies in the Maildirs then.

A program of its own, since it forks: `test_local` runs it with a folder to work in and reads what it prints.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from genkan.delivery import local
from genkan.delivery.local import LocalDelivery, deliver_batch
from genkan.delivery.outcome import Delivered

if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

ACCEPTED = datetime(2026, 1, 1, tzinfo=UTC)
CONTENT = b"Subject: x\r\n\r\nbody\r\n"
CRASHED = 9


def batch(home: Path, *, first_attempt: bool) -> list[LocalDelivery]:
    return [
        LocalDelivery(
            f"B{number}", 1, ACCEPTED, home / folder, b"A: b\r\n", lambda: iter([CONTENT]), len(CONTENT), first_attempt
        )
        for number, folder in enumerate(("ann", "bob", "ann"))
    ]


def deliver_until_line(home: Path, line: int) -> bool:
    """Whether the process came to its end, in a child, before it had run so many lines of the module."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != CRASHED
    left = line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != local.__file__:
            return None
        left -= event == "line"
        if left == 0:
            os._exit(CRASHED)
        return trace

    sys.settrace(trace)
    deliver_batch(batch(home, first_attempt=True), "mx.in.test")
    os._exit(0)


def main(folder: Path) -> None:
    line, finished = 0, False
    while not finished:
        line += 1
        home = folder / str(line)
        finished = deliver_until_line(home, line)
        outcomes = deliver_batch(batch(home, first_attempt=False), "mx.in.test")
        files = sorted(path for path in home.rglob("*") if path.is_file())
        whole = [path for path in files if path.parent.name == "new" and path.read_bytes() == b"A: b\r\n" + CONTENT]
        if outcomes != [Delivered()] * 3 or len(files) != 3 or whole != files:
            sys.exit(f"after a crash at line {line}: {outcomes} {files}")
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
