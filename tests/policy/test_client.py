# SPDX-License-Identifier: Apache-2.0
"""Checks of the client before the greeting: the trial period and lock-outs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.policy_site import ACCEPTED, CUT_OFF
from tests.support.server import START

if TYPE_CHECKING:
    from tests.support.policy_site import Site

CLIENT = "192.0.2.66"


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (datetime(2029, 12, 31, 23, 59, 59, tzinfo=UTC), ACCEPTED),
        (datetime(2030, 1, 1, tzinfo=UTC), "TRIAL_EXPIRED"),
        (datetime(2031, 1, 1, tzinfo=UTC), "TRIAL_EXPIRED"),
    ],
)
def test_from_the_day_of_expiry_on_nobody_is_served(site: Site, now: datetime, told: str) -> None:
    site.moment = now
    assert site.connect("expires = 2030-01-01") == told
    assert site.connect() == ACCEPTED


def test_a_locked_client_is_cut_off_until_its_time_is_over(site: Site) -> None:
    site.directory.locks.add(CLIENT, START + timedelta(minutes=15), "too many failures", START)
    assert site.connect(address=CLIENT) == CUT_OFF
    assert site.connect(address="192.0.2.67") == ACCEPTED
    site.moment += timedelta(minutes=15)
    assert site.connect(address=CLIENT) == ACCEPTED


def test_a_network_can_be_locked_for_good(site: Site) -> None:
    site.directory.locks.add("198.51.100.0/24", None, "by an operator", START)
    site.moment += timedelta(days=10_000)
    assert site.connect(address="198.51.100.200") == CUT_OFF
    assert site.connect(address="198.51.101.200") == ACCEPTED
