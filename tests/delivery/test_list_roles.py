# SPDX-License-Identifier: Apache-2.0
"""What mail for the addresses beside a list brings about, and which mail brings about nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from itertools import count
from typing import TYPE_CHECKING

import pytest

from genkan.delivery.errand_context import ErrandContext
from genkan.delivery.list_roles import handle_role
from genkan.delivery.outcome import Delivered, Expanded
from genkan.directory import Directory, ListRole, ListSettings
from genkan.message.envelope import Envelope, Recipient
from genkan.message.message_id import format_message_id
from genkan.smtp.address import Mailbox, parse_mailbox
from genkan.spool.queue import Leased

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.directory.resolution import Role
    from genkan.spool.post import Post

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DEV = Mailbox("dev", "in.test")
ANN, CAROL = Mailbox("ann", "in.test"), Mailbox("carol", "out.test")
PLAIN = b"From: x\r\nSubject: hello\r\n"
REPORT = b'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\r\nMIME-Version: 1.0\r\n'


def report(status: str, action: str) -> bytes:
    """The body of a DSN (RFC 3464) about carol."""
    return (
        b"--x\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        b"--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.out.test\r\n\r\n"
        b"Final-Recipient: rfc822; carol@out.test\r\nAction: %b\r\nStatus: %b\r\n"
        b"Diagnostic-Code: smtp; 550 no such mailbox\r\n\r\n--x--\r\n" % (action.encode(), status.encode())
    )


GONE = report("5.1.1", "failed")


class Desk:
    """The list dev, with carol as its member and ann as its owner, and mail for the addresses beside it."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.lists = directory.lists
        self.now = NOON
        self._numbers = count(100)
        directory.domains.add("in.test")
        directory.accounts.add(ANN, "Ann Example")
        self.list = self.lists.add(DEV, ListSettings(subscription="confirm", bounce_limit=2))
        self.lists.add_member(DEV, CAROL)
        self.lists.add_owner(DEV, ANN)

    def mail(
        self, address: Mailbox | None, header: bytes = PLAIN, body: bytes = b"", sender: str = "carol@out.test"
    ) -> Delivered | Expanded:
        """What comes of a mail to `address`."""
        assert address is not None
        role = self.directory.resolve(address)
        assert isinstance(role, ListRole), address
        recipient = Recipient(address, address)
        path = parse_mailbox(sender) if sender else None
        envelope = Envelope("B0000000007", self.now, path, (recipient,), "192.0.2.1", "client.test")
        context = ErrandContext(
            self.directory, "mx.in.test", "", 0, self.now, lambda: format_message_id(next(self._numbers))
        )
        outcome = handle_role(Leased(envelope, 100, 0, recipient, 1), role, header, body, context)
        assert isinstance(outcome, Delivered | Expanded)
        return outcome

    def of_carol(self, role: Role) -> Mailbox | None:
        found = self.lists.roll.find(self.list, CAROL)
        assert found is not None
        return self.directory.list_roles.address(found, role)

    def members(self) -> list[str]:
        return [str(member.address) for member in self.lists.members(self.list)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Directory.open(tmp_path / "data") as directory:
        yield Desk(directory)


def subject(post: Post) -> str:
    return str(message_from_bytes(post.content, policy=default)["subject"])


def sender_of(post: Post) -> Mailbox:
    return parse_mailbox(str(message_from_bytes(post.content, policy=default)["from"]))


# Bounces.


def test_permanent_failures_suspend_a_member_and_the_owners_are_told(desk: Desk) -> None:
    address = desk.of_carol("bounces")
    assert desk.mail(address, REPORT, GONE, "").posts == ()
    desk.now += DAY
    (post,) = desk.mail(address, REPORT, GONE, "").posts
    assert subject(post) == "carol@out.test gets no more mail of dev@in.test"
    assert b"Auto-Submitted: auto-generated\r\n" in post.content
    assert (post.envelope.reverse_path, post.origin) == (None, None)
    assert [one.mailbox for one in post.envelope.recipients] == [ANN]
    assert desk.lists.expand(desk.list) == ()
    assert desk.members() == ["carol@out.test"]
    desk.now += DAY
    assert desk.mail(address, REPORT, GONE, "").posts == ()


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (REPORT, report("4.4.1", "delayed")),
        (REPORT, report("2.0.0", "delivered")),
        (b"Subject: I am away\r\nAuto-Submitted: auto-replied\r\n", b"Back on Monday.\r\n"),
        (b"", b""),
        (REPORT, b"\x00" * 1000),
    ],
)
def test_other_mail_counts_nothing(desk: Desk, header: bytes, body: bytes) -> None:
    for _ in range(5):
        assert desk.mail(desk.of_carol("bounces"), header, body, "").posts == ()
        desk.now += DAY
    found = desk.lists.roll.find(desk.list, CAROL)
    assert found is not None
    assert found.bounces == 0


@pytest.mark.parametrize(
    ("sender", "bounces"), [("", 1), ("MAILER-DAEMON@mx.out.test", 1), ("carol@out.test", 0), ("postmaster@x.test", 0)]
)
def test_only_the_reports_of_mail_servers_count(desk: Desk, sender: str, bounces: int) -> None:
    assert desk.mail(desk.of_carol("bounces"), REPORT, GONE, sender).posts == ()
    found = desk.lists.roll.find(desk.list, CAROL)
    assert found is not None
    assert found.bounces == bounces


def test_mail_that_was_given_up_after_days_counts(desk: Desk) -> None:
    desk.mail(desk.of_carol("bounces"), REPORT, report("4.4.7", "failed"), "")
    found = desk.lists.roll.find(desk.list, CAROL)
    assert found is not None
    assert found.bounces == 1


# Leaving.


def test_a_mail_to_the_members_own_address_is_enough_to_leave(desk: Desk) -> None:
    (post,) = desk.mail(desk.of_carol("unsubscribe"), sender="").posts
    assert desk.members() == []
    assert (subject(post), [one.mailbox for one in post.envelope.recipients]) == ("You have left dev@in.test", [CAROL])


def test_to_leave_without_a_token_wants_an_answer(desk: Desk) -> None:
    (post,) = desk.mail(Mailbox("dev-unsubscribe", "in.test"), sender="Carol@out.test").posts
    assert subject(post) == "Please confirm: unsubscribe from dev@in.test"
    assert (post.envelope.reverse_path, post.envelope.recipients[0].mailbox) == (None, CAROL)
    assert desk.members() == ["carol@out.test"]
    desk.now += 2 * DAY
    (done,) = desk.mail(sender_of(post)).posts
    assert subject(done) == "You have left dev@in.test"
    assert desk.members() == []


def test_an_address_is_asked_once_a_day(desk: Desk) -> None:
    leave = Mailbox("dev-unsubscribe", "in.test")
    assert [len(desk.mail(leave).posts) for _ in range(3)] == [1, 0, 0]
    desk.now += DAY
    assert len(desk.mail(leave).posts) == 1


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        (PLAIN, ""),
        (b"Auto-Submitted: auto-replied; x\r\n", "carol@out.test"),
        (b"Precedence: bulk\r\n", "carol@out.test"),
        (PLAIN, "x@out.test"),
    ],
)
def test_neither_programs_nor_strangers_are_asked_whether_they_leave(desk: Desk, header: bytes, sender: str) -> None:
    assert desk.mail(Mailbox("dev-unsubscribe", "in.test"), header, sender=sender).posts == ()


# Coming.


def test_who_subscribes_is_asked_and_put_on_the_list_by_the_answer(desk: Desk) -> None:
    (post,) = desk.mail(Mailbox("dev-subscribe", "in.test"), sender="Dan@out.test").posts
    assert desk.members() == ["carol@out.test"]
    (welcome,) = desk.mail(sender_of(post), b"Auto-Submitted: no\r\n", sender="somebody@else.test").posts
    assert subject(welcome) == "Welcome to dev@in.test"
    assert "dev-unsubscribe@in.test" in welcome.content.decode()
    assert desk.members() == ["carol@out.test", "Dan@out.test"]
    assert desk.mail(Mailbox("dev-subscribe", "in.test"), sender="dan@out.test").posts == ()


@pytest.mark.parametrize(
    ("header", "sender", "later"),
    [
        (b"Auto-Submitted: auto-replied\r\n", "dan@out.test", DAY),
        (PLAIN, "", DAY),
        (PLAIN, "dan@out.test", 3 * DAY + timedelta(seconds=1)),
    ],
)
def test_an_automatic_or_late_answer_confirms_nothing(desk: Desk, header: bytes, sender: str, later: timedelta) -> None:
    (post,) = desk.mail(Mailbox("dev-subscribe", "in.test"), sender="dan@out.test").posts
    desk.now += later
    assert desk.mail(sender_of(post), header, sender=sender).posts == ()
    assert desk.members() == ["carol@out.test"]


def test_what_is_confirmed_twice_is_done_once(desk: Desk) -> None:
    (post,) = desk.mail(Mailbox("dev-subscribe", "in.test"), sender="dan@out.test").posts
    desk.lists.add_member(DEV, Mailbox("dan", "out.test"))
    assert desk.mail(sender_of(post), sender="dan@out.test").posts == ()
    assert not isinstance(desk.directory.resolve(sender_of(post)), ListRole)


# Owners.


def test_mail_for_the_owners_goes_to_them(desk: Desk) -> None:
    for name in ("dev-owner", "dev-request"):
        outcome = desk.mail(Mailbox(name, "in.test"))
        assert isinstance(outcome, Expanded)
        (post,) = outcome.posts
        assert [one.mailbox for one in post.envelope.recipients] == [ANN]
