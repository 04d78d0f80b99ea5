# SPDX-License-Identifier: Apache-2.0
"""A file is compressed slice by slice; until the end the original is what counts."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from genkan.record.compression import SLICE, Compression
from tests.support.disk import small_disk

if TYPE_CHECKING:
    from pathlib import Path

OCTETS = bytes(range(256)) * (SLICE // 128)  # two slices


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "x.jsonl"
    path.write_bytes(OCTETS)
    return path


def finish(compression: Compression) -> None:
    while not compression.advance():
        pass


def test_after_the_last_slice_only_the_compressed_file_is_there(source: Path) -> None:
    compression = Compression(source)
    assert [compression.advance() for _ in range(3)] == [False, False, True]
    (compressed,) = source.parent.iterdir()
    assert compressed.name == "x.jsonl.gz"
    assert gzip.decompress(compressed.read_bytes()) == OCTETS


def test_before_that_the_original_is_whole(source: Path) -> None:
    compression = Compression(source)
    compression.advance()
    assert source.read_bytes() == OCTETS
    assert sorted(path.name for path in source.parent.iterdir()) == ["x.jsonl", "x.jsonl.gz.part"]
    compression.abandon()
    assert list(source.parent.iterdir()) == [source]


def test_a_file_that_is_deleted_meanwhile_does_not_come_back(source: Path) -> None:
    compression = Compression(source)
    source.unlink()
    finish(compression)
    assert list(source.parent.iterdir()) == []


def test_only_the_servers_user_may_read_it(source: Path) -> None:
    compression = Compression(source)
    finish(compression)
    assert source.with_name("x.jsonl.gz").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_leaves_the_original(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        source = disk.folder / "x.jsonl"
        source.write_bytes(OCTETS)
        compression = Compression(source)
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            finish(compression)
        compression.abandon()
        assert source.read_bytes() == OCTETS
        assert not compression.part.exists()
