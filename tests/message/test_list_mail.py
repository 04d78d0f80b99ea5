# SPDX-License-Identifier: Apache-2.0
"""The mails that a list writes: whole, marked as automatic, and with nothing in them that a stranger could abuse."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import compat32, default

import pytest

from genkan.message import list_mail
from genkan.message.list_mail import Heading, written
from genkan.smtp.address import Mailbox

DEV = Mailbox("dev", "in.test")
EVIL = Mailbox("x\r\nBcc: y@out.test", "out.test")
FIELDS = [
    *("Date", "From", "To", "Message-ID", "Subject", "Auto-Submitted", "MIME-Version"),
    *("Content-Type", "Content-Transfer-Encoding"),
]
HEADING = Heading(
    Mailbox("dev-confirm+abc", "in.test"),
    Mailbox("Ann", "out.test"),
    "B0000000001.list@mx.in.test",
    datetime(2026, 11, 23, 12, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("mail", "subject", "words"),
    [
        (list_mail.confirm_subscription(DEV), "Please confirm: subscribe to dev@in.test", "登録する場合は"),
        (list_mail.confirm_leaving(DEV), "Please confirm: unsubscribe from dev@in.test", "削除する場合は"),
        (list_mail.subscribed(DEV, Mailbox("u", "in.test")), "Welcome to dev@in.test", "u@in.test"),
        (list_mail.unsubscribed(DEV), "You have left dev@in.test", "削除されました"),
        (list_mail.suspended(DEV, EVIL, 5, "550 no\r\nsuch"), None, "The last bounce said: 550 no such\r\n"),
    ],
)
def test_a_mail_is_whole_and_automatic(mail: list_mail.ListMail, subject: str | None, words: str) -> None:
    octets = written(HEADING, mail)
    assert octets.isascii()
    parsed = message_from_bytes(octets, policy=default)
    assert subject is None or parsed["subject"] == subject
    assert (parsed["from"], parsed["to"]) == ("dev-confirm+abc@in.test", "Ann@out.test")
    assert (parsed["auto-submitted"], parsed["bcc"]) == ("auto-generated", None)
    assert parsed["message-id"] == "<B0000000001.list@mx.in.test>"
    assert parsed["date"] == "Mon, 23 Nov 2026 12:00:00 +0000"
    assert words in parsed.get_content()


def test_what_strangers_wrote_begins_no_field_and_no_command() -> None:
    twice = "=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=0D=0AX-Evil=3Av=3F=3D?="
    evil = Mailbox("=?utf-8?q?a=0D=0AX-Evil=3Av?=", "x.test")
    mail = list_mail.suspended(DEV, evil, 5, twice)
    for octets in (written(HEADING._replace(recipient=evil), mail), written(HEADING, mail._replace(subject=twice))):
        assert message_from_bytes(octets, policy=compat32).keys() == FIELDS
        assert b"\r\nX-Evil" not in octets
    assert b"\r\nTo: =?utf-8?q?a=0D=0AX-Evil=3Av?=@x.test\r\n" in written(HEADING._replace(recipient=evil), mail)
    (command,) = (line for line in mail.text.splitlines() if line.startswith("genkan "))
    assert command.endswith("resume dev@in.test '=?utf-8?q?a=0D=0AX-Evil=3Av?=@x.test'")


def test_an_address_beyond_ascii_is_written_in_utf8() -> None:
    octets = written(HEADING._replace(recipient=Mailbox("jos\u00e9", "out.test")), list_mail.unsubscribed(DEV))
    assert "To: jos\u00e9@out.test\r\n".encode() in octets
