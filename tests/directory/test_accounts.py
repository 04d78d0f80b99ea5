# SPDX-License-Identifier: Apache-2.0
"""Accounts: added, shown, changed and removed, and every reason to refuse one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import AlreadyExists, InvalidValue, NotFound, PasswordWrong
from genkan.directory.passwords import hash_password, verify_password
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from genkan.directory import Account, Directory

ANN = Mailbox("ann", "in.test")
BOB = Mailbox("Bob", "IN.test")
PASSWORD = "bob's secret 1"


def knows(account: Account, password: str) -> bool:
    try:
        verify_password(account, password)
    except PasswordWrong:
        return False
    return True


def test_an_account_keeps_what_it_was_given(directory: Directory) -> None:
    account = directory.accounts.add(BOB, "山田　太郎", PASSWORD, 100_000_000)
    assert (account.address, account.name, account.quota) == (Mailbox("Bob", "in.test"), "山田　太郎", 100_000_000)
    assert account.can_authenticate
    assert account.scram is not None
    assert account.cram_secret is None
    assert knows(account, PASSWORD)
    assert directory.accounts.show(Mailbox("bob", "in.test")) == account


def test_an_account_without_a_password_cannot_authenticate(directory: Directory) -> None:
    account = directory.accounts.add(BOB, "Bob Example")
    assert not account.can_authenticate
    assert (account.password_hash, account.scram, account.cram_secret, account.quota) == (None, None, None, None)


def test_a_readable_password_is_kept_only_when_asked_for(directory: Directory) -> None:
    account = directory.accounts.add(BOB, "Bob", PASSWORD, reversible=True)
    assert account.cram_secret == PASSWORD
    assert directory.accounts.passwd(BOB, "another secret 2").cram_secret is None


def test_no_secret_shows_in_the_representation(directory: Directory) -> None:
    account = directory.accounts.add(BOB, "Bob", PASSWORD, reversible=True)
    assert "secret" not in repr(account)
    assert "argon2" not in repr(account)
    assert "key" not in repr(account.scram)


def test_accounts_are_listed_by_address(directory: Directory) -> None:
    directory.domains.add("a.test")
    kai = directory.accounts.add(Mailbox("kai", "a.test"))
    bob = directory.accounts.add(BOB)
    ann = directory.accounts.show(ANN)
    assert directory.accounts.list() == (kai, ann, bob)
    assert directory.accounts.list("IN.test") == (ann, bob)
    assert directory.accounts.list("out.test") == ()


@pytest.mark.parametrize("local_part", ["ann", "ANN", "Ann"])
def test_an_address_is_given_once(directory: Directory, local_part: str) -> None:
    with pytest.raises(AlreadyExists, match=r"account ann@in\.test is already there"):
        directory.accounts.add(Mailbox(local_part, "IN.test"))


def test_the_address_of_an_alias_is_taken(directory: Directory) -> None:
    directory.aliases.add(BOB, ANN)
    with pytest.raises(AlreadyExists, match=r"is an alias; remove it first: genkan alias remove bob@in\.test"):
        directory.accounts.add(BOB)


def test_a_pattern_alias_does_not_take_the_address(directory: Directory) -> None:
    directory.aliases.add(Mailbox("b*", "in.test"), ANN)
    assert directory.accounts.add(BOB).address == Mailbox("Bob", "in.test")


def test_a_domain_that_is_not_local_has_no_accounts(directory: Directory) -> None:
    with pytest.raises(NotFound, match=r"genkan domain add out\.test"):
        directory.accounts.add(Mailbox("bob", "out.test"))


@pytest.mark.parametrize(
    "local_part", ["", ".bob", "a/b", "../x", "b*", "a\0b", "a\nb", "a\x7fb", "x" * 65, "a\u0085b"]
)
def test_a_local_part_that_cannot_name_a_folder_is_refused(directory: Directory, local_part: str) -> None:
    with pytest.raises(InvalidValue, match="cannot be an account"):
        directory.accounts.add(Mailbox(local_part, "in.test"))


@pytest.mark.parametrize("domain", ["", "in..test", "[192.0.2"])
def test_an_account_needs_a_domain(directory: Directory, domain: str) -> None:
    with pytest.raises(InvalidValue, match=r"write it as in ann@in\.test"):
        directory.accounts.add(Mailbox("bob", domain))


@pytest.mark.parametrize("name", ["a\nb", "a\0", "x" * 201, "a\u2028b", "\ud800"])
def test_a_full_name_is_one_line_of_text(directory: Directory, name: str) -> None:
    with pytest.raises(InvalidValue, match="full name"):
        directory.accounts.add(BOB, name)
    with pytest.raises(InvalidValue, match="full name"):
        directory.accounts.set(ANN, name=name)


@pytest.mark.parametrize("quota", [0, -1, 2**63])
def test_a_quota_is_a_positive_number(directory: Directory, quota: int) -> None:
    with pytest.raises(InvalidValue, match="quota"):
        directory.accounts.add(BOB, quota=quota)
    with pytest.raises(InvalidValue, match="quota"):
        directory.accounts.set(ANN, quota=quota)


def test_setting_one_value_leaves_the_others(directory: Directory) -> None:
    directory.accounts.add(BOB, "Bob", PASSWORD, 500)
    named = directory.accounts.set(BOB, name="Robert")
    assert (named.name, named.quota, knows(named, PASSWORD)) == ("Robert", 500, True)
    unlimited = directory.accounts.set(BOB, quota=None)
    assert (unlimited.name, unlimited.quota) == ("Robert", None)


def test_a_new_password_replaces_all_credentials(directory: Directory) -> None:
    before = directory.accounts.add(BOB, "Bob", PASSWORD)
    after = directory.accounts.passwd(BOB, "another secret 2")
    assert (knows(after, PASSWORD), knows(after, "another secret 2")) == (False, True)
    assert before.scram != after.scram
    without = directory.accounts.passwd(BOB, None)
    assert (without.can_authenticate, without.scram) == (False, None)


@pytest.mark.parametrize(
    "password", ["", "7 octet", "x" * 1025, "with\nline end", "with\0null in", "\u00ad" * 9, "\ud800" * 8]
)
def test_a_password_out_of_bounds_is_refused(directory: Directory, password: str) -> None:
    with pytest.raises(InvalidValue, match="password"):
        directory.accounts.add(BOB, "Bob", password)
    with pytest.raises(InvalidValue, match="password"):
        directory.accounts.passwd(ANN, password)
    assert directory.accounts.list() == (directory.accounts.show(ANN),)


def test_a_rehash_is_kept_unless_the_password_was_changed_meanwhile(directory: Directory) -> None:
    account = directory.accounts.add(BOB, "Bob", PASSWORD)
    newer = hash_password(PASSWORD)
    directory.accounts.store_rehash(account, newer)
    assert directory.accounts.show(BOB).password_hash == newer
    directory.accounts.store_rehash(account, "too late")
    assert directory.accounts.show(BOB).password_hash == newer


def test_the_number_of_a_removed_account_is_not_used_again(directory: Directory) -> None:
    first = directory.accounts.add(BOB)
    directory.accounts.remove(BOB)
    assert directory.accounts.add(BOB).id == first.id + 1


def test_what_is_not_there_cannot_be_shown_changed_or_removed(directory: Directory) -> None:
    with pytest.raises(NotFound, match="genkan account list"):
        directory.accounts.show(BOB)
    with pytest.raises(NotFound, match="genkan account list"):
        directory.accounts.set(BOB, name="Bob")
    with pytest.raises(NotFound, match="genkan account list"):
        directory.accounts.passwd(BOB, PASSWORD)
    with pytest.raises(NotFound, match="genkan account list"):
        directory.accounts.remove(BOB)
