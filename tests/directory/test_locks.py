# SPDX-License-Identifier: Apache-2.0
"""Locked clients: when failed AUTHs lock, whom, for how long, and how a lock goes away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from genkan.directory import FOREVER, InvalidValue, Local, Lock, LockKind, NotFound
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from genkan.directory import Directory

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
WINDOW = timedelta(minutes=15)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
CLIENT = "192.0.2.10"


def fail(directory: Directory, client: str, moments: list[datetime], limit: int = 3) -> list[bool]:
    return [directory.locks.record_failure(client, moment, limit, WINDOW) for moment in moments]


def test_the_last_failure_of_the_limit_locks(directory: Directory) -> None:
    assert fail(directory, CLIENT, [NOW] * 3) == [False, False, True]
    assert directory.locks.locked_until(CLIENT, NOW) == NOW + WINDOW
    assert directory.locks.list(NOW) == (
        Lock(ip_network("192.0.2.10/32"), NOW + WINDOW, "3 failed AUTH within 0:15:00", NOW, LockKind.AUTH),
    )


def test_a_lock_ends_by_itself(directory: Directory) -> None:
    fail(directory, CLIENT, [NOW] * 3)
    assert directory.locks.locked_until(CLIENT, NOW + WINDOW - SECOND) == NOW + WINDOW
    assert directory.locks.locked_until(CLIENT, NOW + WINDOW) is None
    assert directory.locks.list(NOW + WINDOW) == ()


def test_failures_older_than_the_window_do_not_count(directory: Directory) -> None:
    moments = [NOW, NOW + SECOND, NOW + WINDOW, NOW + WINDOW + SECOND, NOW + WINDOW + 2 * SECOND]
    assert fail(directory, CLIENT, moments) == [False, False, False, False, True]


def test_counting_begins_anew_after_a_lock(directory: Directory) -> None:
    assert fail(directory, CLIENT, [NOW] * 5) == [False, False, True, False, False]
    assert fail(directory, CLIENT, [NOW + SECOND]) == [True]
    assert directory.locks.locked_until(CLIENT, NOW) == NOW + SECOND + WINDOW


def test_other_clients_are_not_locked(directory: Directory) -> None:
    fail(directory, CLIENT, [NOW] * 3)
    assert fail(directory, "192.0.2.11", [NOW] * 2) == [False, False]
    assert directory.locks.locked_until("192.0.2.11", NOW) is None


def test_an_ipv6_client_is_its_whole_64(directory: Directory) -> None:
    locked = [directory.locks.record_failure(f"2001:db8:1:2::{number}", NOW, 3, WINDOW) for number in range(1, 4)]
    assert locked == [False, False, True]
    assert directory.locks.locked_until("2001:db8:1:2:ffff::9", NOW) == NOW + WINDOW
    assert directory.locks.locked_until("2001:db8:1:3::1", NOW) is None


def test_an_ipv4_client_is_the_same_in_an_ipv6_writing(directory: Directory) -> None:
    fail(directory, f"::ffff:{CLIENT}", [NOW] * 3)
    assert directory.locks.locked_until(CLIENT, NOW) == NOW + WINDOW
    assert directory.locks.locked_until(f"::ffff:{CLIENT}", NOW) == NOW + WINDOW


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1", "", "unix", "fe80::x"])
def test_loopback_and_what_is_no_address_are_never_locked(directory: Directory, client: str) -> None:
    assert fail(directory, client, [NOW] * 5) == [False] * 5
    directory.locks.add("0.0.0.0/0", None, "everybody", NOW)
    assert directory.locks.locked_until(client, NOW) is None


def test_a_limit_of_zero_never_locks(directory: Directory) -> None:
    assert fail(directory, CLIENT, [NOW] * 5, limit=0) == [False] * 5


def test_a_network_locks_all_of_its_addresses(directory: Directory) -> None:
    directory.locks.add("198.51.100.77/24", NOW + SECOND, "noise", NOW)
    directory.locks.add("198.51.0.0/16", NOW + 2 * SECOND, "more noise", NOW)
    assert directory.locks.locked_until("198.51.100.1", NOW) == NOW + 2 * SECOND
    assert directory.locks.locked_until("198.51.1.1", NOW) == NOW + 2 * SECOND
    assert directory.locks.locked_until("198.52.1.1", NOW) is None


def test_a_lock_without_end_is_not_shortened_by_failures(directory: Directory) -> None:
    directory.locks.add(CLIENT, None, "by hand", NOW)
    fail(directory, CLIENT, [NOW] * 3)
    assert directory.locks.locked_until(CLIENT, NOW + 1000 * WINDOW) == FOREVER
    assert [lock.reason for lock in directory.locks.list(NOW)] == ["by hand"]


def test_a_lock_by_hand_replaces_the_one_before(directory: Directory) -> None:
    directory.locks.add(CLIENT, None, "by hand", NOW)
    shorter = directory.locks.add(CLIENT, NOW + SECOND, "a little longer", NOW)
    assert directory.locks.list(NOW) == (shorter,)
    assert directory.locks.locked_until(CLIENT, NOW) == NOW + SECOND


def test_locks_are_listed_oldest_first(directory: Directory) -> None:
    second = directory.locks.add("192.0.2.1", None, "b", NOW + SECOND)
    first = directory.locks.add("2001:db8::1", None, "a", NOW)
    assert directory.locks.list(NOW) == (first, second)
    assert [str(lock.network) for lock in directory.locks.list(NOW)] == ["2001:db8::/64", "192.0.2.1/32"]


def test_clearing_an_address_unlocks_it_and_forgets_its_failures(directory: Directory) -> None:
    fail(directory, CLIENT, [NOW] * 5)
    assert directory.locks.clear(CLIENT) == 1
    assert directory.locks.locked_until(CLIENT, NOW) is None
    assert fail(directory, CLIENT, [NOW] * 2) == [False, False]


def test_clearing_all_unlocks_everybody(directory: Directory) -> None:
    fail(directory, CLIENT, [NOW] * 5)
    directory.locks.add("2001:db8::/32", None, "by hand", NOW)
    assert directory.locks.clear() == 2
    assert directory.locks.list(NOW) == ()
    assert fail(directory, CLIENT, [NOW] * 2) == [False, False]
    assert directory.locks.clear() == 0


def test_clearing_what_is_not_locked_says_so(directory: Directory) -> None:
    directory.locks.add("192.0.2.0/24", None, "by hand", NOW)
    with pytest.raises(NotFound, match=r"192\.0\.2\.10/32 is not locked; .* genkan lock list"):
        directory.locks.clear(CLIENT)


@pytest.mark.parametrize("text", ["", "ann", "127.0.0.1", "192.0.2.1/33", "192.0.2.1/x", "1.2.3"])
def test_what_cannot_be_locked_is_refused(directory: Directory, text: str) -> None:
    with pytest.raises(InvalidValue):
        directory.locks.add(text, None, "by hand", NOW)
    with pytest.raises(InvalidValue):
        directory.locks.clear(text)


def test_another_process_sees_a_lock_and_its_end(directory: Directory, elsewhere: Directory) -> None:
    assert elsewhere.locks.locked_until(CLIENT, NOW) is None
    fail(directory, CLIENT, [NOW] * 3)
    elsewhere.refresh()
    assert elsewhere.locks.locked_until(CLIENT, NOW) == NOW + WINDOW
    directory.locks.clear(CLIENT)
    elsewhere.refresh()
    assert elsewhere.locks.locked_until(CLIENT, NOW) is None


def test_failures_are_counted_across_processes(directory: Directory, elsewhere: Directory) -> None:
    locked = [fail(process, CLIENT, [NOW]) for process in (directory, elsewhere, directory)]
    assert locked == [[False], [False], [True]]


def test_a_failure_does_not_empty_the_caches_of_others(directory: Directory, elsewhere: Directory) -> None:
    ann = Mailbox("ann", "in.test")
    cached = elsewhere.resolve(ann)
    assert isinstance(cached, Local)
    fail(directory, CLIENT, [NOW] * 2)
    elsewhere.refresh()
    assert elsewhere.resolve(ann) is cached


def test_expired_rows_do_not_pile_up(directory: Directory) -> None:
    for number in range(20):
        fail(directory, f"192.0.2.{number}", [NOW] * 4)
    fail(directory, CLIENT, [NOW + 2 * WINDOW])
    store = directory._store
    left = [store.rows(f"SELECT count(*) FROM {table}") for table in ("lock", "auth_failure")]
    assert left == [[(0,)], [(1,)]]


def test_writing_is_durable_again_after_a_failure_was_counted(directory: Directory) -> None:
    fail(directory, CLIENT, [NOW])
    full = 2
    assert directory._store.rows("PRAGMA synchronous") == [(full,)]


def test_who_has_authenticated_within_the_hour_is_not_locked_by_failures(directory: Directory) -> None:
    directory.locks.record_success(CLIENT, NOW)
    assert fail(directory, CLIENT, [NOW + HOUR - SECOND] * 7) == [False] * 7
    assert directory.locks.list(NOW) == ()
    assert fail(directory, "192.0.2.11", [NOW + HOUR] * 3) == [False, False, True]


def test_a_success_protects_for_no_more_than_an_hour_and_a_minute(directory: Directory) -> None:
    directory.locks.record_success(CLIENT, NOW)
    later = NOW + HOUR + timedelta(minutes=1)
    assert not directory.locks.lock_for_rate(CLIENT, later - SECOND, WINDOW)
    assert directory.locks.lock_for_rate(CLIENT, later, WINDOW)


def test_a_success_within_a_minute_of_another_writes_nothing_and_still_counts_from_then_on(
    directory: Directory,
) -> None:
    directory.locks.record_success(CLIENT, NOW)
    before = directory._store._connection.total_changes()
    directory.locks.record_success(CLIENT, NOW + 59 * SECOND)
    assert directory._store._connection.total_changes() == before
    assert not directory.locks.lock_for_rate(CLIENT, NOW + 59 * SECOND + HOUR, WINDOW)
    directory.locks.record_success(CLIENT, NOW + 60 * SECOND)
    assert not directory.locks.lock_for_rate(CLIENT, NOW + 60 * SECOND + HOUR, WINDOW)


def test_a_success_on_one_connection_protects_in_all_processes(directory: Directory, elsewhere: Directory) -> None:
    directory.locks.record_success("2001:db8:1:2::1", NOW)
    assert not elsewhere.locks.lock_for_rate("2001:db8:1:2::9", NOW, WINDOW)
    assert elsewhere.locks.lock_for_rate("2001:db8:1:3::9", NOW, WINDOW)


def test_an_operator_locks_whom_he_likes(directory: Directory) -> None:
    directory.locks.record_success(CLIENT, NOW)
    directory.locks.add(CLIENT, None, "by hand", NOW)
    assert directory.locks.locked_until(CLIENT, NOW) == FOREVER


def test_a_client_that_connects_too_often_is_locked_and_the_others_hear_of_it(
    directory: Directory, elsewhere: Directory
) -> None:
    assert elsewhere.locks.locked_until(CLIENT, NOW) is None
    assert directory.locks.lock_for_rate(CLIENT, NOW, WINDOW)
    elsewhere.refresh()
    assert elsewhere.locks.locked_until(CLIENT, NOW) == NOW + WINDOW
    assert [(lock.kind, lock.reason) for lock in directory.locks.list(NOW)] == [("rate", "too many connections")]


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "unix"])
def test_loopback_is_not_locked_for_its_rate_and_its_successes_are_not_kept(directory: Directory, client: str) -> None:
    assert not directory.locks.lock_for_rate(client, NOW, WINDOW)
    directory.locks.record_success(client, NOW)
    assert directory._store.rows("SELECT count(*) FROM auth_success") == [(0,)]


def test_successes_do_not_pile_up(directory: Directory) -> None:
    for number in range(20):
        directory.locks.record_success(f"192.0.2.{number}", NOW)
    directory.locks.record_success(CLIENT, NOW + 2 * HOUR)
    assert directory._store.rows("SELECT count(*) FROM auth_success") == [(1,)]


def test_extending_a_lock_never_shortens_one(directory: Directory) -> None:
    longer = directory.locks.add(CLIENT, NOW + 2 * SECOND, "by hand", NOW)
    directory.locks.extend(Lock(longer.network, NOW + SECOND, "shorter", NOW, LockKind.RATE))
    assert directory.locks.list(NOW) == (longer,)
    longest = Lock(longer.network, NOW + 3 * SECOND, "longer", NOW, LockKind.RATE)
    directory.locks.extend(longest)
    assert directory.locks.list(NOW) == (longest,)
