# SPDX-License-Identifier: Apache-2.0
"""Automatic replies: to whom one goes, what it says, and when there is none."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.delivery.errand_context import ErrandContext
from genkan.delivery.replying import automatic_reply
from genkan.directory import AutoReply, Directory
from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import Mailbox
from genkan.spool.queue import Leased

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.spool.post import Post

ANN: Final = Mailbox("ann", "in.test")
CAROL: Final = Mailbox("Carol", "out.test")
SALES: Final = Mailbox("sales", "in.test")
TO_ANN: Final = Recipient(ANN, ANN)
NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AWAY: Final = AutoReply("I am away.\n")
FROM: Final = b"From: Carol <carol@out.test>\r\nMessage-ID: <1@out.test>\r\nSubject: An order\r\n"
HEADER: Final = FROM + b"To: Ann <ann@in.test>\r\n"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with Directory.open(tmp_path / "data") as opened:
        opened.domains.add("in.test")
        opened.accounts.add(ANN, "Ann Example")
        opened.aliases.add(SALES, ANN)
        yield opened


def answer(
    directory: Directory,
    header: bytes = HEADER,
    reverse_path: Mailbox | None = CAROL,
    recipient: Recipient = TO_ANN,
    reply: AutoReply = AWAY,
    now: datetime = NOW,
) -> Post | None:
    """What ann's account answers to this mail."""
    account = directory.accounts.show(ANN)
    kept = directory.auto_replies.set(account, reply)
    envelope = Envelope("B0000000007", NOW, reverse_path, (recipient,), "192.0.2.1", "mx.out.test")
    context = ErrandContext(directory, "mx.in.test", "", 0, now, lambda: "B0000000008")
    return automatic_reply(Leased(envelope, 1000, 1, recipient, 1), account, kept, header, context)


def test_the_answer_goes_to_the_reverse_path_with_the_null_one(directory: Directory) -> None:
    post = answer(directory)
    assert post is not None
    assert (post.origin, post.skip) == (None, 0)
    assert post.envelope == Envelope(
        "B0000000008",
        NOW,
        None,
        (Recipient(CAROL, CAROL, "NEVER"),),
        "192.0.2.1",
        "mx.in.test",
        protocol="reply",
    )


def test_the_answer_says_what_it_answers_and_that_a_program_wrote_it(directory: Directory) -> None:
    post = answer(directory)
    assert post is not None
    message = email.message_from_bytes(post.content, policy=email.policy.default)
    assert message["From"] == "Ann Example <ann@in.test>"
    assert message["To"] == "Carol@out.test"
    assert message["In-Reply-To"] == "<1@out.test>"
    assert "An order" in message["Subject"]
    assert message["Auto-Submitted"].startswith("auto-replied")
    assert message.get_content().replace("\r\n", "\n") == "I am away.\n"


def test_a_subject_of_its_own_is_used_as_it_is(directory: Directory) -> None:
    post = answer(directory, reply=replace(AWAY, subject="Away"))
    assert post is not None
    assert "Away" in email.message_from_bytes(post.content, policy=email.policy.default)["Subject"]


@pytest.mark.parametrize(
    ("to", "recipient"),
    [
        (b"To: sales@in.test\r\n", TO_ANN),
        (b"Cc: x@out.test, ANN@in.test\r\n", TO_ANN),
        (b"To: ann+x@in.test\r\n", Recipient(Mailbox("ann+x", "in.test"), ANN)),
    ],
)
def test_mail_to_the_account_under_any_of_its_names_is_answered(
    directory: Directory, to: bytes, recipient: Recipient
) -> None:
    assert answer(directory, FROM + to, recipient=recipient) is not None


@pytest.mark.parametrize("to", [b"", b"To: bob@in.test\r\n", b"To: undisclosed-recipients:;\r\nBcc: ann@in.test\r\n"])
def test_mail_that_does_not_name_the_account_is_not_answered(directory: Directory, to: bytes) -> None:
    assert answer(directory, FROM + to) is None
    assert answer(directory) is not None  # nothing was claimed


def test_a_sender_is_answered_once_in_that_time(directory: Directory) -> None:
    assert answer(directory) is not None
    assert answer(directory, now=NOW + timedelta(days=6)) is None
    assert answer(directory, now=NOW + timedelta(days=7)) is not None


@pytest.mark.parametrize("field", [b"Auto-Submitted: auto-generated", b"Precedence: bulk", b"List-Id: <x.out.test>"])
def test_what_a_program_or_a_list_has_sent_is_not_answered(directory: Directory, field: bytes) -> None:
    assert answer(directory, HEADER + field + b"\r\n") is None
    assert answer(directory) is not None


def test_the_null_reverse_path_and_members_of_lists_are_not_answered(directory: Directory) -> None:
    assert answer(directory, reverse_path=None) is None
    member = TO_ANN._replace(reverse_path=Mailbox("staff-bounces+1", "in.test"))
    assert answer(directory, recipient=member) is None


def test_whom_the_account_does_not_want_to_answer_is_not_answered(directory: Directory) -> None:
    assert answer(directory, reply=replace(AWAY, excepted=("*@out.test",))) is None
    assert answer(directory, reply=replace(AWAY, senders=("*@far.test",))) is None
    assert answer(directory, reply=replace(AWAY, until=NOW)) is None
    assert answer(directory) is not None
