# SPDX-License-Identifier: Apache-2.0
"""Local domains: how they are written, which is the default, when one may go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import AlreadyExists, InvalidValue, NotFound
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from genkan.directory import Directory


def test_domains_are_listed_in_the_order_they_were_added(directory: Directory) -> None:
    added = [directory.domains.add(name) for name in ("Zoo.test", "a.test", "日本.test")]
    assert added == ["zoo.test", "a.test", "xn--wgv71a.test"]
    assert directory.domains.list() == ("in.test", *added)
    assert directory.domains.default() == "in.test"


@pytest.mark.parametrize("name", ["IN.test", "in.test"])
def test_a_domain_is_added_once(directory: Directory, name: str) -> None:
    with pytest.raises(AlreadyExists, match=r"domain in\.test is already there"):
        directory.domains.add(name)


@pytest.mark.parametrize(
    "name", ["", "in..test", "in.test.", "in test", "-in.test", "[192.0.2.1]", "a@in.test", "x" * 300]
)
def test_what_is_no_domain_is_refused(directory: Directory, name: str) -> None:
    with pytest.raises(InvalidValue, match=r"in\.test"):
        directory.domains.add(name)


@pytest.mark.parametrize(
    ("domain", "expected"), [("in.test", True), ("IN.TEST", True), ("out.test", False), ("", False)]
)
def test_a_domain_is_local_in_any_writing(directory: Directory, domain: str, *, expected: bool) -> None:
    assert directory.is_local_domain(domain) is expected


def test_a_domain_with_an_account_cannot_be_removed(directory: Directory) -> None:
    with pytest.raises(
        InvalidValue, match="1 accounts, 0 aliases and 0 lists; remove them first: genkan account remove"
    ):
        directory.domains.remove("in.test")
    assert directory.is_local_domain("in.test")


def test_a_domain_with_an_alias_cannot_be_removed(directory: Directory) -> None:
    directory.accounts.remove(Mailbox("ann", "in.test"))
    directory.aliases.add(Mailbox("*", "in.test"), Mailbox("a", "out.test"))
    with pytest.raises(InvalidValue, match="0 accounts, 1 aliases and 0 lists"):
        directory.domains.remove("in.test")


def test_a_domain_with_a_mailing_list_cannot_be_removed(directory: Directory) -> None:
    directory.accounts.remove(Mailbox("ann", "in.test"))
    directory.lists.add(Mailbox("staff", "in.test"))
    with pytest.raises(InvalidValue, match="0 accounts, 0 aliases and 1 lists; .* genkan list remove LIST"):
        directory.domains.remove("in.test")


def test_an_empty_domain_can_be_removed(directory: Directory) -> None:
    directory.domains.add("second.test")
    directory.domains.remove("SECOND.test")
    assert directory.domains.list() == ("in.test",)
    assert not directory.is_local_domain("second.test")


def test_removing_a_domain_that_is_not_there_says_so(directory: Directory) -> None:
    with pytest.raises(NotFound, match=r"out\.test is not a local one; add it with: genkan domain add out\.test"):
        directory.domains.remove("out.test")
