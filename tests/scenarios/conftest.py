# SPDX-License-Identifier: Apache-2.0
"""Installations that are served by real processes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.site import MakeSite


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[MakeSite]:
    """Makes an installation with the accounts ann and bob; whatever still runs at the end of the test is killed."""
    with ExitStack() as stack:

        def make(settings: str = "", *, proxy: bool = False) -> Site:
            site = Site(tmp_path / "home", settings, proxy=proxy)
            stack.callback(site.end)
            return site

        yield make
