# SPDX-License-Identifier: Apache-2.0
"""MTA-STS policies: kept, replaced, forgotten; no other cache is dropped for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from genkan.directory.store import Store
from genkan.directory.sts_policies import StoredPolicies, StoredPolicy
from genkan.storage.sqlite import migrate, open_database

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.directory import Directory

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = StoredPolicy("out.test", "20300101", "enforce", ("mx.out.test", "*.mail.test"), NOW, NOW + DAY)


def test_a_policy_is_found_in_any_writing_of_its_domain(directory: Directory, elsewhere: Directory) -> None:
    directory.sts_policies.put(POLICY._replace(domain="Out.Test"))
    assert directory.sts_policies.get("OUT.test") == POLICY
    assert elsewhere.sts_policies.get("out.test") == POLICY
    assert directory.sts_policies.get("mx.out.test") is None


def test_a_newer_policy_takes_the_place_of_the_former(directory: Directory) -> None:
    newer = POLICY._replace(id="20300131", mode="none", mx=(), fetched=NOW + DAY, expires=NOW + 2 * DAY)
    directory.sts_policies.put(POLICY)
    directory.sts_policies.put(newer)
    assert directory.sts_policies.get("out.test") == newer


def test_only_what_has_expired_is_forgotten(directory: Directory) -> None:
    directory.sts_policies.put(POLICY)
    directory.sts_policies.put(POLICY._replace(domain="b.test", expires=NOW + 2 * DAY))
    directory.sts_policies.drop_expired(NOW + DAY)
    assert directory.sts_policies.get("out.test") is None
    assert directory.sts_policies.get("b.test") is not None


def test_a_policy_drops_no_cache(directory: Directory) -> None:
    cache = directory.new_cache()
    cache["known"] = True
    directory.sts_policies.put(POLICY)
    directory.sts_policies.drop_expired(NOW)
    directory.refresh()
    assert cache == {"known": True}


def test_of_too_many_policies_those_that_expire_first_are_forgotten(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "directory.db")
    migrate(connection, "directory")
    policies = StoredPolicies(Store(connection), most=2)
    for number, days in enumerate((3, 1, 2)):
        policies.put(POLICY._replace(domain=f"{number}.test", expires=NOW + days * DAY))
    kept = [policies.get(f"{number}.test") is not None for number in range(3)]
    connection.close()
    assert kept == [True, False, True]
