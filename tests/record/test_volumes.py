# SPDX-License-Identifier: Apache-2.0
"""One worker's files: a new one in time, compression, age and size, a full disk."""

from __future__ import annotations

import gzip
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import pytest

from genkan.record.files import LONGEST, file_name, record_files
from genkan.record.reader import lines_of
from genkan.record.volumes import MOST_OCTETS, Share, Volumes
from tests.support.disk import small_disk
from tests.support.server import START, StoppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = timedelta(days=1)
AGE = timedelta(days=14)
GB = 1024**3
MB = 1024**2
USUAL = Share(1, 1, AGE, GB)
LINE = b"x" * 9_999 + b"\n"


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


class MakeVolumes(Protocol):
    def __call__(self, record: Path, share: Share = USUAL) -> Volumes: ...


@pytest.fixture
def volumes(clock: StoppedClock) -> Iterator[MakeVolumes]:
    with ExitStack() as made:

        def make(record: Path, share: Share = USUAL) -> Volumes:
            return made.enter_context(closing(Volumes(record, share, clock)))

        yield make


def finish(one: Volumes) -> None:
    """All that is to be done besides writing."""
    one.tend()
    while one.compress():
        pass


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(folder: Path) -> list[bytes]:
    return [line for file in record_files(folder) for line in lines_of(file.path)]


def test_lines_are_appended_to_one_file_that_only_the_server_may_read(tmp_path: Path, volumes: MakeVolumes) -> None:
    one = volumes(tmp_path / "record")
    assert (one.write(b"a\nb\n"), one.write(b"c\n")) == (0, 0)
    (file,) = (tmp_path / "record/1").iterdir()
    assert (file.name, file.read_bytes()) == (file_name(START), b"a\nb\nc\n")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_is_made_before_there_is_something_to_write(tmp_path: Path, volumes: MakeVolumes) -> None:
    one = volumes(tmp_path / "record")
    finish(one)
    one.close()
    assert names(tmp_path) == []


def test_after_a_day_a_new_file_begins_and_the_old_one_is_compressed(
    tmp_path: Path, clock: StoppedClock, volumes: MakeVolumes
) -> None:
    one = volumes(tmp_path)
    one.write(b"a\n")
    clock.advance(DAY)
    one.write(b"b\n")
    finish(one)
    assert names(tmp_path / "1") == [f"{file_name(START)}.gz", file_name(START + DAY)]
    assert content(tmp_path / "1") == [b"a", b"b"]


def test_a_file_ends_after_a_day_also_when_nothing_is_written(
    tmp_path: Path, clock: StoppedClock, volumes: MakeVolumes
) -> None:
    one = volumes(tmp_path)
    one.write(b"a\n")
    clock.advance(DAY)
    finish(one)
    assert names(tmp_path / "1") == [f"{file_name(START)}.gz"]


def test_a_full_file_ends(tmp_path: Path, volumes: MakeVolumes) -> None:
    one = volumes(tmp_path, Share(1, 1, AGE, 8 * MB))  # files of 1 MB
    for _ in range(105):
        one.write(LINE)
    assert names(tmp_path / "1") == [file_name(START)]
    one.write(LINE)
    assert len(names(tmp_path / "1")) == 2


def test_no_file_takes_more_than_64_megabytes(tmp_path: Path, volumes: MakeVolumes) -> None:
    assert volumes(tmp_path, Share(1, 1, AGE, 1024 * GB))._octets == MOST_OCTETS == 64 * MB


def test_names_stay_in_order_when_the_clock_is_put_back(
    tmp_path: Path, clock: StoppedClock, volumes: MakeVolumes
) -> None:
    one = volumes(tmp_path)
    one.write(b"a\n")
    one.close_file()
    clock.advance(-DAY)
    one.write(b"b\n")
    assert names(tmp_path / "1") == [file_name(START), file_name(START + timedelta(microseconds=1))]
    assert content(tmp_path / "1") == [b"a", b"b"]


def test_a_restart_begins_a_new_file_and_compresses_the_old_one(
    tmp_path: Path, clock: StoppedClock, volumes: MakeVolumes
) -> None:
    one = volumes(tmp_path)
    one.write(b"a\nto")  # a crash in the middle of a line
    clock.advance(DAY / 2)
    again = volumes(tmp_path)
    again.write(b"b\n")
    finish(again)
    assert names(tmp_path / "1") == [f"{file_name(START)}.gz", file_name(START + DAY / 2)]
    assert content(tmp_path / "1") == [b"a", b"b"]


def test_what_a_crash_left_of_a_compression_is_removed(tmp_path: Path, volumes: MakeVolumes) -> None:
    folder = tmp_path / "1"
    folder.mkdir()
    done, undone = file_name(START), file_name(START + DAY)
    (folder / f"{done}.gz").write_bytes(gzip.compress(b"a\n"))
    (folder / done).write_bytes(b"a\n")
    (folder / f"{undone}.gz.part").write_bytes(b"half")
    (folder / undone).write_bytes(b"b\n")
    finish(volumes(tmp_path))
    assert names(folder) == [f"{done}.gz", f"{undone}.gz"]
    assert content(folder) == [b"a", b"b"]


def test_files_are_deleted_when_their_last_entry_is_too_old(
    tmp_path: Path, clock: StoppedClock, volumes: MakeVolumes
) -> None:
    one = volumes(tmp_path)
    for _ in range(20):
        one.write(b"a\n")
        finish(one)
        clock.advance(DAY)
    finish(one)
    now = START + 20 * DAY
    assert [file.first for file in record_files(tmp_path / "1")] == [now - days * DAY for days in range(15, 0, -1)]


def test_a_short_age_makes_short_files(tmp_path: Path, clock: StoppedClock, volumes: MakeVolumes) -> None:
    one = volumes(tmp_path, Share(1, 1, timedelta(hours=1), GB))
    one.write(b"a\n")
    clock.advance(timedelta(minutes=8))
    one.write(b"b\n")
    clock.advance(timedelta(minutes=70))
    one.write(b"c\n")
    finish(one)
    assert content(tmp_path / "1") == [b"b", b"c"]


def test_the_oldest_go_when_there_is_more_than_a_workers_share(
    tmp_path: Path, clock: StoppedClock, volumes: MakeVolumes
) -> None:
    share = Share(2, 4, AGE, 8 * MB)  # 2 MB for each
    one = volumes(tmp_path, share)
    for number in range(400):
        one.write(b"%06d" % number + LINE)
        clock.advance(timedelta(seconds=1))
        if number % 10 == 0:
            one.tend()
    one.tend()
    kept = sum(path.stat().st_size for path in (tmp_path / "2").iterdir())
    assert share.octets * 0.7 < kept <= share.octets
    lines = content(tmp_path / "2")
    assert [line[:6] for line in lines] == [b"%06d" % number for number in range(400 - len(lines), 400)]


def test_the_first_worker_also_keeps_what_no_worker_has_any_more(
    tmp_path: Path, clock: StoppedClock, volumes: MakeVolumes
) -> None:
    for number in ("2", "3"):
        folder = tmp_path / number
        folder.mkdir()
        (folder / file_name(START - AGE - LONGEST - DAY)).write_bytes(b"old\n")
        (folder / file_name(START - AGE - DAY / 2)).write_bytes(b"young\n")
    finish(volumes(tmp_path, Share(1, 2, AGE, GB)))
    assert content(tmp_path / "2") == [b"old", b"young"]  # that one has a worker
    assert content(tmp_path / "3") == [b"young"]
    clock.advance(AGE + LONGEST)
    finish(volumes(tmp_path, Share(1, 2, AGE, GB)))
    assert names(tmp_path) == ["2"]


def test_a_record_that_is_cleared_by_hand_begins_anew(tmp_path: Path, volumes: MakeVolumes) -> None:
    one = volumes(tmp_path)
    one.write(b"a\n")
    (tmp_path / "1" / file_name(START)).unlink()
    (tmp_path / "1").rmdir()
    one.tend()
    one.write(b"b\n")
    assert content(tmp_path / "1") == [b"b"]


def test_a_full_disk_loses_lines_and_nothing_else(tmp_path: Path, volumes: MakeVolumes) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        one = volumes(disk.folder)
        assert one.write(b"first\n") == 0
        disk.fill()
        lost = one.write(LINE * 10)  # part of the first may fit into the last block
        assert (lost, str(one.fault)) == (10, "[Errno 28] No space left on device")
        assert one.write(b"also lost\n" * 1000) == 1000
        disk.free()
        assert (one.write(b"last\n"), one.fault) == (0, None)
        whole = [line for line in content(disk.folder / "1") if line in (b"first", b"last", LINE[:-1], b"also lost")]
        assert whole == [b"first", b"last"]


def test_a_folder_that_cannot_be_made_loses_lines(tmp_path: Path, volumes: MakeVolumes) -> None:
    (tmp_path / "record").write_bytes(b"in the way")
    one = volumes(tmp_path / "record")
    assert one.write(b"a\nb\n") == 2
    assert str(one.fault).startswith("[Errno ")
    finish(one)
    (tmp_path / "record").unlink()
    assert (one.write(b"c\n"), one.fault) == (0, None)


def test_a_file_that_cannot_be_compressed_stays(tmp_path: Path, clock: StoppedClock, volumes: MakeVolumes) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        one = volumes(disk.folder)
        one.write(LINE * 50)
        one.close_file()
        one.tend()
        one.compress()
        disk.fill()
        finish(one)
        assert content(disk.folder / "1") == [LINE[:-1]] * 50
        disk.free()
        clock.advance(timedelta(hours=1))
        finish(one)
        assert names(disk.folder / "1") == [f"{file_name(START)}.gz"]
