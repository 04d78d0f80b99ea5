# SPDX-License-Identifier: Apache-2.0
"""Answers of HTTP servers, whatever they hold, have a meaning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.webhook_answer import LONGEST_WAIT, Answer, outcomes, retry_at
from tests.delivery.consignments import consignment

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 120 ", timedelta(seconds=120)),
        ("86401", LONGEST_WAIT),
        ("Mon, 23 Nov 2026 12:00:01 GMT", timedelta(seconds=1)),
        ("Mon, 23 Nov 2026 12:00:01 -0000", timedelta(seconds=1)),
        ("Mon, 23 Nov 2026 14:00:01 +0200", timedelta(seconds=1)),
        ("Tue, 23 Nov 9999 12:00:00 GMT", LONGEST_WAIT),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(field: str, wait: timedelta) -> None:
    assert retry_at(field, NOW) == NOW + wait


@pytest.mark.parametrize(
    "field",
    ["", "0", "-5", "soon", "9" * 8000, "\u0663", "Mon, 23 Nov 2026 11:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 +2359"],
)
def test_retry_after_that_asks_for_nothing_leaves_it_to_the_schedule(field: str) -> None:
    assert retry_at(field, NOW) is None


@given(st.text())
def test_no_retry_after_raises(field: str) -> None:
    moment = retry_at(field, NOW)
    assert moment is None or NOW < moment <= NOW + LONGEST_WAIT


@given(
    st.integers(100, 999),
    st.text(),
    st.sampled_from(["application/json", "text/html", "application/problem+json; charset=utf-8", ""]),
    st.binary() | st.from_regex(rb'\{"recipients": ?\{"ann@in.test": ?\{"status": ?[0-9]{1,4}.*\}\}\}', fullmatch=True),
    st.booleans(),
)
def test_no_answer_raises(status: int, phrase: str, content_type: str, octets: bytes, whole: bool) -> None:
    answer = Answer(status, phrase, content_type, phrase, phrase, octets, whole)
    mail = consignment("ann@in.test", "bob@in.test")
    found = outcomes(answer, mail.leased, "in.test", NOW)
    assert len(found) == 2
    for outcome in found:
        assert isinstance(outcome, Delivered | Deferred | Failed)
        text = outcome.by if isinstance(outcome, Delivered) else outcome.reason + outcome.reply
        assert text.isprintable()
        assert len(text) < 1000
