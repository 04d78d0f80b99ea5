# SPDX-License-Identifier: Apache-2.0
"""Drafts that get another start, and copies of drafts: every message reads back as it was meant, and no space is lost."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genkan.spool.recording import Finished
from genkan.spool.spool import SpoolLimits
from genkan.storage.engine import StorageError
from tests.support.spools import envelope, open_spool_on_loop

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.spool.spool import Draft
    from tests.support.spools import SpoolOnLoop

LIMITS: Final = SpoolLimits(inline_size=100, segment_size=60_000, buffer=16_000)
SIZES: Final = (0, 60, 100, 101, 10_000, 200_000)


def draft_of(opened: SpoolOnLoop, content: bytes) -> Draft:
    """A draft that came in pieces, as from a network."""
    return opened.draft(*(content[start : start + 7000] for start in range(0, len(content), 7000)))


def live(opened: SpoolOnLoop) -> dict[int, int]:
    return dict(opened.spool._segments._live)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [0, 1, 60, 50_000, 200_000])
@pytest.mark.parametrize("start", [b"", b"X-Spam: yes\r\n", b"x" * 30_000])
def test_a_draft_gets_another_start_whether_it_was_flushed_or_not(
    tmp_path: Path, size: int, count: int, start: bytes
) -> None:
    content = os.urandom(size)
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        draft = draft_of(opened, content)
        draft.replace_start(min(count, size), start)
        expected = start + content[count:]
        assert draft.size == len(expected)
        assert opened.finish(envelope(1), draft) is None
        assert opened.content(1) == expected
        assert opened.record(Finished(1, 0)) is None
        assert live(opened) == {}


def test_a_new_start_of_a_flushed_draft_writes_nothing_else_again(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", SpoolLimits(inline_size=100, buffer=16_000)) as opened:
        draft = draft_of(opened, b"y" * 200_000)
        before = list(draft.extents)
        draft.replace_start(10, b"new")
        first, trimmed, *rest = draft.extents
        assert (first.length, trimmed.offset, trimmed.length) == (3, before[0].offset + 10, before[0].length - 10)
        assert rest == before[1:]
        opened.spool.discard(draft)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("original_first", [True, False])
def test_a_draft_and_its_copy_are_two_messages_of_the_same_content(
    tmp_path: Path, size: int, original_first: bool
) -> None:
    content = os.urandom(size)
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        draft = draft_of(opened, content)
        drafts = {1: draft, 2: opened.spool.copy(draft)}
        order = (1, 2) if original_first else (2, 1)
        for number in order:
            assert opened.finish(envelope(number), drafts[number]) is None
        assert opened.content(1) == opened.content(2) == content
        assert opened.record(Finished(order[0], 0)) is None
        assert opened.accept(envelope(3), b"z" * 200_000) is None
        assert opened.content(order[1]) == content
        assert opened.record(Finished(order[1], 0), Finished(3, 0)) is None
        assert live(opened) == {}


def test_large_content_of_a_copy_is_not_written_again(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        draft = draft_of(opened, b"x" * 50_000)
        copy = opened.spool.copy(draft)
        assert copy.extents == draft.extents
        for number, one in ((1, draft), (2, copy)):
            assert opened.finish(envelope(number), one) is None
        assert [path.stat().st_size for path in (tmp_path / "1" / "segments").iterdir()] == [50_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("discard_first", [True, False])
def test_a_copy_goes_on_when_its_original_is_discarded(tmp_path: Path, size: int, discard_first: bool) -> None:
    content = os.urandom(size)
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        draft = draft_of(opened, content)
        copy = opened.spool.copy(draft)
        if discard_first:
            opened.spool.discard(draft)
            opened.settle()
        assert opened.finish(envelope(1), copy) is None
        if not discard_first:
            opened.spool.discard(draft)
        for number in range(2, 6):
            assert opened.accept(envelope(number), b"%d" % number * 50_000) is None
        assert opened.content(1) == content


@pytest.mark.parametrize("end", ["accepted", "discarded"])
def test_what_the_disk_loses_is_lost_for_the_copy_as_well_whatever_became_of_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    def fdatasync(_: int) -> None:
        raise OSError(5, "Input/output error")

    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        draft = draft_of(opened, b"x" * 50_000)
        copy = opened.spool.copy(draft)
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", fdatasync)
            if end == "accepted":
                assert isinstance(opened.finish(envelope(1), draft), StorageError)
            else:
                opened.spool.discard(draft)
                opened.settle()
            assert isinstance(opened.finish(envelope(2), copy), StorageError)
        assert live(opened) == {}


def test_a_copy_made_before_keeps_the_old_start_and_one_made_afterwards_has_the_new_one(tmp_path: Path) -> None:
    content = b"Subject: x\r\n" + b"body\r\n" * 5000
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        draft = draft_of(opened, content)
        before = opened.spool.copy(draft)
        draft.replace_start(12, b"Subject: [spam] x\r\n")
        after = opened.spool.copy(draft)
        for number, one in ((1, draft), (2, before), (3, after)):
            assert opened.finish(envelope(number), one) is None
        assert opened.content(2) == content
        assert opened.content(1) == opened.content(3) == b"Subject: [spam] x\r\n" + content[12:]


Change = tuple[str, int, int, int]
CHANGES: Final = st.lists(
    st.tuples(st.sampled_from(["start", "copy"]), st.integers(0, 9), st.integers(0, 100), st.integers(0, 30_000)),
    max_size=8,
)
ENDS: Final = st.lists(st.tuples(st.integers(0, 99), st.booleans()), min_size=10, max_size=10)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 150_000), changes=CHANGES, ends=ENDS)
def test_whatever_is_changed_copied_kept_and_forgotten_every_message_reads_back_and_all_space_comes_back(
    tmp_path_factory: pytest.TempPathFactory, size: int, changes: list[Change], ends: list[tuple[int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("spool") / "1"
    with open_spool_on_loop(folder, LIMITS) as opened:
        pairs = changed(opened, size, changes)
        kept = end_in_some_order(opened, pairs, ends)
        opened.settle()
        assert {number: opened.content(number) == content for number, content in kept.items()} == dict.fromkeys(
            kept, True
        )
    with open_spool_on_loop(folder, LIMITS) as opened:  # what is live is found again from the rows
        for number in kept:
            assert opened.record(Finished(number, 0)) is None
        assert live(opened) == {}
    shutil.rmtree(folder.parent)


def changed(opened: SpoolOnLoop, size: int, changes: list[Change]) -> list[tuple[Draft, bytes]]:
    """A draft and its copies, each with what it must read as."""
    content = os.urandom(size)
    pairs = [(draft_of(opened, content), content)]
    for what, which, percent, length in changes:
        index = which % len(pairs)
        draft, content = pairs[index]
        if what == "copy":
            pairs.append((opened.spool.copy(draft), content))
            continue
        count, start = len(content) * percent // 100, os.urandom(length)
        draft.replace_start(count, start)
        pairs[index] = (draft, start + content[count:])
    return pairs


def end_in_some_order(
    opened: SpoolOnLoop, pairs: list[tuple[Draft, bytes]], ends: list[tuple[int, bool]]
) -> dict[int, bytes]:
    """Accept or discard each of them, other mail between them; the contents of all messages by their number."""
    kept: dict[int, bytes] = {}
    for number, (which, keep) in enumerate(ends[: len(pairs)]):
        draft, content = pairs.pop(which % len(pairs))
        if keep:
            kept[2 * number] = content
            opened.spool.accept(envelope(2 * number), draft, check)
        else:
            opened.spool.discard(draft)
        kept[2 * number + 1] = os.urandom(20_000)
        opened.spool.accept(envelope(2 * number + 1), opened.draft(kept[2 * number + 1]), check)
    return kept


def check(error: StorageError | None) -> None:
    assert error is None
