# SPDX-License-Identifier: Apache-2.0
"""Entries reach the disk through the thread, and a disk that takes none disturbs nobody."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from genkan.maillog import LogStream, MailLog
from genkan.record.reader import RecordReader, Wanted
from genkan.record.volumes import Share
from genkan.record.writer import Recorder
from tests.record.entries import AT, connection, transaction
from tests.record.test_volumes import AGE, GB
from tests.support.disk import small_disk
from tests.support.server import StoppedClock, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.record.entry import Entry


@contextmanager
def recorder(folder: Path, log: Path, worker: int = 1) -> Iterator[Recorder]:
    """Must be opened on a running event loop."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    clock = StoppedClock()
    mail_log = MailLog(LogStream(descriptor), clock)
    made = Recorder(folder, Share(worker, 2, AGE, GB), clock, mail_log, asyncio.get_running_loop())
    try:
        yield made
    finally:
        made.close()
        os.close(descriptor)


def entries(folder: Path) -> list[Entry]:
    return list(RecordReader(folder).oldest_first(Wanted()))


def logged(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_entries_are_written_in_order(tmp_path: Path) -> None:
    written = [transaction(session=f"1-a-{number}") for number in range(1000)]

    async def write() -> None:
        with recorder(tmp_path / "record", tmp_path / "log") as one:
            for entry in written:
                one.write(entry)

    asyncio.run(write())
    assert entries(tmp_path / "record") == written
    assert logged(tmp_path / "log") == []


def test_an_entry_is_written_within_a_moment(tmp_path: Path) -> None:
    async def write() -> None:
        with recorder(tmp_path / "record", tmp_path / "log") as one:
            one.write(connection())
            await asyncio.to_thread(until, lambda: entries(tmp_path / "record") == [connection()], "the entry")

    asyncio.run(write())


def test_workers_write_into_folders_of_their_own(tmp_path: Path) -> None:
    async def write() -> None:
        for worker in (1, 2):
            with recorder(tmp_path / "record", tmp_path / "log", worker) as one:
                one.write(transaction(at=AT + worker))

    asyncio.run(write())
    assert sorted(path.name for path in (tmp_path / "record").iterdir()) == ["1", "2"]
    assert [entry.at for entry in entries(tmp_path / "record")] == [AT + 1, AT + 2]


def test_session_ids_are_distinct(tmp_path: Path) -> None:
    async def ids() -> set[str]:
        with recorder(tmp_path / "1", tmp_path / "log") as one, recorder(tmp_path / "2", tmp_path / "log", 2) as other:
            return {made.session_id() for made in (one, other) for _ in range(100)}

    assert len(asyncio.run(ids())) == 200


def test_an_entry_that_is_no_json_is_lost_alone_and_counted(tmp_path: Path) -> None:
    async def write() -> None:
        with recorder(tmp_path / "record", tmp_path / "log") as one:
            for hello in ("a", "\ud800", "b"):
                one.write(transaction(hello=hello))
            await asyncio.to_thread(until, lambda: bool(entries(tmp_path / "record")), "the others")
        await asyncio.sleep(0)

    asyncio.run(write())
    assert [entry.hello for entry in entries(tmp_path / "record")] == ["a", "b"]
    assert [(line["event"], line["entries"]) for line in logged(tmp_path / "log")] == [
        ("entries of the record lost", 1)
    ]


def test_a_full_disk_is_told_once_and_then_how_much_was_lost(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def write(folder: Path) -> list[str]:
        with small_disk(folder, "1m") as disk, recorder(folder / "record", log) as one:
            one.write(transaction(hello="before"))
            await asyncio.to_thread(until, lambda: bool(entries(folder / "record")), "the first entry")
            disk.fill()
            for _ in range(2):
                for _ in range(20):
                    one.write(transaction(hello="x" * 1000))
                one._hand_over()
            await asyncio.to_thread(until, lambda: one._waiting == 0, "the loss")
            disk.free()
            one.write(transaction(hello="after"))
            await asyncio.to_thread(until, lambda: one._lost == 0, "the end of the loss")
            await asyncio.sleep(0)
            return [entry.hello[:6] for entry in entries(folder / "record")]

    first, *fitting, last = asyncio.run(write(tmp_path / "disk"))
    told, counted = logged(log)
    assert (first, last) == ("before", "after")
    assert told["event"] == "the record cannot be written, its entries are dropped"
    assert "No space left on device" in told["error"]
    assert (counted["event"], counted["entries"]) == ("entries of the record lost", 40 - len(fitting))
    assert len(fitting) < 5  # what the last block had room for


def test_more_than_may_wait_is_dropped_and_counted(tmp_path: Path) -> None:
    pipe = tmp_path / "record" / "1"
    big = transaction(hello="x" * 1_000_000)

    async def write() -> None:
        with recorder(tmp_path / "record", tmp_path / "log") as one:
            one._waiting = 17 * 1024 * 1024  # as if the disk had been asleep
            one.write(big)
            one._hand_over()
            one._waiting = 0
            one.write(transaction())
            await asyncio.to_thread(until, lambda: pipe.exists() and bool(entries(tmp_path / "record")), "the other")
        await asyncio.sleep(0)

    asyncio.run(write())
    assert entries(tmp_path / "record") == [transaction()]
    assert [(line["event"], line["entries"]) for line in logged(tmp_path / "log")] == [
        ("entries of the record lost", 1)
    ]
