# SPDX-License-Identifier: Apache-2.0
"""Delivery status notifications, read again by the standard library's parser: every field, nobody else's names, no injection."""

from __future__ import annotations

import email
import email.policy
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.bounce import read_bounce
from genkan.message.dsn import Identity, ReportedRecipient, Returned, report, wants, wants_whole
from genkan.message.envelope import Recipient
from genkan.smtp.address import Mailbox
from tests.support.spools import envelope

if TYPE_CHECKING:
    from genkan.message.dsn import Action

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
IDENTITY = Identity("mx.in.test", "B0000000009", NOW)
EVE = Recipient(Mailbox("eve", "example.org"), Mailbox("eve", "example.org"))
ORIGINAL = b"From: carol\r\nSubject: =?utf-8?B?5LyR5pqH?=\r\nX: 1\r\n\r\nbody\r\n--=_x\r\n.dot\r\n"


def failed(recipient: Recipient = EVE, reply: str = "550 5.1.1 no such mailbox", **changes: Any) -> ReportedRecipient:
    one = ReportedRecipient(recipient, "failed", "5.1.1", "mx.example.org", reply, "mx.example.org said no", NOW)
    return one._replace(**changes)


def read(octets: bytes) -> Any:
    assert b"\r\n" in octets
    assert b"\n" not in octets.replace(b"\r\n", b"")
    return email.message_from_bytes(octets, policy=email.policy.default)


def made(*reported: ReportedRecipient, whole: bool = False, **changes: Any) -> Any:
    returned = Returned(ORIGINAL, whole=whole)
    return read(report(envelope(1)._replace(**changes), reported or (failed(),), returned, IDENTITY))


def fields(mail: Any, group: int) -> dict[str, str]:
    """The fields of the delivery-status part: group 0 is the message's, then one a recipient."""
    return {name: str(value) for name, value in mail.get_payload(1).get_payload(group).items()}


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ("", {"failed", "delayed"}),
        ("NEVER", set()),
        ("SUCCESS", {"delivered", "relayed"}),
        ("FAILURE", {"failed"}),
        ("DELAY", {"delayed"}),
        ("SUCCESS,FAILURE", {"delivered", "relayed", "failed"}),
        ("success,delay", {"delivered", "relayed", "delayed"}),
    ],
)
def test_who_hears_of_what(notify: str, told: set[str]) -> None:
    actions: tuple[Action, ...] = ("failed", "delayed", "delivered", "relayed")
    assert {action for action in actions if wants(EVE._replace(notify=notify), action)} == told


@pytest.mark.parametrize(
    ("ret", "action", "whole"),
    [("FULL", "failed", True), ("full", "failed", True), ("FULL", "delayed", False), ("HDRS", "failed", False)],
)
def test_the_whole_message_goes_back_with_failures_and_when_it_is_asked_for(
    ret: str, action: Action, whole: bool
) -> None:
    assert wants_whole(envelope(1)._replace(ret=ret), action) is whole


def test_a_report_is_addressed_to_the_reverse_path_and_says_that_nobody_wrote_it() -> None:
    mail = made()
    assert (mail["To"], mail["From"]) == ("carol@example.net", "Mail Delivery System <mailer-daemon@mx.in.test>")
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["Subject"] == "Undelivered mail: 休暇"
    assert mail["Message-ID"] == "<B0000000009.report@mx.in.test>"
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in mail.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]


def test_the_part_for_programs_has_the_fields_of_rfc_3464() -> None:
    eve = EVE._replace(original="rfc822;Eve+2B1@example.com")
    mail = made(failed(eve, until=NOW + timedelta(days=1)), envid="QQ+3D1")
    assert fields(mail, 0) == {
        "Original-Envelope-Id": "QQ=1",
        "Reporting-MTA": "dns; mx.in.test",
        "Received-From-MTA": "dns; mx.example.net",
        "Arrival-Date": "Fri, 2 Jan 2026 03:04:05 +0000",
    }
    assert fields(mail, 1) == {
        "Original-Recipient": "rfc822;Eve+1@example.com",
        "Final-Recipient": "rfc822;eve@example.org",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.org",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such mailbox",
        "Last-Attempt-Date": "Mon, 23 Nov 2026 12:00:00 +0000",
        "Will-Retry-Until": "Tue, 24 Nov 2026 12:00:00 +0000",
    }


def test_people_are_told_what_happened_why_and_what_to_do_in_two_languages() -> None:
    text = made().get_payload(0).get_content()
    for words in ("<eve@example.org>", "550 5.1.1 no such mailbox", "Check the address", "配送できませんでした"):
        assert words in text


def test_each_recipient_has_a_group_and_nobody_else_is_named() -> None:
    bob = Recipient(Mailbox("bob", "example.org"), Mailbox("hidden", "example.org"))
    octets = report(
        envelope(1, EVE, bob, Recipient(Mailbox("secret", "x.test"), Mailbox("secret", "x.test"))),
        [failed(), failed(bob)],
        Returned(ORIGINAL, whole=False),
        IDENTITY,
    )
    assert [fields(read(octets), number)["Final-Recipient"] for number in (1, 2)] == [
        "rfc822;eve@example.org",
        "rfc822;bob@example.org",
    ]
    assert b"secret" not in octets
    assert b"hidden" not in octets


def test_the_message_goes_back_octet_by_octet() -> None:
    octets = report(envelope(1), [failed()], Returned(ORIGINAL, whole=True), IDENTITY)
    assert b"Content-Type: message/rfc822\r\n\r\n" + ORIGINAL + b"\r\n--=_" in octets
    headers = report(envelope(1), [failed()], Returned(ORIGINAL, whole=False), IDENTITY)
    assert ORIGINAL.partition(b"\r\n\r\n")[0] in headers
    assert b"\r\nbody\r\n" not in headers


def test_a_report_beyond_ascii_uses_the_types_of_rfc_6533() -> None:
    path = Mailbox("五郎", "example.org")
    mail = made(failed(Recipient(path, path)), smtputf8=True)
    assert [part.get_content_type() for part in mail.iter_parts()][1:] == [
        "message/global-delivery-status",
        "message/global-headers",
    ]


def test_what_a_next_hop_says_is_one_line_and_bounded() -> None:
    reply = "550 no\r\nAction: delivered\r\n\r\n" + "x" * 20_000
    octets = report(envelope(1), [failed(reply=reply)], Returned(ORIGINAL, whole=False), IDENTITY)
    assert fields(read(octets), 1)["Action"] == "failed"
    assert max(map(len, octets.split(b"\r\n"))) < 998
    assert len(octets) < 10_000


@given(
    reply=st.text(max_size=50),
    reason=st.text(max_size=50),
    remote=st.text(max_size=20),
    status=st.text(max_size=8),
    original=st.text(max_size=20),
    envid=st.text(max_size=20),
    header=st.binary(max_size=200),
)
def test_nothing_that_strangers_say_breaks_a_report(header: bytes, original: str, envid: str, **said: str) -> None:
    one = failed(EVE._replace(original=original), **said)
    returned = Returned(b"Subject: " + header + b"\r\n", whole=False)
    octets = report(envelope(1)._replace(envid=envid), [one], returned, IDENTITY)
    mail = email.message_from_bytes(octets, policy=email.policy.compat32)
    parts: Any = mail.get_payload()
    assert len(parts) == 3
    assert [group["Action"] for group in parts[1].get_payload()] == [None, "failed"]
    assert [name for name, _ in mail.items() if name != "Content-Transfer-Encoding"] == [
        "Date", "From", "To", "Message-ID", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type",
    ]  # fmt: skip


def test_encoded_words_within_encoded_words_begin_no_field() -> None:
    inner = b"=?utf-8?q?a=0D=0ABcc:_x@y.test=0D=0A=0D=0Abody?="
    header = b"Subject: =?utf-8?B?" + b64encode(inner) + b"?=\r\n\r\n"
    mail = read(report(envelope(1), [failed()], Returned(header, whole=False), IDENTITY))
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Undelivered mail: = ?utf-8?q?a=0D=0ABcc:_x@y.test=0D=0A=0D=0Abody?="


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (Mailbox("=?utf-8?q?a=0D=0ABcc=3A_x?=", "x.test"), "=?utf-8?q?a=0D=0ABcc=3A_x?=@x.test"),
        (Mailbox('a "b', "x.test"), '"a \\"b"@x.test'),
        (Mailbox("a", "[IPv6:2001:db8::1]"), "a@[IPv6:2001:db8::1]"),
        (Mailbox("五郎", "例え.test"), "五郎@例え.test"),
        (Mailbox("a" * 64, "b." * 90 + "test"), "a" * 64 + "@" + "b." * 90 + "test"),
    ],
)
def test_a_reverse_path_is_written_as_it_is(path: Mailbox, written: str) -> None:
    octets = report(envelope(1)._replace(reverse_path=path), [failed()], Returned(b"", whole=False), IDENTITY)
    assert f"\r\nTo: {written}\r\nMessage-ID: ".encode() in octets


def test_a_report_about_a_mail_of_seven_bits_has_seven_bits() -> None:
    one = failed(reply="550 そのアドレスは存在しません", remote="例え.test")
    octets = report(envelope(1), [one], Returned(ORIGINAL, whole=True), IDENTITY)
    assert octets.isascii()
    mail = read(octets)
    assert mail["Content-Transfer-Encoding"] is None
    assert "550 そのアドレスは存在しません" in mail.get_payload(0).get_content()
    assert fields(mail, 1)["Diagnostic-Code"] == f"smtp; 550 {'?' * 13}"


def test_a_report_says_that_it_returns_eight_bits() -> None:
    octets = report(envelope(1), [failed()], Returned("Subject: x\r\n\r\n本文\r\n".encode(), whole=True), IDENTITY)
    mail = read(octets)
    assert mail["Content-Transfer-Encoding"] == "8bit"
    assert (mail.get_payload(2).get_content_type(), mail.get_payload(2)["Content-Transfer-Encoding"]) == (
        "message/rfc822",
        "8bit",
    )


def test_no_line_of_a_report_beyond_ascii_is_too_long() -> None:
    path = Mailbox("五郎", "example.org")
    one = failed(Recipient(path, path), reply="拒" * 20_000, remote="例" * 1000)
    octets = report(envelope(1)._replace(smtputf8=True), [one], Returned(ORIGINAL, whole=False), IDENTITY)
    assert max(map(len, octets.split(b"\r\n"))) <= 998


def test_an_original_recipient_is_told_as_it_was_given() -> None:
    given = "utf-8;五郎@例え.test"
    path = Mailbox("五郎", "example.org")
    one = failed(Recipient(path, path, original=given))
    octets = report(envelope(1)._replace(smtputf8=True), [one], Returned(ORIGINAL, whole=False), IDENTITY)
    assert f"\r\nOriginal-Recipient: {given}\r\nFinal-Recipient: utf-8;五郎@example.org\r\n".encode() in octets
    ascii_only = fields(made(failed(EVE._replace(original=given))), 1)["Original-Recipient"]
    assert ascii_only == r"utf-8;\x{4E94}\x{90CE}@\x{4F8B}\x{3048}.test"
    long = "rfc822;" + "x" * 400 + "@y.test"
    assert fields(made(failed(EVE._replace(original=long))), 1)["Original-Recipient"] == long


@pytest.mark.parametrize("original", ["no type", "rfc822;", ";x", "rfc822;a b", "x" * 60 + ";y", "五;x@y.test"])
def test_what_is_no_original_recipient_is_left_out(original: str) -> None:
    assert "Original-Recipient" not in fields(made(failed(EVE._replace(original=original))), 1)


@pytest.mark.parametrize(
    ("action", "status"), [("failed", "5.0.0"), ("delayed", "4.0.0"), ("delivered", "2.0.0"), ("relayed", "2.0.0")]
)
def test_a_status_that_is_none_becomes_that_of_the_action(action: Action, status: str) -> None:
    assert fields(made(failed(action=action, status="5.1\r\nX: y")), 1)["Status"] == status


def test_words_of_ours_are_told_only_when_they_are_about_a_next_hop() -> None:
    there = fields(made(failed(reply="", reason="no answer in time")), 1)
    assert there["Diagnostic-Code"] == "x-genkan; no answer in time"
    octets = report(
        envelope(1), [failed(reply="", remote="", reason="/srv/secret")], Returned(b"", whole=False), IDENTITY
    )
    assert b"secret" not in octets
    assert "Diagnostic-Code" not in fields(read(octets), 1)


@pytest.mark.parametrize(
    ("start", "kept"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nbody", b"A: 1\r\nB: 2\r\n"),
        (b"A: 1\r\nB: 2\r\n", b"A: 1\r\nB: 2\r\n"),
        (b"A: 1\r\nB: 2\r", b"A: 1\r\n"),
        (b"A: 1\r\nB: \xe4", b"A: 1\r\n"),
        (b"", b"\r\n"),
    ],
)
def test_a_line_of_the_header_section_that_was_cut_is_left_out(start: bytes, kept: bytes) -> None:
    octets = report(envelope(1), [failed()], Returned(start, whole=False), IDENTITY)
    assert b"Content-Type: text/rfc822-headers\r\n\r\n" + kept + b"\r\n--=_" in octets


def test_a_report_of_ours_is_understood_by_our_own_reader() -> None:
    for action, status, permanent in (("failed", "5.1.1", True), ("delayed", "4.4.1", False)):
        one = failed(action=action, status=status)
        octets = report(envelope(1), [one], Returned(ORIGINAL, whole=False), IDENTITY)
        header, _, body = octets.partition(b"\r\n\r\n")
        bounce = read_bounce(header + b"\r\n", body)
        assert bounce is not None
        assert bounce.permanent is permanent
