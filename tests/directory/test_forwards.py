# SPDX-License-Identifier: Apache-2.0
"""Forwards: set and taken away, whose mail they are for, what other processes see, and no loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import Forward, InvalidValue, NotFound
from genkan.directory.forwards import MAX_ADDRESSES
from genkan.directory.sender_patterns import MAX_PATTERNS
from genkan.smtp.address import Mailbox, parse_mailbox

if TYPE_CHECKING:
    from genkan.directory import Account, Directory

ANN = Mailbox("ann", "in.test")
CAROL = Mailbox("Carol", "out.test")


def ann(directory: Directory) -> Account:
    return directory.accounts.show(ANN)


def forward(directory: Directory, address: str, *to: str) -> Forward:
    """Forward an account's mail; the account is made if it is not there."""
    mailbox = parse_mailbox(address)
    account = directory.account(mailbox) or directory.accounts.add(mailbox)
    return directory.forwards.set(account, [parse_mailbox(one) for one in to])


def test_an_account_forwards_to_any_addresses_as_they_were_written(directory: Directory) -> None:
    account = ann(directory)
    assert directory.forwards.find(account.id) is None
    made = directory.forwards.set(account, [Mailbox("x", "Z.test"), CAROL], keep=False, senders=["*@Out.test"])
    assert made == Forward((CAROL, Mailbox("x", "Z.test")), keep=False, senders=("*@out.test",))
    assert directory.forwards.find(account.id) == made


def test_what_is_set_takes_the_place_of_what_was(directory: Directory) -> None:
    forward(directory, "ann@in.test", "carol@out.test", "dan@out.test")
    assert forward(directory, "ann@in.test", "DAN@out.test", "dan@OUT.test") == Forward((Mailbox("DAN", "out.test"),))


def test_a_forward_is_cached_until_another_process_changes_it(directory: Directory, elsewhere: Directory) -> None:
    account = ann(directory)
    made = forward(elsewhere, "ann@in.test", "carol@out.test")
    directory.refresh()
    assert directory.forwards.find(account.id) == made
    assert directory.forwards.find(account.id) is directory.forwards.find(account.id)
    elsewhere.forwards.remove(account)
    directory.refresh()
    assert directory.forwards.find(account.id) is None


def test_a_forward_goes_with_its_account(directory: Directory) -> None:
    account = ann(directory)
    forward(directory, "ann@in.test", "carol@out.test")
    directory.accounts.remove(ANN)
    assert directory.forwards.find(account.id) is None


def test_where_there_is_no_forward_none_is_removed(directory: Directory) -> None:
    with pytest.raises(NotFound, match=r"^ann@in\.test forwards nothing; see: genkan account forward ann@in\.test$"):
        directory.forwards.remove(ann(directory))


@pytest.mark.parametrize(
    ("senders", "permitted"),
    [
        ((), [None, CAROL]),
        (("*",), [None, CAROL]),
        (("*@OUT.test",), [CAROL]),
        (("carol@out.test", "x@z.test"), [CAROL]),
        (("*@z.test", "*@sub.out.test"), []),
    ],
)
def test_only_mail_of_permitted_senders_is_forwarded(
    directory: Directory, senders: tuple[str, ...], permitted: list[Mailbox | None]
) -> None:
    made = directory.forwards.set(ann(directory), [Mailbox("x", "z.test")], senders=senders)
    assert [path for path in (None, CAROL) if made.permits(path)] == permitted


@pytest.mark.parametrize("address", ["ann@in.test", "ANN+x@in.test", "boss@in.test", "staff@in.test"])
def test_nobody_forwards_to_himself_under_whatever_name(directory: Directory, address: str) -> None:
    directory.aliases.add(Mailbox("boss", "in.test"), ANN)
    directory.lists.add(Mailbox("staff", "in.test"))
    directory.lists.add_member(Mailbox("staff", "in.test"), ANN)
    with pytest.raises(InvalidValue, match=r"leads back to ann@in\.test; name an address whose mail goes elsewhere"):
        forward(directory, "ann@in.test", "carol@out.test", address)
    assert directory.forwards.find(ann(directory).id) is None


def test_accounts_do_not_forward_in_a_circle(directory: Directory) -> None:
    forward(directory, "ann@in.test", "bob@in.test", "carol@out.test")
    forward(directory, "bob@in.test", "kai@in.test")
    forward(directory, "kai@in.test", "nobody@in.test")
    with pytest.raises(InvalidValue, match=r"^bob@in\.test leads back to kai@in\.test; name"):
        forward(directory, "kai@in.test", "bob@in.test")
    assert forward(directory, "kai@in.test", "carol@out.test") == Forward((Mailbox("carol", "out.test"),))


def test_a_circle_that_does_not_go_through_the_account_ends_the_search(directory: Directory) -> None:
    directory.lists.add(Mailbox("staff", "in.test"))
    forward(directory, "bob@in.test", "staff@in.test")
    directory.lists.add_member(Mailbox("staff", "in.test"), Mailbox("bob", "in.test"))
    assert forward(directory, "ann@in.test", "bob@in.test") == Forward((Mailbox("bob", "in.test"),))


def test_an_account_forwards_to_fifty_addresses_and_no_more(directory: Directory) -> None:
    addresses = [f"x{number}@out.test" for number in range(MAX_ADDRESSES + 1)]
    assert len(forward(directory, "ann@in.test", *addresses[:MAX_ADDRESSES]).addresses) == MAX_ADDRESSES
    with pytest.raises(InvalidValue, match="forwards to 50 addresses at most; for more make a list"):
        forward(directory, "ann@in.test", *addresses)


@pytest.mark.parametrize(
    ("to", "error"),
    [
        ((), "there is no address to forward to; give one with --to, or end forwarding with --off"),
        (("*@out.test",), "cannot be forwarded to: name one address, without an asterisk"),
    ],
)
def test_what_is_no_address_to_forward_to_is_refused(directory: Directory, to: tuple[str, ...], error: str) -> None:
    with pytest.raises(InvalidValue, match=error):
        forward(directory, "ann@in.test", *to)


def test_an_address_that_is_none_is_refused(directory: Directory) -> None:
    with pytest.raises(InvalidValue, match="cannot be the forward address"):
        directory.forwards.set(ann(directory), [Mailbox("x", "")])


@pytest.mark.parametrize("pattern", ["", "out.test", "x*@out.test", "*@", "*@*", "x@out.test\nx@z.test", "**"])
def test_a_pattern_that_cannot_be_read_is_refused(directory: Directory, pattern: str) -> None:
    with pytest.raises(InvalidValue, match=r"write ann@out\.test, \*@out\.test or \*"):
        directory.forwards.set(ann(directory), [CAROL], senders=[pattern])


def test_patterns_are_not_without_number(directory: Directory) -> None:
    patterns = [f"x{number}@out.test" for number in range(MAX_PATTERNS + 1)]
    assert len(directory.forwards.set(ann(directory), [CAROL], senders=patterns[1:]).senders) == MAX_PATTERNS
    with pytest.raises(InvalidValue, match=r"there are more than 1000 patterns of senders; name domains"):
        directory.forwards.set(ann(directory), [CAROL], senders=patterns)
