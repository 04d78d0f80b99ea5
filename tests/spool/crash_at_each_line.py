# SPDX-License-Identifier: Apache-2.0
"""Ends a process that spools mail at each line of the spool that it runs in turn, and looks at what is there then.

A program of its own, since it forks: `test_spool` runs it with a folder to work in and reads what it prints.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from genkan.spool import spool as spool_module
from genkan.spool.recording import Finished
from genkan.spool.spool import SpoolLimits
from tests.support.spools import envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from tests.support.spools import SpoolOnLoop

LIMITS = SpoolLimits(inline_size=100, segment_size=20_000, buffer=100_000)
SOURCES = str(Path(spool_module.__file__).parent)
CRASHED = 9
EVERY = 5  # a crash at every fifth line; all would take a minute
CONTENTS = {1: b"a" * 50, 2: b"b" * 15_000, 3: b"c" * 50_000, 4: b"d" * 15_000}


def work(opened: SpoolOnLoop, acknowledge: int) -> None:
    """Accept messages, forget a draft, finish one message so that its place is used again."""
    for number in (1, 2, 3):
        accept(opened, number, acknowledge)
    opened.spool.discard(opened.draft(b"never accepted" * 2000))
    os.write(acknowledge, b"-2\n")  # from here on it may be gone
    opened.record(Finished(2, 0))
    accept(opened, 4, acknowledge)


def accept(opened: SpoolOnLoop, number: int, acknowledge: int) -> None:
    if opened.accept(envelope(number), CONTENTS[number]) is None:
        os.write(acknowledge, b"%d\n" % number)


def work_until_line(
    folder: Path, line: int, work: Callable[[SpoolOnLoop, int], None] = work
) -> tuple[bool, set[int], set[int]]:
    """Whether the process came to its end, in a child, before it had run so many lines; what it acknowledged and gave up."""
    reading, acknowledge = os.pipe()
    child = os.fork()
    if child:
        os.close(acknowledge)
        with os.fdopen(reading) as lines:
            numbers = {int(number) for number in lines}
        finished = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != CRASHED
        return finished, {number for number in numbers if number > 0}, {-number for number in numbers if number < 0}
    left = line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(SOURCES):
            return None
        left -= event == "line"
        if left == 0:
            os._exit(CRASHED)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
    with open_spool_on_loop(folder, LIMITS) as opened:
        work(opened, acknowledge)
    os._exit(0)


def main(folder: Path) -> None:
    line, finished = 1, False
    while not finished:
        finished, acknowledged, given_up = work_until_line(folder / str(line), line)
        with open_spool_on_loop(folder / str(line), LIMITS) as opened:
            due = {int(leased.envelope.message_id[1:]) for leased in opened.lease()[0]}
            damaged = [number for number in due if opened.content(number) != CONTENTS[number]]
            lost = acknowledged - due - given_up
            again = opened.accept(envelope(9), b"e" * 15_000)
            damaged += [number for number in due if opened.content(number) != CONTENTS[number]]
        if lost or damaged or again is not None:
            sys.exit(f"after a crash at line {line}: lost {lost}, damaged {damaged}, then {again}")
        line += EVERY
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
