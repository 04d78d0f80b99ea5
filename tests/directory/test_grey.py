# SPDX-License-Identifier: Apache-2.0
"""Senders that SPF deferred: what is kept of them, how long, and that it has bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory import GreyEntry, InvalidValue, NotFound
from genkan.directory import grey as module
from genkan.directory.grey import grey_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genkan.directory import Directory

NOW: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
NET: Final = "192.0.2.0/24"


def entry(
    sender: str = "x@out.test", since: datetime = NOW, seen: datetime | None = None, *, let_in: bool = False
) -> GreyEntry:
    return GreyEntry(NET, sender, since, seen or since, let_in)


def note(directory: Directory, entries: Sequence[GreyEntry], now: datetime = NOW) -> None:
    directory.grey.note(entries, now, DAY, 30 * DAY)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", NET),
        ("::ffff:192.0.2.77", NET),
        ("2001:db8::1:2:3:4", "2001:db8::/48"),
        ("fe80::1%eth0", "fe80::/48"),
    ],
)
def test_clients_count_by_networks(address: str, network: str) -> None:
    assert grey_network(address) == network


def test_what_was_noted_is_found_by_every_process(directory: Directory, elsewhere: Directory) -> None:
    assert directory.grey.find(NET, "x@out.test") is None
    note(directory, [entry(), entry("client.test", let_in=True)])
    assert elsewhere.grey.find(NET, "x@out.test") == entry()
    assert elsewhere.grey.find(NET, "client.test") == entry("client.test", let_in=True)
    assert elsewhere.grey.find("198.51.100.0/24", "x@out.test") is None


def test_workers_that_note_the_same_agree_on_the_first_time_and_on_what_was_let_in(directory: Directory) -> None:
    note(directory, [entry(since=NOW)])
    note(directory, [entry(since=NOW - HOUR, seen=NOW + HOUR, let_in=True)])
    note(directory, [entry(since=NOW + HOUR)])
    assert directory.grey.find(NET, "x@out.test") == entry(since=NOW - HOUR, seen=NOW + HOUR, let_in=True)


def test_who_did_not_come_again_and_who_came_no_more_is_forgotten(directory: Directory) -> None:
    note(directory, [entry(), entry("client.test", let_in=True)])
    note(directory, [], NOW + DAY)
    assert len(directory.grey.list(10)) == 2
    note(directory, [], NOW + DAY + HOUR)
    assert directory.grey.list(10) == (entry("client.test", let_in=True),)
    note(directory, [], NOW + 31 * DAY)
    assert directory.grey.list(10) == ()


def test_a_forgotten_sender_begins_anew(directory: Directory) -> None:
    note(directory, [entry(let_in=True)])
    later = NOW + 31 * DAY
    note(directory, [entry(since=later)], later)
    assert directory.grey.find(NET, "x@out.test") == entry(since=later)


def test_the_oldest_of_too_many_is_forgotten_but_those_who_wait_push_out_nobody_who_was_let_in(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(module), "MOST_ENTRIES", 3)
    note(directory, [entry("in@out.test", NOW - 5 * HOUR, let_in=True)])
    note(directory, [entry(f"{number}@out.test", NOW + timedelta(seconds=number)) for number in range(5)])
    assert [each.sender.partition("@")[0] for each in directory.grey.list(10)] == ["4", "3", "2", "in"]


def test_no_network_has_more_than_its_share(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(module), "MOST_OF_NETWORK", 2)
    monkeypatch.setitem(vars(module), "ENTRIES_AT_ONCE", 3)
    honest = GreyEntry("198.51.100.0/24", "x@out.test", NOW - HOUR, NOW - HOUR)
    note(directory, [honest, entry("in@out.test", NOW - 5 * HOUR, let_in=True)])
    note(directory, [entry(f"{number}@out.test", NOW + timedelta(seconds=number)) for number in range(7)])
    assert [each.sender.partition("@")[0] for each in directory.grey.list(10)] == ["6", "5", "x", "in"]


def test_of_those_let_in_no_more_are_kept_either(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(module), "MOST_ENTRIES", 2)
    late = [entry(f"{number}@out.test", NOW + timedelta(seconds=number), let_in=True) for number in range(4)]
    note(directory, late)
    assert directory.grey.list(10) == (late[3], late[2])


def test_what_a_wrong_clock_has_noted_is_forgotten(directory: Directory) -> None:
    note(directory, [entry(since=NOW + 2 * DAY), entry("y@out.test", NOW + 31 * DAY, let_in=True)])
    note(directory, [entry("z@out.test")])
    assert directory.grey.list(10) == (entry("z@out.test"),)


def test_the_list_has_the_youngest(directory: Directory) -> None:
    note(directory, [entry("a@out.test"), entry("b@out.test", NOW + HOUR)])
    assert [each.sender for each in directory.grey.list(1)] == ["b@out.test"]


def test_a_network_or_all_can_be_forgotten(directory: Directory) -> None:
    other = GreyEntry("2001:db8::/48", "x@out.test", NOW, NOW)
    note(directory, [entry(), entry("y@out.test"), other])
    assert directory.grey.clear("192.0.2.99") == 2
    assert directory.grey.list(10) == (other,)
    with pytest.raises(NotFound, match=r"192\.0\.2\.0/24"):
        directory.grey.clear(NET)
    assert directory.grey.clear() == 1
    assert directory.grey.clear() == 0


@pytest.mark.parametrize("text", ["", "x@out.test", "192.0.0.0/16", "2001:db8::/32"])
def test_what_is_no_such_network_is_told(directory: Directory, text: str) -> None:
    with pytest.raises(InvalidValue, match="is no address"):
        directory.grey.clear(text)
