# SPDX-License-Identifier: Apache-2.0
"""The automatic reply, read back as a mail program does; what a stranger wrote stays in its place."""

from __future__ import annotations

import email
import email.policy
from base64 import b64encode
from datetime import UTC, datetime
from time import process_time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.auto_reply import MOST_HEADER, MOST_REFERENCES, ReplyWords, auto_reply
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from email.message import EmailMessage

CAROL = Mailbox("Carol", "out.test")
WORDS = ReplyWords(
    Mailbox("ann", "in.test"),
    "Ann Example",
    "",
    "I am away.\n\n休暇中です。\n.\n",
    "B0000000008.reply@mx.in.test",
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)
HEADER = b"From: carol@out.test\r\nMessage-ID: <1@out.test>\r\nSubject: An order\r\n"
NAMES = ["Date", "From", "To", "Message-ID", "Subject", "Auto-Submitted", "MIME-Version"]
THREAD = ["In-Reply-To", "References"]
CONTENT = ["Content-Type", "Content-Transfer-Encoding"]


def read(octets: bytes) -> EmailMessage:
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    return email.message_from_bytes(octets, policy=email.policy.default)


def made(header: bytes = HEADER, sender: Mailbox = CAROL, **changes: Any) -> EmailMessage:
    return read(auto_reply(WORDS._replace(**changes), sender, header))


def test_a_reply_says_who_answers_what_and_that_a_program_wrote_it() -> None:
    mail = made()
    assert {name: str(value) for name, value in mail.items()} == {
        "Date": "Fri, 02 Jan 2026 03:04:05 +0000",
        "From": "Ann Example <ann@in.test>",
        "To": "Carol@out.test",
        "Message-ID": "<B0000000008.reply@mx.in.test>",
        "Subject": "Re: An order",
        "Auto-Submitted": "auto-replied",
        "MIME-Version": "1.0",
        "In-Reply-To": "<1@out.test>",
        "References": "<1@out.test>",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
    }
    assert mail.get_content().replace("\r\n", "\n") == WORDS.text


def test_a_reply_is_ascii_unless_an_address_is_not() -> None:
    assert auto_reply(WORDS._replace(name="安", subject="休暇"), CAROL, HEADER).isascii()
    sender = Mailbox("五郎", "例え.test")
    octets = auto_reply(WORDS, sender, HEADER)
    assert "\r\nTo: 五郎@例え.test\r\n".encode() in octets


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        (b"Subject: RE: Re:re: An order\r\n", "Re: An order"),
        (b"Subject: =?utf-8?B?5LyR5pqH?=\r\n =?utf-8?Q?_x?=\r\n", "Re: 休暇 x"),
        (b"Subject: \r\n", "Re: (no subject)"),
        (b"Subject: Re:\r\n", "Re: (no subject)"),
        (b"", "Re: (no subject)"),
        (b"Subject: Regards\r\n", "Re: Regards"),
    ],
)
def test_the_subject_is_that_of_the_answered_mail(header: bytes, subject: str) -> None:
    assert made(header)["Subject"] == subject


def test_a_subject_of_its_own_is_used_as_it_is() -> None:
    assert made(subject="休暇中 / Away")["Subject"] == "休暇中 / Away"


def test_a_long_subject_is_cut() -> None:
    assert len(made(b"Subject: " + b"x" * 5000 + b"\r\n")["Subject"]) == 200
    assert len(made(b"Subject: " + "休".encode() * 5000 + b"\r\n")["Subject"]) == 200


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", b"From: ann@in.test\r\n"),
        ("Ann", b"From: Ann <ann@in.test>\r\n"),
        ('Ann "A." Example, Ltd', b'From: "Ann \\"A.\\" Example, Ltd" <ann@in.test>\r\n'),
        ("=?utf-8?q?x?=", b'From: "=?utf-8?q?x?=" <ann@in.test>\r\n'),
        ("安\r\nX: y", b"From: =?utf-8?B?5a6JIFg6IHk=?= <ann@in.test>\r\n"),
        ('"' * 500, b'From: "' + b'\\"' * 87 + b'..." <ann@in.test>\r\n'),
    ],
)
def test_the_name_of_the_account_is_a_phrase(name: str, written: bytes) -> None:
    assert written in auto_reply(WORDS._replace(name=name), CAROL, HEADER)


def test_the_thread_goes_on() -> None:
    mail = made(HEADER + b"References: <a@x.test>\r\n <b@x.test> junk <c@x.test\r\nIn-Reply-To: <b@x.test>\r\n")
    assert mail["References"].split() == ["<a@x.test>", "<b@x.test>", "<1@out.test>"]
    assert mail["In-Reply-To"] == "<1@out.test>"


@pytest.mark.parametrize(
    ("answered", "references"),
    [(b"<b@x.test>", ["<b@x.test>", "<1@out.test>"]), (b"<a@x.test> <b@x.test>", ["<1@out.test>"])],
)
def test_without_references_the_one_answered_mail_counts(answered: bytes, references: list[str]) -> None:
    assert made(HEADER + b"In-Reply-To: " + answered + b"\r\n")["References"].split() == references


def test_of_many_references_the_last_are_kept() -> None:
    many = b" ".join(b"<%d@x.test>" % number for number in range(200))
    mail = made(HEADER + b"References: " + many + b"\r\n")
    assert mail["References"].split() == [f"<{number}@x.test>" for number in range(181, 200)] + ["<1@out.test>"]
    assert MOST_REFERENCES == 20


@pytest.mark.parametrize(
    "message_id",
    [
        b"",
        b"1@out.test",
        b"<>",
        b"<1>",
        b"<1@2@3>",
        b"<1 @out.test>",
        "<五@out.test>".encode(),
        b"<" + b"x" * 5000 + b"@y>",
    ],
)
def test_what_is_no_message_id_is_not_repeated(message_id: bytes) -> None:
    mail = made(b"Message-ID: " + message_id + b"\r\nReferences: <a@x.test>\r\n")
    assert list(mail.keys()) == [*NAMES, *CONTENT]


def test_encoded_words_within_encoded_words_begin_no_field() -> None:
    inner = b"=?utf-8?q?a=0D=0ABcc:_x@y.test=0D=0A=0D=0Abody?="
    mail = made(b"Message-ID: <1@out.test>\r\nSubject: =?utf-8?B?" + b64encode(inner) + b"?=\r\n")
    assert list(mail.keys()) == [*NAMES, *THREAD, *CONTENT]
    assert mail["Subject"] == "Re: = ?utf-8?q?a=0D=0ABcc:_x@y.test=0D=0A=0D=0Abody?="


def test_an_address_that_looks_like_an_encoded_word_stays_as_it_is() -> None:
    octets = auto_reply(WORDS, Mailbox("=?utf-8?q?a=0D=0ABcc=3A_x?=", "x.test"), HEADER)
    assert b"\r\nTo: =?utf-8?q?a=0D=0ABcc=3A_x?=@x.test\r\n" in octets
    assert b"\r\nBcc" not in octets


def test_long_lines_of_text_are_broken_softly() -> None:
    text = "休" * 5000 + "\r\nx \r" + "y" * 5000
    octets = auto_reply(WORDS._replace(text=text), CAROL, HEADER)
    assert max(map(len, octets.split(b"\r\n"))) <= 78
    assert read(octets).get_content().replace("\r\n", "\n").rstrip("\n") == "休" * 5000 + "\nx \n" + "y" * 5000


@pytest.mark.parametrize("piece", [b"<", b"<a@", b"<a@b>", b"Re: ", b"re:", b"=?", b"\r\n ", b"=?utf-8?q?a?= "])
@pytest.mark.parametrize("name", [b"Subject: ", b"References: ", b"Message-ID: "])
def test_hostile_headers_cost_one_pass(name: bytes, piece: bytes) -> None:
    header = HEADER + name + piece * (2 * MOST_HEADER // len(piece)) + b"\r\n"
    begin = process_time()
    octets = auto_reply(WORDS, CAROL, header)
    assert process_time() - begin < 1.0
    assert len(octets) < 8000


@given(st.binary(max_size=200), st.binary(max_size=100), st.text(max_size=30), st.text(max_size=60))
def test_strangers_add_no_fields(subject: bytes, message_id: bytes, local_part: str, text: str) -> None:
    header = b"Subject: " + subject + b"\r\nMessage-ID: " + message_id + b"\r\n"
    octets = auto_reply(WORDS._replace(text=text), Mailbox(local_part, "x.test"), header)
    mail = email.message_from_bytes(octets, policy=email.policy.compat32)
    assert [name for name in mail.keys() if name not in THREAD] == [*NAMES, *CONTENT]  # noqa: SIM118
