# SPDX-License-Identifier: Apache-2.0
"""Outcomes are values: equal by what they say, and not to be changed afterwards."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from genkan.delivery.outcome import Deferred, Delivered, Failed


def test_outcomes_are_equal_by_what_they_say() -> None:
    assert (Delivered(), Deferred("full"), Failed("gone")) == (Delivered(), Deferred("full", None), Failed("gone"))
    assert Deferred("full") != Deferred("gone")


def test_an_outcome_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Failed("gone").reason = "back"  # type: ignore[misc]
