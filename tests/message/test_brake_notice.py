# SPDX-License-Identifier: Apache-2.0
"""The mail that tells of a braked account, read back as a mail program does."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy
from typing import TYPE_CHECKING, Final

import pytest

from genkan.message.brake_notice import Braking, operator_notice, owner_notice
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from email.message import EmailMessage

BRAKING: Final = Braking("ann@in.test", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 200, 201)
PLACE: Final = "B0000000007@mx.in.test"


def read(octets: bytes) -> EmailMessage:
    return email.message_from_bytes(octets, policy=policy.default)


def test_both_notices_are_automatic_mail() -> None:
    for write in (owner_notice, operator_notice):
        mail = read(write(BRAKING, Mailbox("ann", "in.test"), PLACE))
        assert [mail[name] for name in ("To", "From", "Message-ID", "Auto-Submitted")] == [
            "ann@in.test",
            "Genkan <postmaster@mx.in.test>",
            "<B0000000007@mx.in.test>",
            "auto-generated",
        ]
        assert mail["Date"] == "Fri, 02 Jan 2026 03:04:05 +0000"


def test_the_owner_is_told_what_to_do_in_english_and_japanese() -> None:
    mail = read(owner_notice(BRAKING, Mailbox("ann", "in.test"), PLACE))
    text = str(mail.get_content())
    assert mail["Subject"] == "Your mail is held: 201 recipients within an hour"
    assert "has written to 201 recipients outside within an hour" in text
    assert "change your password at once" in text
    assert "すぐにパスワードを変更し" in text


def test_the_operator_is_told_the_commands() -> None:
    mail = read(operator_notice(BRAKING, Mailbox("root", "in.test"), PLACE))
    text = str(mail.get_content())
    assert mail["Subject"] == "Mail of ann@in.test is held: 201 recipients within an hour"
    for command in (
        "genkan queue list --account ann@in.test --state held",
        "genkan brake release ann@in.test",
        "genkan account set ann@in.test --external-limit 402",
        "genkan account passwd ann@in.test",
        "genkan brake purge ann@in.test",
    ):
        assert command in text.splitlines()


def test_addresses_that_look_like_encoded_words_begin_no_field() -> None:
    evil = Mailbox("=?utf-8?q?a=0D=0AX-Evil=3Av?=", "x.test")
    for write in (owner_notice, operator_notice):
        octets = write(BRAKING._replace(account=str(evil)), evil, PLACE)
        assert b"\r\nTo: =?utf-8?q?a=0D=0AX-Evil=3Av?=@x.test\r\n" in octets
        assert b"\r\nX-Evil" not in octets
        assert len(email.message_from_bytes(octets, policy=policy.compat32).keys()) == 9


@pytest.mark.parametrize("account", ["ünï@in.test", '"a b"@in.test', "x" * 64 + "@" + "y" * 63 + ".test"])
def test_any_account_can_be_told_of(account: str) -> None:
    local_part, _, domain = account.strip('"').rpartition("@")
    braking = BRAKING._replace(account=account)
    for write in (owner_notice, operator_notice):
        assert account in str(read(write(braking, Mailbox(local_part.strip('"'), domain), PLACE)).get_content())
