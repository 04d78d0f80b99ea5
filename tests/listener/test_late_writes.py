# SPDX-License-Identifier: Apache-2.0
"""What may be written late: gathered, one write after the other, and written at the end; a failure stops nothing else."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

import pytest

from genkan.directory import Directory
from genkan.directory.errors import InvalidValue
from genkan.listener import late_writes as module
from genkan.listener.late_writes import LateWrites, Said, Write
from genkan.maillog import LogStream, MailLog
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REST", 0.01)


class Gathering:
    """Numbers that are to be written; `written` has those of one write together."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.written: list[list[int]] = []
        self.begun = threading.Event()
        self.changed = threading.Event()
        self.held = threading.Event()
        self.held.set()

    def take(self) -> Write | None:
        numbers, self.numbers = self.numbers, []

        def write(_directory: Directory) -> Said:
            self.begun.set()
            assert self.held.wait(10)
            self.written.append(numbers)
            self.changed.set()
            return Said("written", {"numbers": numbers})

        return write if numbers else None

    async def until_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 10)

    async def until_written(self) -> None:
        assert await asyncio.to_thread(self.changed.wait, 10)
        self.changed.clear()


def on_a_loop(tmp_path: Path, do: Callable[[LateWrites], Awaitable[None]]) -> list[tuple[str, object]]:
    """Do something, then close; the events of the log with their numbers or error."""

    async def run(descriptor: int) -> None:
        writes = LateWrites(
            lambda: Directory.open(tmp_path / "data"),
            asyncio.get_running_loop(),
            MailLog(LogStream(descriptor), StoppedClock()),
        )
        await do(writes)
        writes.close()

    with (tmp_path / "log").open("wb") as log:
        asyncio.run(run(log.fileno()))
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    return [(line["event"], line.get("numbers", line.get("error"))) for line in lines]


def test_what_comes_in_a_moment_is_written_together_and_what_comes_meanwhile_next(tmp_path: Path) -> None:
    gathering = Gathering()

    async def do(writes: LateWrites) -> None:
        soon = writes.add(gathering.take, "failed")
        for number in (1, 2):
            gathering.numbers.append(number)
            soon()
        gathering.held.clear()
        await gathering.until_begun()
        gathering.numbers += [3, 4]
        soon()
        gathering.held.set()
        await gathering.until_written()
        await gathering.until_written()

    said = on_a_loop(tmp_path, do)
    assert gathering.written == [[1, 2], [3, 4]]
    assert said == [("written", [1, 2]), ("written", [3, 4])]


def test_what_waits_is_written_at_the_end(tmp_path: Path) -> None:
    gathering = Gathering()

    async def do(writes: LateWrites) -> None:
        writes.add(gathering.take, "failed")()
        gathering.numbers.append(1)

    assert on_a_loop(tmp_path, do) == [("written", [1])]


def test_a_write_that_fails_is_told_and_harms_no_other(tmp_path: Path) -> None:
    gathering = Gathering()

    def take() -> Write:
        def write(_directory: Directory) -> None:
            raise InvalidValue("it is full")

        return write

    async def do(writes: LateWrites) -> None:
        writes.add(take, "numbers are lost")
        soon = writes.add(gathering.take, "failed")
        gathering.numbers.append(1)
        soon()
        await gathering.until_written()
        gathering.numbers.append(2)

    said = on_a_loop(tmp_path, do)
    assert ("numbers are lost", "it is full") in said
    assert [event for event in said if event[0] == "written"] == [("written", [1]), ("written", [2])]
