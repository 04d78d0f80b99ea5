# SPDX-License-Identifier: Apache-2.0
"""Checks of the client before the greeting: the trial period, lock-outs and refused clients, DNS block lists."""

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


# rejectsmtpip.dat.

VISITOR = "198.18.0.66"
NOW = int(START.timestamp())


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("198.18.0.66\t",), CUT_OFF),
        (("198.18.0.*\t",), CUT_OFF),
        (("198.18.0.0/24",), CUT_OFF),
        (("198.18.1.*\t",), ACCEPTED),
        (("198.18.0.66\ttrue", "198.18.0.*\t"), ACCEPTED),
        (("198.18.0.*\t", "198.18.0.66\ttrue"), CUT_OFF),
        ((f"198.18.0.66\t{NOW + 1}\tiplock",), CUT_OFF),
        ((f"198.18.0.66\t{NOW}\tiplock",), ACCEPTED),
        ((f"198.18.0.66\t{NOW - 1}", "198.18.0.*\t"), CUT_OFF),
    ],
)
def test_a_client_that_rejectsmtpip_dat_refuses_is_cut_off(site: Site, lines: tuple[str, ...], told: str) -> None:
    site.rules("rejectsmtpip.dat", *lines)
    assert site.connect(address=VISITOR) == told


def test_a_line_that_exempts_a_client_counts_for_the_servers_own_locks_too(site: Site) -> None:
    site.directory.locks.add("203.0.113.5", None, "too many failures", START)
    assert site.connect(address="203.0.113.5") == CUT_OFF
    site.rules("rejectsmtpip.dat", "203.0.113.5\ttrue")
    assert site.connect(address="203.0.113.5") == ACCEPTED


def test_loopback_is_never_refused(site: Site) -> None:
    site.rules("rejectsmtpip.dat", "127.0.0.1\t", "*.*.*.*\t")
    assert site.connect(address="127.0.0.1") == ACCEPTED


# ordb.dat.


@pytest.mark.parametrize(
    ("effect", "told"),
    [
        (None, "CLIENT_LISTED"),
        ("198.18.0.66 default", ACCEPTED),
        ("198.18.0.0/24 true", ACCEPTED),
        ("198.18.0.66 only", ACCEPTED),
        ("198.18.0.66 norelay", "CLIENT_LISTED"),
        ("198.18.0.66 norelay,2", "CLIENT_LISTED"),
        ("198.18.0.66 false", "CLIENT_LISTED"),
        ("*.*.*.* default", "CLIENT_LISTED"),
        ("198.51.100.1 only", "CLIENT_LISTED"),
        ("out.test true", "CLIENT_LISTED"),
    ],
)
def test_a_listed_client_is_refused_unless_a_line_of_its_own_trusts_it(
    site: Site, effect: str | None, told: str
) -> None:
    site.listings = {(VISITOR, "b.test")}
    site.rules("ordb.dat", "a.test", "b.test")
    if effect is not None:
        site.rules("effect.dat", effect)
    assert site.connect(address=VISITOR) == told


def test_without_zones_nobody_is_looked_up_and_loopback_never_is(site: Site) -> None:
    site.listings = {(VISITOR, "a.test"), ("127.0.0.1", "a.test")}
    assert site.connect(address=VISITOR) == ACCEPTED
    site.rules("ordb.dat", "a.test")
    assert site.connect(address=VISITOR) == "CLIENT_LISTED"
    assert site.connect(address="127.0.0.1") == ACCEPTED


def test_which_zone_lists_a_client_is_a_fact_for_the_record(site: Site) -> None:
    site.listings = {(VISITOR, "b.test")}
    site.rules("ordb.dat", "a.test", "b.test")
    client = site.client(address=VISITOR)
    client.chain.connect.decide(client.facts)
    assert client.facts.facts == {"block list": "b.test"}
    assert [(rule.document, rule.line) for rule in client.facts.rules] == [("ordb.dat", 2)]
