# SPDX-License-Identifier: Apache-2.0
"""One sync for many files, only where it is known to keep its word."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from genkan.delivery import filesystems
from genkan.delivery.filesystems import WORTH_IT, keeps_its_word, sync_together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def files(folder: Path, count: int) -> Iterator[list[int]]:
    descriptors = [os.open(folder / str(number), os.O_CREAT | os.O_WRONLY) for number in range(count)]
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A list of mounts of the test's own."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text("")
    monkeypatch.setattr(filesystems, "_MOUNTS", mounts)
    keeps_its_word.cache_clear()
    yield mounts
    keeps_its_word.cache_clear()


def mount(mounts: Path, folder: Path, kind: str) -> None:
    device = folder.stat().st_dev
    with mounts.open("a") as file:
        file.write(f"36 35 {os.major(device)}:{os.minor(device)} / /mnt rw,noatime shared:1 - {kind} /dev/x rw\n")


def test_many_files_on_a_journalling_file_system_are_synced_by_one_call(mounted: Path, tmp_path: Path) -> None:
    mount(mounted, tmp_path, "ext4")
    with files(tmp_path, WORTH_IT) as descriptors:
        assert sync_together(descriptors) is True


def test_a_few_files_are_not(mounted: Path, tmp_path: Path) -> None:
    mount(mounted, tmp_path, "ext4")
    with files(tmp_path, WORTH_IT - 1) as descriptors:
        assert sync_together(descriptors) is False


@pytest.mark.parametrize("kind", ["nfs4", "overlay", "fuse.sshfs", "tmpfs", "btrfs"])
def test_files_on_any_other_file_system_are_synced_one_by_one(mounted: Path, tmp_path: Path, kind: str) -> None:
    mount(mounted, tmp_path, kind)
    with files(tmp_path, WORTH_IT) as descriptors:
        assert sync_together(descriptors) is False


def test_a_file_system_that_nobody_names_is_not_trusted(mounted: Path, tmp_path: Path) -> None:
    assert mounted.read_text() == ""
    with files(tmp_path, WORTH_IT) as descriptors:
        assert sync_together(descriptors) is False


def test_what_fails_is_left_to_be_synced_one_by_one(
    mounted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(mounted, tmp_path, "ext4")
    monkeypatch.setattr(filesystems, "_syncfs", lambda _: -1)
    with files(tmp_path, WORTH_IT) as descriptors:
        assert sync_together(descriptors) is False
        assert sync_together([*descriptors, 10_000]) is False
