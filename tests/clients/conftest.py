# SPDX-License-Identifier: Apache-2.0
"""A server for each test: listeners for smtp, submission and submissions, accounts ann@in.test and bob@in.test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.clients import PAUSED, Post, running_post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    with running_post(tmp_path) as running:
        yield running


@pytest.fixture
def paused_post(tmp_path: Path) -> Iterator[Post]:
    """Accepted mail stays in the spool."""
    with running_post(tmp_path, PAUSED) as running:
        yield running
