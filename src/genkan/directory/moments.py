# SPDX-License-Identifier: Apache-2.0
"""Moments as the database keeps them: whole microseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def stored(moment: datetime) -> int:
    """The number for an aware moment."""
    return (moment - _EPOCH) // _MICROSECOND


def loaded(microseconds: int) -> datetime:
    """The moment of a number, in UTC."""
    return _EPOCH + microseconds * _MICROSECOND
