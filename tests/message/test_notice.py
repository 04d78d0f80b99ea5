# SPDX-License-Identifier: Apache-2.0
"""The mail to approvers, read back as a mail program does; nothing a stranger wrote gets beyond its line."""

from __future__ import annotations

import email
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.envelope import Envelope, Recipient
from genkan.message.notice import NoticeLinks, notices_for
from genkan.smtp.address import Mailbox, parse_mailbox
from genkan.spool.hold import Hold

if TYPE_CHECKING:
    from email.message import EmailMessage

ANN: Final = Recipient(Mailbox("ann", "in.test"), Mailbox("ann", "in.test"))
ENVELOPE: Final = Envelope(
    "B0000000001",
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    Mailbox("carol", "example.net"),
    (ANN,),
    "192.0.2.10",
    "mx.example.net",
)
DEADLINE: Final = datetime(2026, 1, 3, 3, 4, 5, tzinfo=UTC)
HOLD: Final = Hold("approval", "subject matches", "mail.dat:12", "look\r\ntwice", ("boss@in.test",), DEADLINE, "reject")
HEADER: Final = b"From: Carol <carol@example.net>\r\nSubject: =?utf-8?B?44GT44KT44Gr44Gh44Gv?=\r\n of today\r\n"


def read(octets: bytes) -> EmailMessage:
    return email.message_from_bytes(octets, policy=policy.default)


def text_of(octets: bytes) -> str:
    return str(read(octets).get_content()).replace("\r\n", "\n")


def one(header: bytes = HEADER, hold: Hold = HOLD, envelope: Envelope = ENVELOPE) -> bytes:
    [(_, octets)] = notices_for(envelope, hold, header, "mx.in.test")
    return octets


def test_a_notice_is_automatic_mail_with_the_subject_of_the_held_one() -> None:
    [(recipient, octets)] = notices_for(ENVELOPE, HOLD, HEADER, "mx.in.test")
    mail = read(octets)
    assert recipient == Mailbox("boss", "in.test")
    assert mail["Subject"] == "Held for approval: こんにちは of today [B0000000001]"
    assert (mail["From"], mail["To"]) == ("Genkan <postmaster@mx.in.test>", "boss@in.test")
    assert mail["Date"] == "Fri, 02 Jan 2026 03:04:05 +0000"
    assert mail["Message-ID"] == "<B0000000001.approval.0@mx.in.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (mail.get_content_type(), mail.get_content_charset()) == ("text/plain", "utf-8")


def test_a_notice_says_who_wrote_to_whom_why_it_is_held_and_how_to_decide() -> None:
    assert text_of(one()) == (
        "A mail is held until it is approved or rejected.\n"
        "\n"
        "Message:  B0000000001\n"
        "Sender:   <carol@example.net>\n"
        "From:     Carol <carol@example.net>\n"
        "For:      <ann@in.test>\n"
        "Subject:  こんにちは of today\n"
        "Rule:     mail.dat:12\n"
        "Reason:   subject matches\n"
        "Deadline: 2026-01-03 03:04:05 UTC\n"
        "          Nobody's decision by then means: reject.\n"
        "\n"
        "look\n"
        "twice\n"
        "\n"
        "The operator of the mail server decides in your name with:\n"
        "\n"
        "genkan approval approve B0000000001 --by boss@in.test\n"
        "genkan approval reject B0000000001 --by boss@in.test\n"
    )


def test_every_approver_gets_a_mail_with_links_of_his_own() -> None:
    hold = Hold("approval", "r", "mail.dat:1", "", ("boss@in.test", "no address", "chef@例え.test"), DEADLINE, "reject")

    def links(approver: str) -> NoticeLinks:
        return NoticeLinks(f"https://mx.in.test/?{approver}=yes", f"https://mx.in.test/?{approver}=no")

    notices = notices_for(ENVELOPE, hold, HEADER, "mx.in.test", links)
    assert [str(recipient) for recipient, _ in notices] == ["boss@in.test", "chef@例え.test"]
    for recipient, octets in notices:
        assert f"approve: https://mx.in.test/?{recipient}=yes\n" in text_of(octets)
        assert f"reject:  https://mx.in.test/?{recipient}=no\n" in text_of(octets)
    assert len({read(octets)["Message-ID"] for _, octets in notices}) == 2
    assert "To: chef@例え.test\r\n".encode() in notices[1][1]


def test_a_mail_without_subject_from_the_null_reverse_path_is_told_as_well() -> None:
    mail = one(b"", envelope=ENVELOPE._replace(reverse_path=None))
    assert read(mail)["Subject"] == "Held for approval: (no subject) [B0000000001]"
    assert "Sender:   <>\n" in text_of(mail)


def test_of_very_many_recipients_the_first_are_named() -> None:
    recipients = tuple(Recipient(Mailbox(f"r{n}", "in.test"), Mailbox(f"r{n}", "in.test")) for n in range(100))
    text = text_of(one(envelope=ENVELOPE._replace(recipients=recipients)))
    assert text.count("For:      ") == 20
    assert "For:      <r19@in.test>\n          and 80 more\n" in text


@pytest.mark.parametrize(
    "subject",
    [
        b"=?utf-8?Q?x=0D=0ABcc:_everybody@example.net?=",
        b"=?utf-8?Q?x=0D=0A=0D=0Abody?=",
        b"=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=0D=0AX-Evil=3Av=3F=3D?=",
        b"=?utf-8?q?=3D=3Futf-8=3Fq=3F=3D0D=3D0AX-Evil=3Av=3F=3D?=",
        b"x\x0b\x0c\x1cy\xe2\x80\xa8z",
        "\u202egnp.exe".encode(),
        b"\x1b[2J",
    ],
)
def test_no_subject_writes_a_line_of_its_own_or_moves_the_cursor(subject: bytes) -> None:
    octets = one(b"Subject: " + subject + b"\r\n")
    mail = read(octets)
    assert set(mail.keys()) == {
        *("Date", "From", "To", "Message-ID", "Subject", "Auto-Submitted"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    }
    assert mail["Subject"].isprintable()
    assert all(line.isprintable() for line in text_of(octets).split("\n"))


@given(st.binary(max_size=3000), st.text(st.characters(codec="utf-8"), max_size=300))
def test_whatever_a_stranger_wrote_the_notice_is_mail_with_short_lines(header: bytes, word: str) -> None:
    hold = Hold("approval", word, word, word, ("boss@in.test",), DEADLINE, "approve")
    octets = one(b"Subject: " + header + b"\r\nFrom: " + header + b"\r\n", hold)
    assert read(octets)["Auto-Submitted"] == "auto-generated"
    assert octets.isascii()
    assert all(len(line) <= 998 and b"\n" not in line and b"\r" not in line for line in octets.split(b"\r\n"))
    assert text_of(octets).endswith("genkan approval reject B0000000001 --by boss@in.test\n")


def test_an_approver_that_looks_like_an_encoded_word_begins_no_field_and_no_command() -> None:
    evil = "=?utf-8?q?a=0D=0AX-Evil=3Av?=@x.test"
    envelope = ENVELOPE._replace(reverse_path=parse_mailbox(evil))
    octets = one(hold=replace(HOLD, approvers=(evil,)), envelope=envelope)
    assert f"\r\nTo: {evil}\r\n".encode() in octets
    assert b"\r\nX-Evil" not in octets
    assert len(email.message_from_bytes(octets, policy=policy.compat32).keys()) == 9
    assert f"genkan approval reject B0000000001 --by '{evil}'\n" in text_of(octets)


def test_of_a_long_subject_the_message_id_is_left() -> None:
    subject = read(one(b"Subject: " + b"x" * 900 + b"\r\n"))["Subject"]
    assert subject == f"Held for approval: {'x' * 147}... [B0000000001]"


def test_a_hostile_header_section_costs_next_to_nothing() -> None:
    assert len(one(b"Subject: " + b"=?utf-8?Q?=" * 100_000 + b"\r\n")) < 10_000
