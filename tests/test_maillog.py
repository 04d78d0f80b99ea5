# SPDX-License-Identifier: Apache-2.0
"""The log is lines of JSON, and whoever does not read it stops nobody."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

from genkan.maillog import LogStream, MailLog
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from pathlib import Path


def opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def test_a_line_is_json_with_the_time_and_the_event_first(tmp_path: Path) -> None:
    log = MailLog(LogStream(opened(tmp_path / "log")), StoppedClock())
    log.refused("192.0.2.1", "USER_UNKNOWN", "known-recipient", forward_path="nobody@in.test")
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert list(json.loads(line).items()) == [
        ("time", "2026-11-23T12:00:00.000+00:00"),
        ("event", "refused"),
        ("client", "192.0.2.1"),
        ("reply", "USER_UNKNOWN"),
        ("check", "known-recipient"),
        ("forward_path", "nobody@in.test"),
    ]


def test_no_control_character_reaches_a_terminal(tmp_path: Path) -> None:
    log = MailLog(LogStream(opened(tmp_path / "log")), StoppedClock())
    log.server("x", detail="\x1b[2J\x9b\u202e\n日本")
    octets = (tmp_path / "log").read_bytes()
    assert octets.isascii()
    assert octets.decode().rstrip("\n").isprintable()
    assert json.loads(octets)["detail"] == "\x1b[2J\x9b\u202e\n日本"


def test_an_event_without_details_is_json_too(tmp_path: Path) -> None:
    MailLog(LogStream(opened(tmp_path / "log")), StoppedClock()).server("stopped")
    assert json.loads((tmp_path / "log").read_text())["event"] == "stopped"


def test_lines_keep_their_order_through_the_thread(tmp_path: Path) -> None:
    async def write() -> None:
        log = MailLog(LogStream(opened(tmp_path / "log"), asyncio.get_running_loop()), StoppedClock())
        for number in range(1000):
            log.server("line", number=number)
        log.drain()

    asyncio.run(write())
    numbers = [json.loads(line)["number"] for line in (tmp_path / "log").read_text().splitlines()]
    assert numbers == list(range(1000))


def test_a_pipe_that_nobody_reads_holds_up_nothing_and_the_loss_is_told() -> None:
    reading, writing = os.pipe()
    big = "x" * 1_000_000

    async def write() -> None:
        stream = LogStream(writing, asyncio.get_running_loop())
        for _ in range(30):  # far more than pipe and backlog hold
            stream.write(big.encode() + b"\n")
            stream._hand_over()
        got = b""
        while got.count(b"\n") < 5:
            got += await asyncio.to_thread(os.read, reading, 1 << 20)
        stream.write(b"after\n")
        stream._hand_over()
        while not got.endswith(b"after\n") and b"log lines lost" not in got:
            got += await asyncio.to_thread(os.read, reading, 1 << 20)
        kept = got.count(big.encode())
        assert 8 <= kept < 30
        assert b'{"event":"log lines lost","lines":' in got

    asyncio.run(write())


def test_a_closed_pipe_is_no_reason_to_stop() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    LogStream(writing).write(b"x\n")
    os.close(writing)
