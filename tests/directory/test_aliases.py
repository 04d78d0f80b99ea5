# SPDX-License-Identifier: Apache-2.0
"""Aliases: added, listed and removed, and every reason to refuse one. How they resolve is in test_directory.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import Alias, AlreadyExists, InvalidValue, NotFound, Unknown
from genkan.smtp.address import Mailbox, parse_mailbox

if TYPE_CHECKING:
    from genkan.directory import Directory

ANN = Mailbox("ann", "in.test")


def add(directory: Directory, address: str, target: str) -> Alias:
    return directory.aliases.add(parse_mailbox(address), parse_mailbox(target))


def test_aliases_are_listed_with_patterns_last(directory: Directory) -> None:
    directory.domains.add("a.test")
    catch_all = add(directory, "*@in.test", "ann@in.test")
    prefix = add(directory, "Shop*@in.test", "x@out.test")
    sales = add(directory, "Sales@IN.test", "ann@in.test")
    info = add(directory, "info@a.test", "ann@in.test")
    assert sales == Alias(Mailbox("Sales", "in.test"), ANN)
    assert prefix.address == Mailbox("Shop*", "in.test")
    assert directory.aliases.list() == (info, sales, catch_all, prefix)
    assert directory.aliases.list("A.test") == (info,)


@pytest.mark.parametrize("address", ["sales@in.test", "SALES@In.Test"])
def test_an_alias_has_one_target(directory: Directory, address: str) -> None:
    add(directory, "sales@in.test", "ann@in.test")
    with pytest.raises(AlreadyExists, match="remove it first: genkan alias remove"):
        add(directory, address, "x@out.test")


def test_a_pattern_has_one_target_too(directory: Directory) -> None:
    add(directory, "s*@in.test", "ann@in.test")
    with pytest.raises(AlreadyExists, match=r"S\*@in\.test is already there"):
        add(directory, "S*@in.test", "x@out.test")


def test_the_address_of_an_account_is_taken(directory: Directory) -> None:
    with pytest.raises(AlreadyExists, match=r"Ann@in\.test is an account"):
        add(directory, "Ann@in.test", "x@out.test")


def test_a_pattern_and_an_address_of_the_same_letters_do_not_collide(directory: Directory) -> None:
    add(directory, "ann*@in.test", "x@out.test")
    add(directory, "sales*@in.test", "x@out.test")
    add(directory, "sales@in.test", "ann@in.test")
    assert len(directory.aliases.list()) == 3


def test_an_alias_needs_a_local_domain(directory: Directory) -> None:
    with pytest.raises(NotFound, match=r"genkan domain add out\.test"):
        add(directory, "sales@out.test", "ann@in.test")


@pytest.mark.parametrize("address", [Mailbox("a*b", "in.test"), Mailbox("**", "in.test"), Mailbox("*a", "in.test")])
def test_an_asterisk_may_only_end_the_local_part(directory: Directory, address: Mailbox) -> None:
    with pytest.raises(InvalidValue, match="an asterisk may only end"):
        directory.aliases.add(address, ANN)


@pytest.mark.parametrize(
    "address", [Mailbox("sales", ""), Mailbox("a\nb", "in.test"), Mailbox("", ""), Mailbox("x", "a..b")]
)
def test_both_ends_are_whole_addresses(directory: Directory, address: Mailbox) -> None:
    with pytest.raises(InvalidValue, match="cannot be the alias"):
        directory.aliases.add(address, ANN)
    with pytest.raises(InvalidValue, match="cannot be the target"):
        directory.aliases.add(Mailbox("sales", "in.test"), address)


def test_a_target_is_one_address(directory: Directory) -> None:
    with pytest.raises(InvalidValue, match="without an asterisk"):
        add(directory, "*@in.test", "*@out.test")


@pytest.mark.parametrize(
    "aliases",
    [
        [("a", "a")],
        [("a", "A")],
        [("a", "a+x")],
        [("a", "b"), ("b", "a")],
        [("a", "b"), ("b", "c"), ("c", "a")],
        [("*", "nobody")],
        [("s*", "sales")],
        [("a", "b"), ("*", "a")],
    ],
)
def test_a_loop_is_refused_and_leaves_nothing_behind(directory: Directory, aliases: list[tuple[str, str]]) -> None:
    for alias, target in aliases[:-1]:
        add(directory, f"{alias}@in.test", f"{target}@in.test")
    before = directory.aliases.list()
    alias, target = aliases[-1]
    with pytest.raises(InvalidValue, match="lead back to themselves .* choose an account"):
        add(directory, f"{alias}@in.test", f"{target}@in.test")
    assert directory.aliases.list() == before
    assert directory.resolve(Mailbox(alias.replace("*", "x"), "in.test")) == Unknown()


def test_more_than_ten_aliases_in_a_row_are_refused(directory: Directory) -> None:
    add(directory, "step11@in.test", "ann@in.test")
    for number in range(10, 1, -1):
        add(directory, f"step{number}@in.test", f"step{number + 1}@in.test")
    with pytest.raises(InvalidValue, match="more than 10"):
        add(directory, "step1@in.test", "step2@in.test")


def test_an_alias_is_removed_in_any_writing(directory: Directory) -> None:
    add(directory, "sales@in.test", "ann@in.test")
    add(directory, "s*@in.test", "ann@in.test")
    directory.aliases.remove(Mailbox("SALES", "In.Test"))
    directory.aliases.remove(Mailbox("S*", "in.test"), Mailbox("ann", "IN.test"))
    assert directory.aliases.list() == ()


def test_an_alias_with_another_target_is_not_removed(directory: Directory) -> None:
    kept = add(directory, "sales@in.test", "ann@in.test")
    with pytest.raises(NotFound, match=r"leads to ann@in\.test, not to bob@in\.test"):
        directory.aliases.remove(Mailbox("sales", "in.test"), Mailbox("bob", "in.test"))
    assert directory.aliases.list() == (kept,)


def test_removing_an_alias_that_is_not_there_says_so(directory: Directory) -> None:
    with pytest.raises(NotFound, match="genkan alias list"):
        directory.aliases.remove(Mailbox("sales", "in.test"))
