# SPDX-License-Identifier: Apache-2.0
"""Content segments on a real disk: where extents come to lie, what is used again, what a lost or short file does."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.spool.segments import Extent, Segments, format_extents, parse_extents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SIZE: Final = 1000


@contextmanager
def segments_in(folder: Path, live: Iterable[Extent] = ()) -> Iterator[Segments]:
    segments = Segments(folder / "segments", SIZE, live)
    yield segments
    segments.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "segments").iterdir())


def read(segments: Segments, *extents: Extent) -> bytes:
    return b"".join(segments.read(extents))


def test_extents_lie_one_behind_the_other(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        assert [segments.allocate(400) for _ in range(2)] == [Extent(1, 0, 400), Extent(1, 400, 400)]


def test_an_extent_that_does_not_fit_begins_the_next_segment(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        assert [segments.allocate(600) for _ in range(2)] == [Extent(1, 0, 600), Extent(2, 0, 600)]
        assert names(tmp_path) == ["000001.segment", "000002.segment"]


def test_an_extent_larger_than_a_segment_gets_one_of_its_own(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        found = [segments.allocate(length) for length in (10, 5 * SIZE, 10)]
        assert found == [Extent(1, 0, 10), Extent(2, 0, 5 * SIZE), Extent(3, 0, 10)]


def test_only_the_owner_can_read_a_segment(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        segments.allocate(1)
        assert (tmp_path / "segments").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "segments" / "000001.segment").stat().st_mode & 0o777 == 0o600


def test_what_was_written_reads_back_in_order_also_from_thousands_of_buffers(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        first, second = segments.allocate(3), segments.allocate(3000)
        segments.write(second, [b"%03d" % number for number in range(1000)])
        segments.write(first, [b"a", b"", b"bc"])
        assert read(segments, second, first) == b"".join(b"%03d" % number for number in range(1000)) + b"abc"


def test_a_segment_in_which_nothing_is_live_is_used_again_before_a_new_one_is_made(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        first, second = segments.allocate(SIZE), segments.allocate(SIZE)
        segments.release([first])
        assert segments.allocate(SIZE) == first
        segments.release([second])
        assert segments.allocate(SIZE) == second
        assert names(tmp_path) == ["000001.segment", "000002.segment"]


def test_a_segment_with_one_live_extent_is_not_used_again(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        first, _ = segments.allocate(500), segments.allocate(500)
        segments.release([first])
        assert segments.allocate(SIZE).segment == 2


def test_what_is_shared_is_free_when_it_was_released_as_often(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        first, _ = segments.allocate(SIZE), segments.allocate(SIZE)
        segments.share([first])
        segments.release([first])
        assert segments.allocate(SIZE).segment == 3
        segments.release([first])
        assert segments.allocate(SIZE) == first


def test_the_segment_that_is_being_filled_goes_on_when_nothing_in_it_is_live(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        segments.release([segments.allocate(400)])
        assert segments.allocate(400) == Extent(1, 400, 400)
        segments.release([Extent(1, 400, 400)])
        assert segments.allocate(400) == Extent(2, 0, 400)
        assert segments.allocate(SIZE) == Extent(1, 0, SIZE)


def test_at_most_eight_empty_segments_are_kept(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        extents = [segments.allocate(SIZE) for _ in range(20)]
        segments.release(extents)
        assert len(names(tmp_path)) == 8 + 1  # and the one that is being filled
        found = [segments.allocate(SIZE) for _ in range(20)]
        assert len({extent.segment for extent in found}) == 20
        for extent in found:
            segments.write(extent, [b"%04d" % extent.segment * (SIZE // 4)])
        assert [read(segments, extent)[:4] for extent in found] == [b"%04d" % extent.segment for extent in found]


def test_live_extents_are_respected_after_a_restart_and_the_rest_is_used_again(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        extents = [segments.allocate(SIZE) for _ in range(4)]
        for extent in extents:
            segments.write(extent, [b"%d" % extent.segment * SIZE])
    with segments_in(tmp_path, [extents[1], extents[3]]) as segments:
        assert sorted(segments.allocate(SIZE).segment for _ in range(3)) == [1, 3, 5]
        assert read(segments, extents[1], extents[3]) == b"2" * SIZE + b"4" * SIZE


def test_a_live_segment_whose_file_was_lost_is_never_written_to(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        lost = [segments.allocate(SIZE) for _ in range(2)][1]
    (tmp_path / "segments" / "000002.segment").unlink()
    with segments_in(tmp_path, [lost]) as segments:
        assert [segments.allocate(SIZE).segment for _ in range(2)] == [1, 3]
        segments.release([lost])
        assert segments.allocate(SIZE).segment == 4


def test_files_that_are_no_segments_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments" / "copy of 000001.segment").write_bytes(b"mine")
    with segments_in(tmp_path) as segments:
        assert segments.allocate(SIZE) == Extent(1, 0, SIZE)
    assert (tmp_path / "segments" / "copy of 000001.segment").read_bytes() == b"mine"


def test_a_segment_shorter_than_its_extents_say_is_an_error(tmp_path: Path) -> None:
    with segments_in(tmp_path) as segments:
        extent = segments.allocate(600)
        segments.write(extent, [b"x" * 600])
        os.truncate(tmp_path / "segments" / "000001.segment", 500)
        with pytest.raises(OSError, match="content segment 1 ends at 500, before octet 600 of a spooled message"):
            read(segments, extent)


def test_the_name_of_a_segment_made_while_the_folder_is_synced_is_synced_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[list[str]] = []

    def fsync(descriptor: int) -> None:
        assert os.path.samestat(os.fstat(descriptor), (tmp_path / "segments").stat())
        synced.append(names(tmp_path))
        if len(synced) == 1:
            segments.allocate(SIZE)  # as the event loop may, at this very moment

    monkeypatch.setattr(os, "fsync", fsync)
    with segments_in(tmp_path) as segments:
        segments.allocate(SIZE)
        for number in (1, 2, 2):
            segments.sync(number)
    assert synced == [["000001.segment"], ["000001.segment", "000002.segment"]]


def test_a_folder_that_could_not_be_synced_is_synced_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def fsync(descriptor: int) -> None:
        attempts.append(descriptor)
        if len(attempts) == 1:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with segments_in(tmp_path) as segments:
        segments.allocate(SIZE)
        with pytest.raises(OSError, match="Input/output error"):
            segments.sync(1)
        segments.sync(1)
    assert len(attempts) == 2


@given(st.lists(st.builds(Extent, st.integers(1), st.integers(0), st.integers(1))))
def test_extents_come_back_from_their_text(extents: list[Extent]) -> None:
    assert parse_extents(format_extents(extents)) == extents


@pytest.mark.parametrize("text", ["1:2", "1:2:3:4", "a:b:c", "1:2:"])
def test_damaged_text_is_no_extent(text: str) -> None:
    with pytest.raises(ValueError, match="values to unpack|invalid literal"):
        parse_extents(text)
