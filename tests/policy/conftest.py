# SPDX-License-Identifier: Apache-2.0
"""The standing directory of the policy tests, made once a module, and a site over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.policy_site import Site, open_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.directory import Directory


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    with open_directory(tmp_path_factory.mktemp("policy") / "data") as opened:
        yield opened


@pytest.fixture
def site(directory: Directory) -> Site:
    return Site(directory)
