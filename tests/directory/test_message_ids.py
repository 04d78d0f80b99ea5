# SPDX-License-Identifier: Apache-2.0
"""Message numbers are handed out once, whoever asks, and never again."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.directory import Directory

TAKE = """
import sys
from pathlib import Path
from genkan.directory import Directory
with Directory.open(Path(sys.argv[1])) as directory:
    for _ in range(20):
        for number in directory.next_message_ids(3):
            print(number)
"""


def test_numbers_begin_at_one_and_go_on(directory: Directory) -> None:
    blocks = [directory.next_message_ids(count) for count in (1, 1000, 2)]
    assert blocks == [range(1, 2), range(2, 1002), range(1002, 1004)]


def test_numbers_go_on_after_opening_again(directory: Directory, elsewhere: Directory) -> None:
    assert directory.next_message_ids(10) == range(1, 11)
    assert elsewhere.next_message_ids(10) == range(11, 21)
    assert directory.next_message_ids(1) == range(21, 22)


@pytest.mark.parametrize("count", [0, -1])
def test_a_block_is_not_empty(directory: Directory, count: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        directory.next_message_ids(count)


def test_processes_that_begin_together_share_no_number(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKE, str(tmp_path / "data")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = [process.communicate(timeout=60)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert sorted(int(number) for numbers in printed for number in numbers) == list(range(1, 181))
