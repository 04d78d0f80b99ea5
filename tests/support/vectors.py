# SPDX-License-Identifier: Apache-2.0
"""Where the public conformance vectors lie; they are not part of this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def vectors_folder(name: str) -> Path:
    """The folder of the suite `name` under $GENKAN_VECTORS, or under `shared/vectors` beside the checkout.

    Where there is none the calling test is skipped, saying which suite did not run; under CI=true it fails.
    """
    configured = os.environ.get("GENKAN_VECTORS")
    folder = (Path(configured) if configured else CHECKOUT.parent / "shared" / "vectors") / name
    if folder.is_dir():
        return folder
    reason = f"the conformance suite {name!r} did not run: set GENKAN_VECTORS to the folder that holds {name!r}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
