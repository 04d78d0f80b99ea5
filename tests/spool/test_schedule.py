# SPDX-License-Identifier: Apache-2.0
"""The retry schedule: which delay follows which attempt, how far chance moves it, and when mail is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.spool.schedule import next_attempt

ACCEPTED = datetime(2026, 1, 1, tzinfo=UTC)
RETRY = (timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=4))
EXPIRE = timedelta(days=5)


def due(attempts: int, now: datetime, jitter: float = 0.5) -> datetime | None:
    return next_attempt(attempts, ACCEPTED, now, retry=RETRY, expire=EXPIRE, jitter=jitter)


@pytest.mark.parametrize(
    ("attempts", "delay"), [(1, RETRY[0]), (2, RETRY[1]), (3, RETRY[2]), (4, RETRY[2]), (99, RETRY[2])]
)
def test_each_attempt_has_its_delay_and_the_last_repeats(attempts: int, delay: timedelta) -> None:
    assert due(attempts, ACCEPTED) == ACCEPTED + delay


@pytest.mark.parametrize(("jitter", "minutes"), [(0.0, 13.5), (0.5, 15), (1.0, 16.5)])
def test_chance_moves_a_delay_by_a_tenth_either_way(jitter: float, minutes: float) -> None:
    assert due(2, ACCEPTED, jitter) == ACCEPTED + timedelta(minutes=minutes)


def test_an_attempt_past_the_end_comes_at_the_end() -> None:
    assert due(9, ACCEPTED + EXPIRE - timedelta(hours=1)) == ACCEPTED + EXPIRE


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=30)])
def test_mail_that_is_too_old_has_no_next_attempt(late: timedelta) -> None:
    assert due(9, ACCEPTED + EXPIRE + late) is None


@given(st.integers(1, 1000), st.timedeltas(timedelta(0), timedelta(days=6)), st.floats(0, 1))
def test_the_next_attempt_is_later_than_now_and_not_after_the_end(attempts: int, age: timedelta, jitter: float) -> None:
    now = ACCEPTED + age
    actual = due(attempts, now, jitter)
    assert (actual is None) == (age >= EXPIRE)
    assert actual is None or now < actual <= ACCEPTED + EXPIRE
