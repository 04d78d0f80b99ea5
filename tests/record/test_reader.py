# SPDX-License-Identifier: Apache-2.0
"""The record is read over workers and files, whatever a crash left of them."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from genkan.record.files import file_name
from genkan.record.reader import RecordReader, Wanted, lines_of
from tests.record.entries import AT, connection, transaction
from tests.support.server import START

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from genkan.record.entry import Entry

HOUR = timedelta(hours=1)


def put(
    record: Path, worker: int, begin: datetime, entries: Sequence[Entry], *, more: bytes = b"", compressed: bool = False
) -> Path:
    """A file of the record."""
    octets = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries) + more
    path = record / str(worker) / file_name(begin)
    path.parent.mkdir(exist_ok=True)
    if compressed:
        path, octets = path.with_name(path.name + ".gz"), gzip.compress(octets)
    path.write_bytes(octets)
    return path


def at(*hours: float) -> list[Entry]:
    return [transaction(at=AT + 3600 * hour) for hour in hours]


def hours(entries: Sequence[Entry]) -> list[float]:
    return [(entry.at - AT) / 3600 for entry in entries]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Two workers with two files each, one of them compressed."""
    put(tmp_path, 1, START, at(0, 2, 4), compressed=True)
    put(tmp_path, 1, START + 5 * HOUR, at(6, 8))
    put(tmp_path, 2, START, at(1, 3), compressed=True)
    put(tmp_path, 2, START + 4 * HOUR, at(5, 7))
    return tmp_path


def test_all_entries_come_in_the_order_of_their_times(record: Path) -> None:
    assert hours(list(RecordReader(record).oldest_first(Wanted()))) == [0, 1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 9, 100])
def test_the_newest_come_first(record: Path, limit: int) -> None:
    assert hours(RecordReader(record).newest(Wanted(), limit)) == [8, 7, 6, 5, 4, 3, 2, 1, 0][:limit]


@pytest.mark.parametrize("since", [0, 2, 2.5, 5, 8, 9])
def test_what_is_older_than_wanted_is_left_out(record: Path, since: float) -> None:
    wanted = Wanted(START + since * HOUR)
    expected = [hour for hour in range(9) if hour >= since]
    assert hours(list(RecordReader(record).oldest_first(wanted))) == expected
    assert hours(RecordReader(record).newest(wanted, 100)) == expected[::-1]


def test_files_that_are_too_old_are_not_opened(record: Path) -> None:
    (record / "1" / f"{file_name(START)}.gz").write_bytes(b"no compressed file")
    (record / "1" / f"{file_name(START)}.gz").chmod(0)
    assert hours(RecordReader(record).newest(Wanted(START + 6 * HOUR), 9)) == [8, 7, 6]


def test_a_line_is_looked_at_before_it_is_read(record: Path) -> None:
    wanted = Wanted(in_line=lambda line: b'"at":%.1f' % (AT + 3600 * 3) in line)
    assert hours(list(RecordReader(record).oldest_first(wanted))) == [3]


def test_an_entry_is_looked_at_before_it_is_counted(record: Path) -> None:
    wanted = Wanted(in_entry=lambda entry: entry.at < AT + 3600 * 4)
    assert hours(RecordReader(record).newest(wanted, 2)) == [3, 2]


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"transaction","at":1.0,"sess',  # torn
        b"\n\n",
        b"\xff\xfe\x00\n",
        b"[1, 2]\n",
        b'{"type":"other","at":1.0}\n',
        b'{"type":"transaction","at":"now","session":"","client":"","role":""}\n',
        b'{"type":"transaction"}\n',
        b'{"type":"transaction","at":1e300,"session":"","client":"","role":""}\n',
        b'{"type":"connection","at":-1.0,"session":"","client":"","role":""}\n',
    ],
)
def test_a_line_that_is_no_entry_is_passed_over(tmp_path: Path, line: bytes) -> None:
    put(tmp_path, 1, START, at(0), more=line)
    put(tmp_path, 1, START + HOUR, at(1))
    assert hours(list(RecordReader(tmp_path).oldest_first(Wanted()))) == [0, 1]


def test_entries_behind_a_strange_line_are_read(tmp_path: Path) -> None:
    (entry,) = at(1)
    put(tmp_path, 1, START, at(0), more=b"\xff\n" + msgspec.json.encode(entry) + b"\n")
    assert hours(list(RecordReader(tmp_path).oldest_first(Wanted()))) == [0, 1]


def test_a_damaged_compressed_file_ends_where_the_damage_is(tmp_path: Path) -> None:
    path = put(tmp_path, 1, START, at(0), compressed=True)
    path.write_bytes(path.read_bytes()[:-20])
    put(tmp_path, 1, START + HOUR, at(1))
    assert hours(list(RecordReader(tmp_path).oldest_first(Wanted()))) == [1]


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    (entry,) = at(1)
    endless = b"x" * (20 * 1024 * 1024)
    path = put(tmp_path, 1, START, at(0), more=endless + b"\n" + msgspec.json.encode(entry) + b"\n")
    assert max(map(len, lines_of(path))) < 9 * 1024 * 1024
    assert hours(list(RecordReader(tmp_path).oldest_first(Wanted()))) == [0, 1]


def test_a_file_that_is_compressed_while_it_is_looked_for_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, 1, START, at(0), compressed=True)
    assert len(list(lines_of(path.with_suffix("")))) == 1


def test_a_file_that_has_gone_holds_nothing(tmp_path: Path) -> None:
    assert list(lines_of(tmp_path / file_name(START))) == []
    assert list(lines_of(tmp_path / f"{file_name(START)}.gz")) == []


def test_connections_and_transactions_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path, 1, START, [transaction(), connection()])
    assert list(RecordReader(tmp_path).oldest_first(Wanted())) == [transaction(), connection()]


def test_the_record_knows_how_far_back_it_goes(record: Path, tmp_path: Path) -> None:
    put(record, 2, START - HOUR, at(-1))
    assert RecordReader(record).begin() == START - HOUR
    assert RecordReader(tmp_path / "nowhere").begin() is None
    assert RecordReader(tmp_path / "nowhere").newest(Wanted(), 5) == []
