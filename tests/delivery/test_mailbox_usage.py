# SPDX-License-Identifier: Apache-2.0
"""Octets kept in a Maildir: what counts, when it is counted again, and how much is remembered."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from genkan.delivery.mailbox_usage import MailboxUsage

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType
    from typing import Any

LONG_AGO = 1_000_000_000


class StoppedClock:
    """Time that moves when told to, or by `each_look` whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now = LONG_AGO + 1000.0
        self.each_look = 0.0

    def __call__(self) -> float:
        now = self.now
        self.now += self.each_look
        return now


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for folder in ("tmp", "new", "cur", ".Sent/new", ".Sent/cur", ".Sent.2025/cur"):
        (tmp_path / "ann" / folder).mkdir(parents=True)
    return tmp_path / "ann"


def settle(maildir: Path) -> None:
    """As if nothing in it had been touched for long."""
    for path in (maildir, *maildir.rglob("*")):
        if path.is_dir():
            os.utime(path, (LONG_AGO, LONG_AGO))


def folders_read(usage: MailboxUsage, maildir: Path) -> int:
    """How many directories were listed to find the answer."""
    count = 0

    def note(_: FrameType, event: str, function: Any) -> None:
        nonlocal count
        count += event == "c_call" and function.__name__ == "scandir"

    sys.setprofile(note)
    try:
        usage.usage(maildir)
    finally:
        sys.setprofile(None)
    return count


def test_a_missing_maildir_keeps_nothing(tmp_path: Path) -> None:
    assert MailboxUsage().usage(tmp_path / "nobody") == 0


def test_new_cur_and_subfolders_count_and_tmp_does_not(maildir: Path) -> None:
    for folder, size in (("new", 1), ("cur", 10), (".Sent/cur", 100), (".Sent.2025/cur", 1000), ("tmp", 10_000)):
        (maildir / folder / f"1.x.host,S={size}").write_bytes(b"")
    assert MailboxUsage().usage(maildir) == 1111


@pytest.mark.parametrize(
    ("name", "expected"),
    [("1.x.host,S=500", 500), ("1.x.host,S=500:2,S", 500), ("1.x.host,S=500,W=510:2,", 500), ("1.x.host", 7),
     ("1.x.host:2,S", 7), ("1.x.host,S=abc", 7), ("1.x.host,S=5x", 7)],
)  # fmt: skip
def test_the_size_is_in_the_name_or_else_that_of_the_file(maildir: Path, name: str, expected: int) -> None:
    (maildir / "cur" / name).write_bytes(b"1234567")
    assert MailboxUsage().usage(maildir) == expected


def test_folders_and_links_among_the_messages_do_not_count(maildir: Path) -> None:
    (maildir / "cur" / "folder").mkdir()
    (maildir / "cur" / "link").symlink_to("/nowhere")
    assert MailboxUsage().usage(maildir) == 0


def test_a_settled_maildir_is_not_read_again(maildir: Path) -> None:
    settle(maildir)
    usage = MailboxUsage(clock=StoppedClock())
    assert [folders_read(usage, maildir) for _ in range(2)] == [6, 0]


def test_a_folder_that_changed_is_read_again_and_no_other(maildir: Path) -> None:
    settle(maildir)
    clock = StoppedClock()
    usage = MailboxUsage(clock=clock)
    usage.usage(maildir)
    (maildir / ".Sent" / "cur" / "1,S=5").write_bytes(b"")
    assert folders_read(usage, maildir) == 1
    assert usage.usage(maildir) == 5


def test_a_new_subfolder_is_found(maildir: Path) -> None:
    settle(maildir)
    usage = MailboxUsage(clock=StoppedClock())
    usage.usage(maildir)
    (maildir / ".Trash" / "cur").mkdir(parents=True)
    (maildir / ".Trash" / "cur" / "1,S=9").write_bytes(b"")
    assert usage.usage(maildir) == 9


def test_a_folder_changed_just_now_is_not_trusted(maildir: Path) -> None:
    settle(maildir)
    clock = StoppedClock()
    usage = MailboxUsage(clock=clock)
    (maildir / "new" / "1,S=1").write_bytes(b"")
    os.utime(maildir / "new", (clock.now - 1, clock.now - 1))
    usage.usage(maildir)
    (maildir / "new" / "2,S=2").write_bytes(b"")
    os.utime(maildir / "new", (clock.now - 1, clock.now - 1))
    assert usage.usage(maildir) == 3


def test_an_answer_that_took_long_is_good_for_ten_times_as_long(maildir: Path) -> None:
    settle(maildir)
    clock = StoppedClock()
    usage = MailboxUsage(clock=clock)
    clock.each_look = 2.0
    usage.usage(maildir)
    clock.each_look = 0.0
    (maildir / "new" / "1,S=1").write_bytes(b"")
    found_at = clock.now - 2.0
    clock.now = found_at + 19.9
    assert usage.usage(maildir) == 0
    clock.now = found_at + 20.0
    assert usage.usage(maildir) == 1


def test_a_clock_set_back_does_not_keep_an_answer_alive(maildir: Path) -> None:
    settle(maildir)
    clock = StoppedClock()
    usage = MailboxUsage(clock=clock)
    clock.each_look = 2.0
    usage.usage(maildir)
    (maildir / "new" / "1,S=1").write_bytes(b"")
    clock.now -= 100.0
    assert usage.usage(maildir) == 1


def test_only_so_many_maildirs_are_remembered(maildir: Path, tmp_path: Path) -> None:
    settle(maildir)
    usage = MailboxUsage(capacity=2, clock=StoppedClock())
    usage.usage(maildir)
    usage.usage(tmp_path / "bob")
    usage.usage(maildir)
    usage.usage(tmp_path / "eve")
    assert folders_read(usage, maildir) == 0
    usage.usage(tmp_path / "bob")
    usage.usage(tmp_path / "eve")
    assert folders_read(usage, maildir) == 6


def test_a_maildir_that_cannot_be_read_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        MailboxUsage().usage(tmp_path / "file")
