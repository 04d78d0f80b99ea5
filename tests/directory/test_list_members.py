# SPDX-License-Identifier: Apache-2.0
"""Members whose mail bounces, who may write to a list, its owners, its settings, and what people ask of it by mail."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from genkan.directory import AlreadyExists, InvalidValue, ListSettings, MailingList, Member, NotFound
from genkan.directory.list_requests import APART, MOST_OPEN, VALID
from genkan.directory.lists import MAX_OWNERS
from genkan.smtp.address import Mailbox, parse_mailbox

if TYPE_CHECKING:
    from genkan.directory import Directory

DEV = Mailbox("dev", "in.test")
ANN = Mailbox("ann", "in.test")
CAROL = Mailbox("carol", "out.test")
MONDAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def dev(directory: Directory) -> MailingList:
    """A list with ann and carol."""
    made = directory.lists.add(DEV)
    for member in (ANN, CAROL):
        directory.lists.add_member(DEV, member)
    return made


def carol(directory: Directory, dev: MailingList) -> Member:
    found = directory.lists.roll.find(dev, CAROL)
    assert found is not None
    return found


def bounce(directory: Directory, dev: MailingList, *days: int, limit: int = 3) -> list[bool]:
    member = carol(directory, dev)
    return [directory.lists.roll.bounced(member, MONDAY + day * DAY, limit) for day in days]


def test_bounces_are_counted_once_a_day_until_the_member_is_suspended(directory: Directory, dev: MailingList) -> None:
    assert bounce(directory, dev, 0, 0, 1, 0, 1) == [False] * 5
    assert carol(directory, dev).bounces == 2
    assert directory.lists.expand(dev) == (ANN, CAROL)
    assert bounce(directory, dev, 2, 3) == [True, False]
    found = carol(directory, dev)
    assert (found.bounces, found.last_bounce, found.suspended) == (3, (MONDAY + 2 * DAY).toordinal(), True)
    assert directory.lists.expand(dev) == (ANN,)


def test_two_weeks_without_a_bounce_forgive_those_before(directory: Directory, dev: MailingList) -> None:
    assert bounce(directory, dev, 0, 1, 15) == [False, False, True]
    directory.lists.roll.resume(carol(directory, dev))
    assert bounce(directory, dev, 20, 21, 36) == [False, False, False]
    assert carol(directory, dev).bounces == 1


def test_a_resumed_member_gets_mail_again(directory: Directory, elsewhere: Directory, dev: MailingList) -> None:
    assert bounce(directory, dev, 0, limit=1) == [True]
    elsewhere.refresh()
    assert elsewhere.lists.expand(dev) == (ANN,)
    directory.lists.roll.resume(carol(directory, dev))
    assert (carol(directory, dev).bounces, carol(directory, dev).last_bounce) == (0, None)
    elsewhere.refresh()
    assert elsewhere.lists.expand(dev) == (ANN, CAROL)


@pytest.mark.usefixtures("dev")
def test_a_suspended_list_in_a_list_brings_no_mail(directory: Directory) -> None:
    outer = directory.lists.add(Mailbox("outer", "in.test"))
    directory.lists.add_member(outer.address, DEV)
    (member,) = directory.lists.members(outer)
    assert directory.lists.expand(outer) == (ANN, CAROL)
    assert directory.lists.roll.bounced(member, MONDAY, 1)
    assert directory.lists.expand(outer) == ()


def test_the_bounce_of_somebody_who_has_left_counts_nothing(directory: Directory, dev: MailingList) -> None:
    member = carol(directory, dev)
    directory.lists.remove_member(DEV, CAROL)
    assert not directory.lists.roll.bounced(member, MONDAY, 1)


def test_those_who_may_write_are_known_by_any_of_their_addresses(directory: Directory, dev: MailingList) -> None:
    lists = directory.lists
    directory.aliases.add(Mailbox("boss", "in.test"), ANN)
    inner = lists.add(Mailbox("inner", "in.test"))
    lists.add_member(inner.address, Mailbox("dan", "out.test"))
    lists.add_member(DEV, inner.address)
    lists.add_owner(DEV, Mailbox("olga", "out.test"))
    for name in ("boss@in.test", "ANN+x@in.test", "Carol@OUT.test", "dan@out.test", "olga@out.test"):
        assert lists.may_write(dev, None, parse_mailbox(name)), name
    assert not lists.may_write(dev, None, Mailbox("x", "out.test"))
    assert not lists.may_write(dev, None)
    assert bounce(directory, dev, 0, limit=1) == [True]
    assert lists.may_write(dev, CAROL)
    assert lists.is_owner(dev, Mailbox("Olga", "out.test"))
    assert not lists.is_owner(dev, ANN)


def test_a_membership_is_found_through_an_alias(directory: Directory, dev: MailingList) -> None:
    directory.aliases.add(Mailbox("boss", "in.test"), ANN)
    found = directory.lists.membership(dev, Mailbox("boss", "in.test"))
    assert found is not None
    assert found.address == ANN
    assert directory.lists.membership(dev, Mailbox("x", "out.test")) is None


def test_a_list_has_owners(directory: Directory, dev: MailingList) -> None:
    lists = directory.lists
    directory.aliases.add(Mailbox("boss", "in.test"), ANN)
    for owner in (ANN, Mailbox("boss", "in.test"), CAROL, Mailbox("gone", "in.test")):
        lists.add_owner(DEV, owner)
    assert lists.owner_mailboxes(dev) == (ANN, CAROL)
    with pytest.raises(AlreadyExists, match=r"ANN@in\.test owns dev@in\.test already"):
        lists.add_owner(DEV, Mailbox("ANN", "in.test"))
    lists.remove_owner(DEV, Mailbox("Carol", "OUT.test"))
    assert lists.owner_mailboxes(dev) == (ANN,)
    with pytest.raises(NotFound, match=r"carol@out\.test does not own dev@in\.test"):
        lists.remove_owner(DEV, CAROL)


def test_no_list_owns_a_list(directory: Directory, dev: MailingList) -> None:
    directory.lists.add_owner(DEV, ANN)
    for owner in (DEV, Mailbox("dev-owner", "in.test")):
        with pytest.raises(InvalidValue, match="is the address of a list; name the owners one by one"):
            directory.lists.add_owner(dev.address, owner)


def test_a_list_has_so_many_owners_at_most(directory: Directory, dev: MailingList) -> None:
    for number in range(MAX_OWNERS):
        directory.lists.add_owner(DEV, Mailbox(f"o{number}", "out.test"))
    with pytest.raises(InvalidValue, match="has 20 owners; remove one first"):
        directory.lists.add_owner(DEV, CAROL)
    assert len(directory.lists.owners(dev)) == MAX_OWNERS


def test_settings_are_changed(directory: Directory, elsewhere: Directory, dev: MailingList) -> None:
    assert elsewhere.lists.by_id(dev.id) == dev
    settings = ListSettings("members", moderated=True, title="Dev", subject_tag="[d]", subscription="confirm")
    changed = directory.lists.set(DEV, settings)
    elsewhere.refresh()
    assert elsewhere.resolve(DEV) == changed == MailingList(dev.id, DEV, settings)
    for title in ("a\nb", " a", "x" * 101):
        with pytest.raises(InvalidValue, match="cannot be the title"):
            directory.lists.set(DEV, settings._replace(title=title))


# Requests.


def test_a_request_is_kept_until_it_is_closed(directory: Directory, dev: MailingList) -> None:
    requests = directory.lists.requests
    made = requests.open(dev, "subscribe", CAROL, NOON)
    assert made is not None
    assert requests.by_id(made.id) == made
    requests.close(made)
    assert requests.by_id(made.id) is None


def test_an_address_is_asked_once_a_day(directory: Directory, dev: MailingList) -> None:
    requests = directory.lists.requests
    first = requests.open(dev, "subscribe", CAROL, NOON)
    assert requests.open(dev, "subscribe", Mailbox("CAROL", "out.test"), NOON + APART / 2) is None
    assert requests.open(dev, "unsubscribe", CAROL, NOON) is not None
    again = requests.open(dev, "subscribe", CAROL, NOON + APART)
    assert first is not None
    assert again is not None
    assert again.id == first.id


def test_old_requests_go_and_a_flood_ends(directory: Directory, dev: MailingList) -> None:
    requests = directory.lists.requests
    old = requests.open(dev, "subscribe", CAROL, NOON)
    rows = ((dev.id, f"x{number}") for number in range(MOST_OPEN))
    with directory._store.change():
        directory._store._connection.executemany(
            "INSERT INTO mailing_list_request (list, purpose, domain_key, local_key, local_part, domain, requested)"
            f" VALUES (?1, 'subscribe', 'out.test', ?2, ?2, 'out.test', {10**18})",
            rows,
        )
    assert requests.open(dev, "subscribe", Mailbox("y", "out.test"), NOON) is None
    assert requests.open(dev, "subscribe", Mailbox("y", "out.test"), NOON + VALID) is None
    assert old is not None
    assert requests.by_id(old.id) is None
