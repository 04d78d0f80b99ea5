# SPDX-License-Identifier: Apache-2.0
"""rejectsmtpip.dat with the server's locks behind the operator's lines, and parted from them again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genkan.admin.live_locks import NAME, Parted, with_locks, without_locks
from genkan.admin.rule_operations import Remark, RuleOperations
from genkan.directory import Directory, Lock, LockKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
UNIX = int(NOW.timestamp())
HOUR = timedelta(hours=1)
REMARK = Remark("root")

AUTH = Lock(ip_network("192.0.2.1"), NOW + HOUR, "10 failed AUTH", NOW, LockKind.AUTH)
RATE = Lock(ip_network("2001:db8::/64"), NOW + HOUR, "too many connections", NOW, LockKind.RATE)
BY_HAND = Lock(ip_network("198.51.100.0/24"), None, "by hand", NOW, LockKind.OPERATOR)
LOCKS = (AUTH, RATE, BY_HAND)
LINES = f"192.0.2.1\t{UNIX + 3600}\n2001:db8::/64\t{UNIX + 3600}\tiplock\n198.51.100.*\t\n".encode()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"", LINES),
        (b"203.0.113.9\t\n", b"203.0.113.9\t\n" + LINES),
        (b"203.0.113.9\t", b"203.0.113.9\t\n" + LINES),
        (b"203.0.113.9\ttrue\r\n", b"203.0.113.9\ttrue\r\n" + LINES.replace(b"\n", b"\r\n")),
        (b"' \x82\xa0\n198.51.100.0/24\n", b"' \x82\xa0\n198.51.100.0/24\n" + LINES.replace(b"198.51.100.*\t\n", b"")),
    ],
)
def test_each_lock_is_a_line_behind_the_document_and_comes_out_of_it_again(document: bytes, expected: bytes) -> None:
    assert with_locks(document, LOCKS) == expected
    assert without_locks(expected, document, LOCKS, NOW) == Parted(document, ())


def test_without_locks_a_document_is_itself() -> None:
    assert with_locks(b"203.0.113.9\t", ()) == b"203.0.113.9\t"
    assert without_locks(b"203.0.113.9\t\n", b"203.0.113.9\t", (), NOW) == Parted(b"203.0.113.9\t\n", ())


def test_lines_with_a_time_to_come_are_locks_and_those_of_the_past_are_dropped() -> None:
    octets = f"192.0.2.7\t{UNIX + 60}\niplock\n203.0.113.*\t{UNIX + 60}\tiplock\r192.0.2.8\t{UNIX}\n192.0.2.9".encode()
    parted = without_locks(octets, b"", (), NOW)
    until = datetime.fromtimestamp(UNIX + 60, UTC)
    reason = "imported from rejectsmtpip.dat"
    assert parted == Parted(
        b"iplock\n192.0.2.9",
        (
            Lock(ip_network("192.0.2.7"), until, reason, NOW, LockKind.OPERATOR),
            Lock(ip_network("203.0.113.0/24"), until, reason, NOW, LockKind.RATE),
        ),
    )


@pytest.mark.parametrize(
    "line",
    [b"*.*.*.*\t4000000000\n", b"10.*.1.*\t4000000000\n", b"192.0.2.1\t999999999999999999\n", b"x\t4000000000\n"],
)
def test_what_no_lock_can_stand_for_stays_in_the_document(line: bytes) -> None:
    assert without_locks(line, b"", (), NOW) == Parted(line, ())


def test_a_lock_that_ends_later_is_not_asked_for() -> None:
    sooner, later = f"192.0.2.1\t{UNIX + 3600}\n".encode(), f"192.0.2.1\t{UNIX + 3601}\n".encode()
    assert without_locks(sooner, b"", (AUTH,), NOW).locks == ()
    assert [lock.until for lock in without_locks(later, b"", (AUTH,), NOW).locks] == [
        datetime.fromtimestamp(UNIX + 3601, UTC)
    ]
    assert without_locks(b"198.51.100.*\t4000000000\n", b"", (BY_HAND,), NOW) == Parted(b"", ())


def test_a_time_taken_off_makes_the_line_the_operators() -> None:
    assert without_locks(b"192.0.2.1\t\n", b"", (AUTH,), NOW) == Parted(b"192.0.2.1\t\n", ())


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RuleOperations, Directory]]:
    folder: Path = tmp_path_factory.mktemp("data")
    with Directory.open(folder) as directory:
        yield RuleOperations(directory), directory


clients = st.sampled_from(
    ["192.0.2.1", "192.0.2.*", "10.*.1.*", "*.*.*.*", "2001:db8::1", "2001:db8::/64", "0.0.0.0/0", "127.0.0.1", "x", ""]
)
times = st.sampled_from(["", "true", "-5", str(UNIX - 1), str(UNIX), str(UNIX + 1), str(UNIX + 99), "9" * 18, "z"])
lines = st.builds(
    lambda client, time, behind: f"{client}\t{time}{behind}".encode(), clients, times, st.sampled_from(["", "\tiplock"])
)
texts = st.lists(
    st.tuples(
        st.one_of(lines, st.binary(max_size=6)),
        st.sampled_from([b"\n", b"\r\n", b"\r", b""]),
    ),
    max_size=8,
).map(lambda parts: b"".join(line + end for line, end in parts))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts, by_hand=st.lists(clients.filter(lambda c: c not in ("x", "", "127.0.0.1") and "*" not in c)))
def test_to_export_and_import_changes_nothing(
    operations: tuple[RuleOperations, Directory], text: bytes, by_hand: list[str]
) -> None:
    rules, directory = operations
    directory.locks.clear()
    for network in by_hand:
        directory.locks.add(network, None, "by hand", NOW)
    place = rules.place(NAME)
    rules.store(place, text, REMARK, NOW)
    document, locks = directory.documents.current(NAME), directory.locks.list(NOW)
    exported = rules.show(place, NOW).octets
    change = rules.store(place, exported, REMARK, NOW)
    assert not change.changed
    assert directory.documents.current(NAME) == document
    assert directory.locks.list(NOW) == locks
    assert rules.show(place, NOW).octets == exported
