# SPDX-License-Identifier: Apache-2.0
"""Checks of the forward-path: how many there may be, whose mailbox it is, and whether that is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.smtp.address import Mailbox
from genkan.smtp.command import MailParameters
from tests.support.policy_site import ACCEPTED, QUOTA

if TYPE_CHECKING:
    from genkan.directory import Directory
    from tests.support.policy_site import Site

OUT = "x@out.test"
ANN = "ann@in.test"


@pytest.mark.parametrize(("limit", "accepted"), [(1, 0), (3, 2), (4, 3)])
def test_the_recipient_that_reaches_the_limit_is_refused(site: Site, limit: int, accepted: int) -> None:
    client = site.client(f"[limits]\nrecipients = {limit}")
    client.mail(OUT)
    told = [client.rcpt(ANN) for _ in range(limit + 1)]
    assert told == [ACCEPTED] * accepted + ["TOO_MANY_RECIPIENTS"] * (limit + 1 - accepted)


def test_refused_recipients_do_not_count(site: Site) -> None:
    client = site.client("[limits]\nrecipients = 3")
    client.mail(OUT)
    assert [client.rcpt(name) for name in ("nobody@in.test", "y@out.test", ANN, ANN, ANN)] == [
        "USER_UNKNOWN",
        "RELAY_DENIED",
        ACCEPTED,
        ACCEPTED,
        "TOO_MANY_RECIPIENTS",
    ]


def test_each_transaction_counts_its_own_recipients(site: Site) -> None:
    client = site.client("[limits]\nrecipients = 2")
    for _ in range(3):
        client.mail(OUT)
        assert [client.rcpt(ANN), client.rcpt(ANN)] == [ACCEPTED, "TOO_MANY_RECIPIENTS"]


def test_without_a_limit_a_transaction_still_holds_only_so_many(site: Site) -> None:
    client = site.client("[limits]\nrecipients_held = 100")
    client.mail(OUT)
    assert [client.rcpt(ANN) for _ in range(101)] == [ACCEPTED] * 100 + ["RECIPIENTS_HELD"]


@pytest.mark.parametrize(
    ("recipient", "mailbox", "account"),
    [
        ("ANN@in.test", Mailbox("ann", "in.test"), "ann"),
        ("sales@in.test", Mailbox("ann", "in.test"), "ann"),
        ("ann+news@in.test", Mailbox("ann", "in.test"), "ann"),
        ("away@in.test", Mailbox("y", "out.test"), None),
    ],
)
def test_the_checks_find_out_whose_mailbox_it_is(
    site: Site, recipient: str, mailbox: Mailbox, account: str | None
) -> None:
    client = site.client()
    client.mail(OUT)
    told, rcpt = client.judge_rcpt(recipient)
    assert (told, rcpt.is_local, rcpt.mailbox) == (ACCEPTED, True, mailbox)
    assert (rcpt.account and rcpt.account.address.local_part) == account


def test_mail_for_outside_keeps_its_address(site: Site) -> None:
    client = site.client(account=ANN)
    client.mail(ANN)
    told, rcpt = client.judge_rcpt("Y@Out.test")
    assert (told, rcpt.is_local, rcpt.mailbox) == (ACCEPTED, False, Mailbox("Y", "Out.test"))


@pytest.mark.parametrize(
    ("used", "declared", "told"),
    [
        (0, None, ACCEPTED),
        (QUOTA - 1, None, ACCEPTED),
        (QUOTA, None, "MAILBOX_FULL"),
        (QUOTA + 1, None, "MAILBOX_FULL"),
        (QUOTA - 10, 10, ACCEPTED),
        (QUOTA - 10, 11, "MAILBOX_FULL"),
        (0, QUOTA + 1, "MAILBOX_FULL"),
    ],
)
def test_a_mailbox_takes_mail_until_its_quota_is_reached(
    site: Site, used: int, declared: int | None, told: str
) -> None:
    site.used = used
    client = site.client()
    client.mail(OUT, MailParameters(size=declared))
    assert client.rcpt("full@in.test") == told
    assert client.rcpt(ANN) == ACCEPTED


# Mailing lists.


@pytest.mark.parametrize(
    ("recipient", "account", "told"),
    [
        ("team@in.test", "", "LIST_NEEDS_AUTH"),
        ("Team@In.Test", "", "LIST_NEEDS_AUTH"),
        ("team@in.test", ANN, ACCEPTED),
        ("news@in.test", "", ACCEPTED),
        ("news@in.test", ANN, ACCEPTED),
    ],
)
def test_a_list_may_want_auth(site: Site, recipient: str, account: str, told: str) -> None:
    assert site.client(account=account).send(OUT if not account else ANN, recipient) == told


def test_a_list_that_refuses_leaves_the_other_recipients_alone(site: Site) -> None:
    client = site.client()
    client.mail(OUT)
    assert [client.rcpt(name) for name in (ANN, "team@in.test", "news@in.test")] == [
        ACCEPTED,
        "LIST_NEEDS_AUTH",
        ACCEPTED,
    ]


def test_even_a_trusted_client_must_authenticate_for_such_a_list(site: Site) -> None:
    site.rules("effect.dat", "192.0.2.10 true")
    assert site.client().send(OUT, "team@in.test") == "LIST_NEEDS_AUTH"


def test_a_list_that_leads_to_no_mailbox_takes_no_mail(site: Site) -> None:
    assert site.client().send(OUT, "nobodys@in.test") == "USER_UNKNOWN"
    client = site.client()
    client.mail(OUT)
    _, rcpt = client.judge_rcpt("nobodys@in.test")
    assert rcpt.mailing_list is not None
    assert rcpt.mailbox is None


@pytest.mark.parametrize(
    ("sender", "recipient", "account", "told"),
    [
        ("x@out.test", "club@in.test", "", "LIST_POST_DENIED"),
        ("", "club@in.test", "", "LIST_POST_DENIED"),
        (ANN, "Club@In.Test", ANN, ACCEPTED),
        ("sales+x@in.test", "club@in.test", ANN, ACCEPTED),
        ("y@out.test", "club@in.test", ANN, ACCEPTED),
        ("kai@in2.test", "club@in.test", "kai@in2.test", "LIST_POST_DENIED"),
        ("kai@in2.test", "council@in.test", "kai@in2.test", ACCEPTED),
        (ANN, "council@in.test", ANN, "LIST_POST_DENIED"),
    ],
)
def test_a_list_may_be_for_its_members_or_owners(
    site: Site, sender: str, recipient: str, account: str, told: str
) -> None:
    assert site.client(account=account).send(sender, recipient) == told


def test_a_member_elsewhere_is_known_by_the_reverse_path(directory: Directory, site: Site) -> None:
    club, member = Mailbox("club", "in.test"), Mailbox("M", "out.test")
    directory.lists.add_member(club, member)
    try:
        assert site.client().send("m@OUT.test", "club@in.test") == ACCEPTED
    finally:
        directory.lists.remove_member(club, member)


def test_a_list_is_one_recipient(site: Site) -> None:
    client = site.client()
    client.mail(OUT)
    assert [client.rcpt(name) for name in ("news@in.test", "News@IN.test", ANN)] == [ACCEPTED] * 3
    assert client.transaction is not None
    assert list(map(str, client.transaction.recipients)) == ["news@in.test", ANN]
    assert list(map(str, client.transaction.lists)) == ["news@in.test"]


@pytest.mark.parametrize(
    ("recipient", "told"),
    [
        ("Council-Owner@in.test", ACCEPTED),
        ("council-request@in.test", ACCEPTED),
        ("council-unsubscribe@in.test", ACCEPTED),
        ("council-subscribe@in.test", "USER_UNKNOWN"),
        ("council-bounces@in.test", "USER_UNKNOWN"),
        ("council-bounces+aaaaaaaaaaaa1@in.test", "USER_UNKNOWN"),
        ("club-owner@in.test", "USER_UNKNOWN"),
    ],
)
def test_the_addresses_beside_a_list_are_known(site: Site, recipient: str, told: str) -> None:
    assert site.client().send("", recipient) == told


def test_the_address_of_a_member_for_bounces_is_known(directory: Directory, site: Site) -> None:
    club = directory.lists.show(Mailbox("club", "in.test"))
    address = directory.list_roles.address(directory.lists.members(club)[0], "bounces")
    client = site.client()
    client.mail("")
    told, rcpt = client.judge_rcpt(str(address).upper())
    assert (told, rcpt.is_local, rcpt.mailbox, rcpt.mailing_list) == (ACCEPTED, True, address, None)


@pytest.mark.parametrize(
    ("sender", "account", "told"),
    [
        ("team@in.test", "", "LIST_NEEDS_AUTH"),
        ("team@in.test", ANN, ACCEPTED),
        ("news@in.test", "", "NEED_EHLO_BEFORE_AUTH"),
    ],
)
def test_a_list_may_be_a_sender_after_auth(site: Site, sender: str, account: str, told: str) -> None:
    assert site.client(account=account).mail(sender) == told
