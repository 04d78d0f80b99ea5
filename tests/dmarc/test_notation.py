# SPDX-License-Identifier: Apache-2.0
"""Rows and policies survive as text, which is the same for the same value."""

from __future__ import annotations

import json
from dataclasses import replace

from genkan.dmarc.aggregate import PublishedPolicy
from genkan.dmarc.notation import parse_policy, parse_row, policy_text, row_text
from tests.dmarc.reports import FAILED, PASSED, POLICY


def test_a_row_comes_back_as_it_was() -> None:
    assert parse_row(row_text(PASSED)) == PASSED
    assert parse_row(row_text(FAILED)) == FAILED


def test_the_same_row_is_the_same_text_and_another_row_another() -> None:
    assert row_text(replace(PASSED)) == row_text(PASSED)
    assert row_text(replace(PASSED, spf_aligned=True)) != row_text(PASSED)


def test_what_queries_ask_for_stands_in_the_text_of_a_row() -> None:
    said = json.loads(row_text(PASSED))
    assert [said[name] for name in ("source", "disposition", "dkim", "spf")] == ["192.0.2.1", "pass", True, False]


def test_a_policy_comes_back_as_it_was() -> None:
    plain = PublishedPolicy("example.com", "none")
    assert parse_policy(policy_text(POLICY)) == POLICY
    assert parse_policy(policy_text(plain)) == plain
