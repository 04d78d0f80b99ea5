# SPDX-License-Identifier: Apache-2.0
"""Envelopes and moments as the spool's database holds them come back as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.smtp.address import AddressError, Mailbox, parse_mailbox
from genkan.spool.rows import microseconds, moment, parse_stored

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(MOMENTS)
def test_a_moment_comes_back_to_the_microsecond(given_moment: datetime) -> None:
    assert moment(microseconds(given_moment)) == given_moment


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    tokyo = datetime(2026, 1, 2, 12, 0, tzinfo=timezone(timedelta(hours=9)))
    assert moment(microseconds(tokyo)).isoformat() == "2026-01-02T03:00:00+00:00"


@pytest.mark.parametrize(
    "mailbox",
    [
        Mailbox("ann", "in.test"),
        Mailbox("Ann.Example", "IN.test"),
        Mailbox("", "in.test"),
        Mailbox('quoted "x" \\', "in.test"),
        Mailbox("a@b", "in.test"),
        Mailbox("ann", "[192.0.2.1]"),
        Mailbox("ann", "[IPv6:2001:db8::1]"),
        Mailbox("用户", "例え.test"),
        Mailbox("postmaster", ""),
    ],
)
def test_an_address_comes_back_from_the_spool(mailbox: Mailbox) -> None:
    assert parse_stored(str(mailbox)) == mailbox


@given(st.text(max_size=64), st.sampled_from(["in.test", "[192.0.2.1]", "例え.test"]))
def test_every_address_that_can_be_parsed_comes_back_from_the_spool(local_part: str, domain: str) -> None:
    try:
        mailbox = parse_mailbox(str(Mailbox(local_part, domain)))
    except AddressError:
        return
    assert parse_stored(str(mailbox)) == mailbox
