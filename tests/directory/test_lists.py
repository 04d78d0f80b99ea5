# SPDX-License-Identifier: Apache-2.0
"""Mailing lists: made and removed, their members, how an address resolves to one, and who gets the mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import (
    AlreadyExists,
    Elsewhere,
    InvalidValue,
    ListSettings,
    ListTooLarge,
    Local,
    MailingList,
    NotFound,
    Unknown,
)
from genkan.directory.lists import MAX_MEMBERS
from genkan.smtp.address import Mailbox, parse_mailbox

if TYPE_CHECKING:
    from genkan.directory import Directory

ANN = Mailbox("ann", "in.test")
STAFF = Mailbox("staff", "in.test")


def fill(directory: Directory, address: str, *members: str, settings: ListSettings | None = None) -> MailingList:
    """A new list with these members."""
    made = directory.lists.add(parse_mailbox(address), settings or ListSettings())
    for member in members:
        directory.lists.add_member(made.address, parse_mailbox(member))
    return made


def listed(directory: Directory, mailing_list: MailingList) -> list[str]:
    return [str(member.address) for member in directory.lists.members(mailing_list)]


def expanded(directory: Directory, mailing_list: MailingList) -> list[str]:
    return [str(mailbox) for mailbox in directory.lists.expand(mailing_list)]


def test_an_address_resolves_to_its_list_in_any_writing(directory: Directory) -> None:
    made = directory.lists.add(Mailbox("Staff", "IN.test"), ListSettings("authenticated"))
    assert made == MailingList(made.id, Mailbox("Staff", "in.test"), ListSettings("authenticated"))
    for local_part in ("staff", "STAFF", "staff+x"):
        assert directory.resolve(Mailbox(local_part, "in.test")) == made
    assert directory.lists.show(STAFF) == made


def test_an_alias_and_a_pattern_may_lead_to_a_list(directory: Directory) -> None:
    made = fill(directory, "staff@in.test")
    directory.aliases.add(Mailbox("all", "in.test"), STAFF)
    directory.aliases.add(Mailbox("st*", "in.test"), Mailbox("all", "in.test"))
    assert directory.resolve(Mailbox("all", "in.test")) == made
    assert directory.resolve(Mailbox("stuff", "in.test")) == made


def test_a_list_is_no_sender_and_no_login(directory: Directory) -> None:
    fill(directory, "staff@in.test", "ann@in.test")
    assert directory.sender_account(STAFF) is None
    assert directory.account_for_login("staff") is None


def test_a_resolved_list_is_cached(directory: Directory) -> None:
    fill(directory, "staff@in.test", "ann@in.test")
    found = directory.resolve(STAFF)
    assert isinstance(found, MailingList)
    assert directory.resolve(STAFF) is found
    assert directory.lists.reach(found) is directory.lists.reach(found)


def test_lists_are_listed_by_domain(directory: Directory) -> None:
    directory.domains.add("a.test")
    staff, other = fill(directory, "staff@in.test"), fill(directory, "x@a.test")
    assert directory.lists.list() == (other, staff)
    assert directory.lists.list("IN.test") == (staff,)


def test_members_may_be_anybody_and_are_named_once(directory: Directory) -> None:
    made = fill(directory, "staff@in.test", "carol@Out.test", "Ann@in.test", "nobody@in.test")
    assert listed(directory, made) == ["Ann@in.test", "nobody@in.test", "carol@Out.test"]
    with pytest.raises(AlreadyExists, match=r"CAROL@out\.test is on staff@in\.test already; see: genkan list show"):
        directory.lists.add_member(STAFF, Mailbox("CAROL", "out.test"))


def test_a_member_is_taken_off_in_any_writing(directory: Directory) -> None:
    made = fill(directory, "staff@in.test", "ann@in.test", "carol@out.test")
    directory.lists.remove_member(STAFF, Mailbox("ANN", "IN.test"))
    assert listed(directory, made) == ["carol@out.test"]
    with pytest.raises(NotFound, match=r"ann@in\.test is not on staff@in\.test; see: genkan list show staff@in\.test"):
        directory.lists.remove_member(STAFF, ANN)


def test_a_list_expands_to_mailboxes_no_two_alike(directory: Directory) -> None:
    directory.aliases.add(Mailbox("boss", "in.test"), ANN)
    directory.aliases.add(Mailbox("away", "in.test"), Mailbox("carol", "out.test"))
    members = ("ann@in.test", "boss@in.test", "ann+x@in.test", "away@in.test", "Carol@OUT.test", "dan@out.test")
    made = fill(directory, "staff@in.test", *members, "nobody@in.test")
    assert expanded(directory, made) == ["ann@in.test", "carol@out.test", "dan@out.test"]


def test_lists_in_lists_are_expanded_and_a_loop_does_no_harm(directory: Directory) -> None:
    outer = fill(directory, "outer@in.test", "x@out.test")
    inner = fill(directory, "inner@in.test", "outer@in.test", "y@out.test")
    directory.aliases.add(Mailbox("way", "in.test"), inner.address)
    directory.lists.add_member(outer.address, Mailbox("way", "in.test"))
    assert sorted(expanded(directory, outer)) == ["x@out.test", "y@out.test"]
    assert sorted(expanded(directory, inner)) == ["x@out.test", "y@out.test"]


def test_a_list_is_not_its_own_member(directory: Directory) -> None:
    with pytest.raises(InvalidValue, match="is the list itself"):
        fill(directory, "staff@in.test", "STAFF@in.test")


def many(directory: Directory, mailing_list: MailingList, count: int) -> None:
    rows = ((mailing_list.id, "out.test", f"m{number}", f"m{number}", "out.test") for number in range(count))
    with directory._store.change():
        directory._store._connection.executemany(
            "INSERT INTO mailing_list_member (list, domain_key, local_key, local_part, domain) VALUES (?, ?, ?, ?, ?)",
            rows,
        )


def test_a_list_has_at_most_ten_thousand_members(directory: Directory) -> None:
    made = fill(directory, "staff@in.test")
    many(directory, made, MAX_MEMBERS)
    assert len(directory.lists.expand(made)) == MAX_MEMBERS
    with pytest.raises(ListTooLarge, match="has 10000 members; put the rest on another"):
        directory.lists.add_member(STAFF, ANN)
    assert len(directory.lists.members(made)) == MAX_MEMBERS


def test_lists_in_lists_lead_to_at_most_ten_thousand_mailboxes(directory: Directory) -> None:
    outer, inner = fill(directory, "outer@in.test", "ann@in.test"), fill(directory, "inner@in.test")
    directory.lists.add_member(outer.address, inner.address)
    many(directory, inner, MAX_MEMBERS)
    with pytest.raises(ListTooLarge, match=r"outer@in\.test leads to more than 10000 mailboxes; take members off"):
        directory.lists.expand(outer)
    around = fill(directory, "around@in.test", "ann@in.test")
    with pytest.raises(ListTooLarge):
        directory.lists.add_member(around.address, inner.address)
    assert listed(directory, around) == ["ann@in.test"]


def test_an_address_belongs_to_one_account_alias_or_list(directory: Directory) -> None:
    fill(directory, "staff@in.test")
    directory.aliases.add(Mailbox("boss", "in.test"), ANN)
    with pytest.raises(AlreadyExists, match=r"staff@in\.test is already there; see: genkan list show"):
        directory.lists.add(STAFF)
    with pytest.raises(AlreadyExists, match=r"ann@in\.test is an account"):
        directory.lists.add(ANN)
    with pytest.raises(AlreadyExists, match=r"boss@in\.test is an alias; remove it first"):
        directory.lists.add(Mailbox("boss", "in.test"))
    with pytest.raises(AlreadyExists, match=r"staff@in\.test is a mailing list; remove it first: genkan list remove"):
        directory.accounts.add(STAFF)
    with pytest.raises(AlreadyExists, match=r"staff@in\.test is a mailing list; choose another"):
        directory.aliases.add(STAFF, ANN)


def test_a_list_needs_a_local_domain_and_a_plain_address(directory: Directory) -> None:
    with pytest.raises(NotFound, match=r"genkan domain add out\.test"):
        directory.lists.add(Mailbox("staff", "out.test"))
    with pytest.raises(InvalidValue, match="without an asterisk"):
        directory.lists.add(Mailbox("staff*", "in.test"))
    with pytest.raises(InvalidValue, match="cannot be the mailing list"):
        directory.lists.add(Mailbox("staff", ""))
    fill(directory, "staff@in.test")
    with pytest.raises(InvalidValue, match="cannot be a member: name one address, without an asterisk"):
        directory.lists.add_member(STAFF, Mailbox("*", "in.test"))


def test_removing_a_list_removes_its_members_and_frees_its_address(directory: Directory) -> None:
    made = fill(directory, "staff@in.test", "ann@in.test")
    directory.lists.remove(STAFF)
    assert directory.resolve(STAFF) == Unknown()
    assert directory.lists.members(made) == ()
    with pytest.raises(NotFound, match="genkan list list"):
        directory.lists.remove(STAFF)
    again = fill(directory, "staff@in.test")
    assert again.id != made.id


def test_another_process_sees_lists_and_members(directory: Directory, elsewhere: Directory) -> None:
    made = fill(directory, "staff@in.test", "ann@in.test")
    elsewhere.refresh()
    assert elsewhere.resolve(STAFF) == made
    assert expanded(elsewhere, made) == ["ann@in.test"]
    directory.lists.add_member(STAFF, Mailbox("x", "out.test"))
    elsewhere.refresh()
    assert expanded(elsewhere, made) == ["ann@in.test", "x@out.test"]
    directory.lists.remove(STAFF)
    elsewhere.refresh()
    assert elsewhere.resolve(STAFF) == Unknown()


def test_other_answers_are_as_before(directory: Directory) -> None:
    fill(directory, "staff@in.test")
    directory.aliases.add(Mailbox("away", "in.test"), Mailbox("carol", "out.test"))
    assert directory.resolve(ANN) == Local(directory.accounts.show(ANN))
    assert directory.resolve(Mailbox("away", "in.test")) == Elsewhere(Mailbox("carol", "out.test"))
    assert directory.resolve(Mailbox("nobody", "in.test")) == Unknown()
