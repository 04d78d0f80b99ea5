# SPDX-License-Identifier: Apache-2.0
"""A directory on a real disk, with the domain in.test and the account ann."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import Directory
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with Directory.open(tmp_path / "data") as opened:
        opened.domains.add("in.test")
        opened.accounts.add(Mailbox("ann", "in.test"), "Ann Example")
        yield opened


@pytest.fixture
def elsewhere(directory: Directory, tmp_path: Path) -> Iterator[Directory]:
    """The same directory as another process has it open; asked for after `directory` made it."""
    assert directory.is_local_domain("in.test")
    with Directory.open(tmp_path / "data") as opened:
        yield opened
