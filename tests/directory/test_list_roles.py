# SPDX-License-Identifier: Apache-2.0
"""The addresses beside a list: which there are, whom they give way to, and which tokens are right."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.directory import ListRole, ListSettings, Local, MailingList, Member, Unknown
from genkan.directory.list_addresses import MAX_NAME, Tokens, parse_role, role_address, token_number
from genkan.smtp.address import MAX_LOCAL_PART, Mailbox, parse_mailbox

if TYPE_CHECKING:
    from genkan.directory import Directory
    from genkan.directory.resolution import Role

DEV = Mailbox("dev", "in.test")
ANN = Mailbox("ann", "in.test")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def dev(directory: Directory) -> MailingList:
    """A list of ann, who owns it."""
    made = directory.lists.add(DEV, ListSettings(subscription="confirm"))
    directory.lists.add_member(DEV, ANN)
    directory.lists.add_owner(DEV, ANN)
    return made


def member_of(directory: Directory, mailing_list: MailingList) -> Member:
    (member,) = directory.lists.members(mailing_list)
    return member


def test_roles_without_a_token(directory: Directory, dev: MailingList) -> None:
    roles: tuple[tuple[str, Role], ...] = (
        ("dev-owner", "owner"),
        ("DEV-Request", "owner"),
        ("dev-subscribe", "subscribe"),
        ("dev-unsubscribe", "unsubscribe"),
    )
    for name, role in roles:
        assert directory.resolve(Mailbox(name, "IN.test")) == ListRole(dev, role)
    for name in ("dev-bounces", "dev-confirm", "dev-owner+x", "dev-x", "-owner", "no-owner", "dev-owner-owner"):
        assert directory.resolve(Mailbox(name, "in.test")) == Unknown()


def test_nobody_answers_for_a_list_without_owners_and_a_closed_one_takes_no_requests(directory: Directory) -> None:
    directory.lists.add(DEV)
    for name in ("dev-owner", "dev-request", "dev-subscribe"):
        assert directory.resolve(Mailbox(name, "in.test")) == Unknown()


@pytest.mark.parametrize("role", ["bounces", "unsubscribe"])
def test_a_token_names_a_member_of_the_list_in_one_role(directory: Directory, dev: MailingList, role: Role) -> None:
    member, roles = member_of(directory, dev), directory.list_roles
    address = roles.address(member, role)
    assert address is not None
    found = directory.resolve(Mailbox(address.local_part.upper(), "in.test"))
    assert found == ListRole(dev, role, roles.token(member, role))
    assert roles.member(found.token, role) == member
    assert roles.member(found.token, "owner") is None


def test_a_wrong_token_is_nobodys(directory: Directory, dev: MailingList) -> None:
    other = directory.lists.add(Mailbox("other", "in.test"))
    token = directory.list_roles.token(member_of(directory, dev), "bounces")
    wrong = ("a" if token[0] != "a" else "b") + token[1:]
    for name in (
        f"dev-bounces+{wrong}",
        f"dev-bounces+{token}0",
        f"dev-bounces+{token[:-1]}",
        f"dev-unsubscribe+{token}",
    ):
        assert directory.resolve(Mailbox(name, "in.test")) == Unknown()
    assert directory.resolve(role_address(other, "bounces", token)) == Unknown()
    directory.lists.remove_member(DEV, ANN)
    directory.lists.add_member(DEV, ANN)
    assert directory.resolve(role_address(dev, "bounces", token)) == Unknown()


def test_a_confirmation_is_known_while_its_request_is_open(directory: Directory, dev: MailingList) -> None:
    request = directory.lists.requests.open(dev, "subscribe", Mailbox("x", "out.test"), NOON)
    assert request is not None
    token = directory.list_roles.request_token(request)
    address = role_address(dev, "confirm", token)
    assert directory.resolve(address) == ListRole(dev, "confirm", token)
    assert directory.list_roles.request(token) == request
    assert directory.list_roles.member(token, "confirm") is None
    directory.lists.requests.close(request)
    assert directory.resolve(address) == Unknown()


def test_whoever_has_the_very_address_comes_first_and_a_pattern_does_not(
    directory: Directory, dev: MailingList
) -> None:
    directory.aliases.add(Mailbox("*", "in.test"), ANN)
    address = directory.list_roles.address(member_of(directory, dev), "bounces")
    assert address is not None
    assert isinstance(directory.resolve(address), ListRole)
    assert isinstance(directory.resolve(Mailbox("dev-owner", "in.test")), ListRole)
    owner = directory.accounts.add(Mailbox("dev-owner", "in.test"), "Somebody")
    assert directory.resolve(Mailbox("dev-owner", "in.test")) == Local(owner)
    bounces = directory.accounts.add(Mailbox("dev-bounces", "in.test"), "Somebody")
    assert directory.resolve(address) == Local(bounces)


@pytest.mark.parametrize("name", ["x" * (MAX_NAME + 1), "ex\u00e4mple", "a b", "a%b"])
def test_a_name_that_does_not_fit_is_replaced_by_the_id(directory: Directory, name: str) -> None:
    made = directory.lists.add(Mailbox(name, "in.test"))
    directory.lists.add_member(made.address, ANN)
    address = directory.list_roles.address(member_of(directory, made), "unsubscribe")
    assert address is not None
    assert address.local_part.startswith(f"list.{made.id}-unsubscribe+")
    assert isinstance(directory.resolve(address), ListRole)
    assert isinstance(directory.resolve(Mailbox(f"{name}-unsubscribe", "in.test")), ListRole)


def test_the_id_of_a_list_in_another_domain_is_unknown(directory: Directory, dev: MailingList) -> None:
    directory.domains.add("a.test")
    assert directory.resolve(Mailbox(f"list.{dev.id}-owner", "a.test")) == Unknown()
    assert directory.resolve(Mailbox(f"list.{dev.id}-owner", "in.test")) == ListRole(dev, "owner")


def test_a_token_within_a_transaction_needs_no_other(directory: Directory, dev: MailingList) -> None:
    member = member_of(directory, dev)
    directory.lists.add_member(DEV, Mailbox(f"dev-bounces+aaaaaaaaaaaa{member.id}", "in.test"))
    assert directory.lists.expand(dev) == (ANN,)


@given(st.integers(0, 2**60), st.integers(1, 36**7 - 1))
def test_an_address_with_a_token_fits_in_a_local_part(list_number: int, number: int) -> None:
    mailing_list = MailingList(list_number, Mailbox("x" * MAX_NAME, "in.test"), ListSettings())
    token = Tokens(bytes(32)).of_member(Member(number, list_number, ANN), "unsubscribe")
    address = role_address(mailing_list, "unsubscribe", token)
    assert token_number(token) == number
    assert len(address.local_part) <= MAX_LOCAL_PART
    assert parse_mailbox(str(address)) == address


@given(st.text(max_size=64))
def test_any_text_may_stand_where_a_role_does(text: str) -> None:
    parse_role(text)
    assert token_number(text) is None or len(text) > 12
