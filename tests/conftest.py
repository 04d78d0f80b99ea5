# SPDX-License-Identifier: Apache-2.0
"""What is so for all tests."""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    """Let no garbage collection look through what was there before the first test.

    The syntax trees of all sources (`test_layers.py`) alone are a second's work, which falls on any test, also on one that
    bounds what hostile mail costs.
    """
    gc.collect()
    gc.freeze()
