# SPDX-License-Identifier: Apache-2.0
"""acceptlog and inlog have the product's lines, a file a day, and a disk that is in trouble stops nobody."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from genkan.message.envelope import Envelope, Recipient
from genkan.product_logs import DayLog, ProductLogs
from genkan.smtp.address import Mailbox
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SENDER = Mailbox("sender", "out.test")


@pytest.fixture(autouse=True)
def japan(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine stands in Japan; the stopped clock says 2026-11-23 12:00 UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def written(folder: Path, tell: Callable[[ProductLogs, StoppedClock], None]) -> dict[str, str]:
    """What lies in the log folders after `tell`, and the troubles."""

    async def run() -> list[str]:
        troubles: list[str] = []
        loop, clock = asyncio.get_running_loop(), StoppedClock()
        accept, into = (DayLog(folder / name, loop, troubles.append) for name in ("acceptlog", "inlog"))
        logs = ProductLogs("mx.in.test", clock, accept, into)
        tell(logs, clock)
        logs.drain()
        await asyncio.sleep(0)
        return troubles

    troubles = asyncio.run(run())
    files = {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.log"))}
    return files | ({"troubles": "\n".join(troubles)} if troubles else {})


def envelope(*recipients: str, sender: Mailbox | None = SENDER, hello: str = "helo.name") -> Envelope:
    mailboxes = [Mailbox(name, "in.test") for name in recipients]
    return Envelope(
        "B0000097403",
        datetime(2026, 11, 23, tzinfo=UTC),
        sender,
        tuple(Recipient(mailbox, mailbox) for mailbox in mailboxes),
        "192.0.2.10",
        hello,
    )


def test_a_connection_has_a_line_at_its_beginning_and_one_at_its_end(tmp_path: Path) -> None:
    def tell(logs: ProductLogs, clock: StoppedClock) -> None:
        logs.connected("203.0.113.5", 25)
        clock.advance(timedelta(seconds=82))
        logs.ended("203.0.113.5", "host.example", SENDER, "B0000097586", ok=True)

    assert written(tmp_path, tell) == {
        "acceptlog/20261123.log": (
            "[23/Nov/2026:21:00:00], (mx.in.test), [203.0.113.5]:25, Client accept now.\n"
            "[23/Nov/2026:21:01:22], (mx.in.test), host.example [203.0.113.5], sender@out.test,<B0000097586>,ok\n"
        )
    }


def test_a_connection_that_was_broken_off_says_so(tmp_path: Path) -> None:
    def tell(logs: ProductLogs, _clock: StoppedClock) -> None:
        logs.ended("203.0.113.5", "", None, "", ok=False)

    line = "[23/Nov/2026:21:00:00], (mx.in.test), [203.0.113.5], ,<>,abort\n"
    assert written(tmp_path, tell) == {"acceptlog/20261123.log": line}


def test_an_accepted_message_has_a_line_for_each_recipient(tmp_path: Path) -> None:
    def tell(logs: ProductLogs, _clock: StoppedClock) -> None:
        logs.accepted(envelope("ann", "bob"))

    head = "<B0000097403@mx.in.test> [23/Nov/2026:21:00:00] 192.0.2.10 helo.name sender@out.test"
    assert written(tmp_path, tell) == {"inlog/20261123.log": f"{head} ann@in.test\n{head} bob@in.test\n"}


def test_the_null_reverse_path_is_blank(tmp_path: Path) -> None:
    def tell(logs: ProductLogs, _clock: StoppedClock) -> None:
        logs.accepted(envelope("ann", sender=None))

    assert written(tmp_path, tell)["inlog/20261123.log"].endswith(" helo.name  ann@in.test\n")


def test_a_client_cannot_forge_lines_or_fields(tmp_path: Path) -> None:
    def tell(logs: ProductLogs, _clock: StoppedClock) -> None:
        logs.accepted(envelope("ann", hello="a b\n[x]\x1b"))
        logs.ended("203.0.113.5", "a b\r\nc", None, "", ok=False)

    files = written(tmp_path, tell)
    assert " a_b?[x]? sender@out.test " in files["inlog/20261123.log"]
    assert files["acceptlog/20261123.log"].count("\n") == 1


def test_a_day_ends_at_local_midnight(tmp_path: Path) -> None:
    def tell(logs: ProductLogs, clock: StoppedClock) -> None:
        clock.advance(timedelta(hours=2, minutes=59, seconds=59))
        logs.connected("203.0.113.5", 25)
        clock.advance(timedelta(seconds=1))
        logs.connected("203.0.113.6", 587)

    files = written(tmp_path, tell)
    assert list(files) == ["acceptlog/20261123.log", "acceptlog/20261124.log"]
    assert "[203.0.113.6]:587" in files["acceptlog/20261124.log"]


def test_lines_are_appended_to_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "acceptlog").mkdir()
    (tmp_path / "acceptlog/20261123.log").write_text("before\n")
    files = written(tmp_path, lambda logs, _: logs.connected("203.0.113.5", 25))
    assert files["acceptlog/20261123.log"].startswith("before\n[23/Nov/2026:21:00:00]")


def test_trouble_with_the_disk_is_told_once_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "acceptlog").write_text("in the way")

    def tell(logs: ProductLogs, _clock: StoppedClock) -> None:
        for _ in range(3):
            logs.connected("203.0.113.5", 25)
            logs.drain()

    assert written(tmp_path, tell) == {"troubles": f"{tmp_path / 'acceptlog'}: Not a directory"}


def test_logs_that_are_off_write_nothing(tmp_path: Path) -> None:
    logs = ProductLogs("mx.in.test", StoppedClock(), None, None)
    logs.connected("203.0.113.5", 25)
    logs.ended("203.0.113.5", "", None, "", ok=False)
    logs.accepted(envelope("ann"))
    logs.drain()
    assert list(tmp_path.iterdir()) == []
