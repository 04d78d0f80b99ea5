# SPDX-License-Identifier: Apache-2.0
"""The names of the record's files tell their order and their times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from genkan.record.files import LONGEST, RecordFile, file_name, record_files, worker_folders

if TYPE_CHECKING:
    from pathlib import Path

FIRST = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SECOND = FIRST + timedelta(hours=1)


def test_a_file_is_named_after_the_moment_it_was_begun() -> None:
    assert file_name(FIRST) == "20260102T030405678901Z.jsonl"
    assert file_name(FIRST.replace(microsecond=0)) == "20260102T030405000000Z.jsonl"


def test_files_are_listed_from_the_oldest_each_ends_where_the_next_begins(tmp_path: Path) -> None:
    older, younger = tmp_path / f"{file_name(FIRST)}.gz", tmp_path / file_name(SECOND)
    younger.touch()
    older.touch()
    assert record_files(tmp_path) == [
        RecordFile(FIRST, SECOND, older),
        RecordFile(SECOND, SECOND + LONGEST, younger),
    ]


def test_while_a_file_is_there_twice_the_compressed_one_counts(tmp_path: Path) -> None:
    plain = tmp_path / file_name(FIRST)
    compressed = tmp_path / f"{file_name(FIRST)}.gz"
    plain.touch()
    compressed.touch()
    assert [file.path for file in record_files(tmp_path)] == [compressed]


def test_what_has_another_name_is_no_file_of_the_record(tmp_path: Path) -> None:
    for name in ("README", f"{file_name(FIRST)}.gz.part", "20269902T030405678901Z.jsonl", "x.jsonl"):
        (tmp_path / name).touch()
    assert record_files(tmp_path) == []


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert record_files(tmp_path / "nowhere") == []
    assert worker_folders(tmp_path / "nowhere") == []


def test_workers_have_folders(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "note").touch()
    assert worker_folders(tmp_path) == [tmp_path / "1"]
