# SPDX-License-Identifier: Apache-2.0
"""Forwarded mail: to whom it goes, with which reverse-path, what its sender is told, and where it ends instead of going on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.delivery.errand_context import ErrandContext
from genkan.delivery.forwarding import forward
from genkan.delivery.outcome import Expanded, Failed
from genkan.directory import Directory, Elsewhere
from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import Mailbox, parse_mailbox
from genkan.spool.queue import Leased

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.spool.post import Post

ANN: Final = Mailbox("ann", "in.test")
CAROL: Final = Mailbox("carol", "out.test")
DAN: Final = Mailbox("dan", "far.test")
TO_ANN: Final = Recipient(ANN, ANN)
ACCEPTED: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW: Final = ACCEPTED + timedelta(minutes=1)
HEADER: Final = b"Received: from a\r\nFrom: carol@out.test\r\nTo: ann@in.test\r\n"
HOPS: Final = 3


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with Directory.open(tmp_path / "data") as opened:
        opened.domains.add("in.test")
        for name in ("ann", "bob"):
            opened.accounts.add(Mailbox(name, "in.test"))
        opened.aliases.add(Mailbox("boss", "in.test"), Mailbox("bob", "in.test"))
        opened.aliases.add(Mailbox("away", "in.test"), DAN)
        opened.lists.add(Mailbox("staff", "in.test"))
        yield opened


def leased_for(reverse_path: Mailbox | None = CAROL, recipient: Recipient = TO_ANN, **more: Any) -> Leased:
    """Message 7, for ann."""
    envelope = Envelope("B0000000007", ACCEPTED, reverse_path, (recipient,), "192.0.2.1", "mx.out.test", **more)
    return Leased(envelope, 1000, 1, recipient, 1)


def attempt(
    directory: Directory, leased: Leased, *to: str, header: bytes = HEADER, keep: bool = False, senders: str = ""
) -> Expanded | Failed | None:
    """What becomes of mail for ann, who forwards it to these addresses."""
    account = directory.accounts.show(ANN)
    patterns = senders.split() if senders else ()
    addresses = [parse_mailbox(address) for address in to or ("dan@far.test",)]
    wanted = directory.forwards.set(account, addresses, keep=keep, senders=patterns)
    context = ErrandContext(directory, "mx.in.test", "", HOPS, NOW, lambda: "B0000000008")
    return forward(leased, account, wanted, header, context)


def posted(directory: Directory, leased: Leased, *to: str, keep: bool = False, header: bytes = HEADER) -> Post:
    """The message that goes on."""
    outcome = attempt(directory, leased, *to, keep=keep, header=header)
    assert isinstance(outcome, Expanded)
    (post,) = outcome.posts
    return post


def test_mail_goes_on_as_one_message_that_shares_the_content(directory: Directory) -> None:
    leased = leased_for(None, ret="HDRS", envid="x1", body="8BITMIME", requiretls=True, account="kai@in.test")
    outcome = attempt(directory, leased, "dan@far.test", "erin@far.test")
    assert isinstance(outcome, Expanded)
    (post,) = outcome.posts
    assert outcome.reason == "ann@in.test forwards to dan@far.test, erin@far.test"
    assert (post.content, post.origin, post.skip) == (b"Delivered-To: ann@in.test\r\n", 7, 0)
    assert post.envelope == leased.envelope._replace(
        message_id="B0000000008",
        accepted_at=NOW,
        recipients=(Recipient(DAN, DAN), Recipient(Mailbox("erin", "far.test"), Mailbox("erin", "far.test"))),
        account="",
        protocol="forward",
    )


def test_each_address_leads_where_the_directory_says_now_and_each_mailbox_gets_one_copy(directory: Directory) -> None:
    post = posted(
        directory, leased_for(), "boss@in.test", "Bob@in.test", "away@in.test", "dan@FAR.test", "staff@in.test"
    )
    assert {str(one.mailbox) for one in post.envelope.recipients} == {"bob@in.test", "dan@FAR.test", "staff@in.test"}


def test_what_nobody_has_any_more_is_for_the_next_attempt_to_say(directory: Directory) -> None:
    (recipient,) = posted(directory, leased_for(), "gone@in.test").envelope.recipients
    assert recipient.mailbox == Mailbox("gone", "in.test")


def test_a_foreign_reverse_path_is_rewritten_so_that_bounces_find_back(directory: Directory) -> None:
    path = posted(directory, leased_for()).envelope.reverse_path
    assert path is not None
    assert path.local_part.startswith("SRS0=")
    assert path.domain == "in.test"
    assert directory.resolve(path) == Elsewhere(CAROL)


@pytest.mark.parametrize("reverse_path", [None, Mailbox("kai", "in.test"), Mailbox("nobody", "IN.test")])
def test_a_null_or_a_local_reverse_path_stays(directory: Directory, reverse_path: Mailbox | None) -> None:
    assert posted(directory, leased_for(reverse_path)).envelope.reverse_path == reverse_path


@pytest.mark.parametrize("to", ["bob@in.test", "boss@in.test", "staff@in.test", "gone@in.test"])
def test_a_reverse_path_stays_while_the_mail_does_not_leave(directory: Directory, to: str) -> None:
    assert posted(directory, leased_for(), to).envelope.reverse_path == CAROL


@pytest.mark.parametrize("to", ["dan@far.test", "away@in.test"])
def test_a_reverse_path_that_would_be_too_long_becomes_the_account(directory: Directory, to: str) -> None:
    path = Mailbox("c" * 60, "out.test")
    assert posted(directory, leased_for(path), to, "bob@in.test").envelope.reverse_path == ANN


def test_the_reverse_path_that_a_list_gave_the_recipient_counts(directory: Directory) -> None:
    bounces = Mailbox("staff-bounces+1", "in.test")
    leased = leased_for(recipient=Recipient(ANN, ANN, "NEVER", "", bounces, b"List-Unsubscribe: <x>\r\n"))
    post = posted(directory, leased)
    assert post.envelope.reverse_path == bounces
    assert post.content == b"Delivered-To: ann@in.test\r\nList-Unsubscribe: <x>\r\n"
    assert post.envelope.recipients == (Recipient(DAN, DAN, "NEVER"),)


@pytest.mark.parametrize(
    ("notify", "keep", "carried"),
    [
        ("", True, ""),
        ("SUCCESS,FAILURE", False, "SUCCESS,FAILURE"),
        ("SUCCESS,FAILURE", True, "FAILURE"),
        ("DELAY,SUCCESS,FAILURE", True, "DELAY,FAILURE"),
        ("SUCCESS", True, "NEVER"),
        ("NEVER", True, "NEVER"),
    ],
)
def test_what_the_sender_wants_to_be_told_goes_on_and_success_is_told_once(
    directory: Directory,
    notify: str,
    keep: bool,
    carried: str,
) -> None:
    leased = leased_for(recipient=Recipient(ANN, ANN, notify, "rfc822;ann@in.test"))
    (recipient,) = posted(directory, leased, keep=keep).envelope.recipients
    assert (recipient.notify, recipient.original) == (carried, "rfc822;ann@in.test")


def test_an_address_that_needs_utf8_makes_the_message_need_it(directory: Directory) -> None:
    assert posted(directory, leased_for(), "\u3042@far.test").envelope.smtputf8
    assert not posted(directory, leased_for()).envelope.smtputf8


def test_mail_of_others_than_the_permitted_senders_is_not_forwarded(directory: Directory) -> None:
    assert attempt(directory, leased_for(), senders="*@far.test kai@out.test") is None
    assert attempt(directory, leased_for(None), senders="*@out.test") is None
    assert isinstance(attempt(directory, leased_for(), senders="*@out.test"), Expanded)


@pytest.mark.parametrize(
    "field",
    [b"Delivered-To: ann@in.test", b"DELIVERED-TO:\r\n ANN@in.test ", b"Delivered-To: x\r\nDelivered-To:ann@IN.test"],
)
def test_mail_that_the_account_has_had_before_is_in_a_loop(directory: Directory, field: bytes) -> None:
    assert attempt(directory, leased_for(), header=field + b"\r\n" + HEADER) == Failed(
        "a loop of forwards: ann@in.test has had this mail before", status="5.4.6"
    )


def test_mail_that_others_have_had_is_not(directory: Directory) -> None:
    header = b"Delivered-To: bob@in.test\r\nX-Delivered-To: ann@in.test\r\nDelivered-To: ann@in.test.\r\n" + HEADER
    assert posted(directory, leased_for(), header=header).origin == 7


def test_mail_that_too_many_servers_have_passed_on_is_in_a_loop(directory: Directory) -> None:
    assert posted(directory, leased_for(), header=b"Received: x\r\n" * HOPS).origin == 7
    assert attempt(directory, leased_for(), header=b"Received: x\r\n" * (HOPS + 1)) == Failed(
        "more than 3 servers have passed this mail on", status="5.4.6"
    )


def test_of_a_very_long_header_section_the_beginning_is_looked_at(directory: Directory) -> None:
    filler = b"X: " + b"x" * 65536 + b"\r\n"
    assert posted(directory, leased_for(), header=filler + b"Delivered-To: ann@in.test\r\n").origin == 7
    assert isinstance(attempt(directory, leased_for(), header=b"Delivered-To: ann@in.test\r\n" + filler), Failed)
