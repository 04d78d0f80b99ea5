# SPDX-License-Identifier: Apache-2.0
"""The fields that a mailing list writes, and those of others that it takes out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from genkan.message.header import HeaderFields
from genkan.message.list_fields import ListWords, has_passed, list_header, unsubscribe_fields
from genkan.smtp.address import Mailbox

DEV = Mailbox("dev", "in.test")
WORDS = ListWords("dev.in.test", DEV)
HEADER = b"Received: x\r\nFrom: ann@in.test\r\nSubject: Re: hello\r\n"
OWN = b"List-Id: <dev.in.test>\r\nList-Post: <mailto:dev@in.test>\r\nPrecedence: list\r\n"


def test_a_plain_list_only_adds_its_fields() -> None:
    assert list_header(HEADER, WORDS) == HEADER + OWN
    assert list_header(HEADER.rstrip(), WORDS) == HEADER + OWN
    assert list_header(b"", WORDS) == b"\r\n" + OWN


def test_owner_and_subscription_are_named() -> None:
    words = WORDS._replace(owner=Mailbox("dev-owner", "in.test"), subscribe=Mailbox("dev-subscribe", "in.test"))
    assert list_header(HEADER, words)[len(HEADER) :].split(b"\r\n")[2:5] == [
        b"List-Help: <mailto:dev-owner@in.test?subject=help>",
        b"List-Owner: <mailto:dev-owner@in.test>",
        b"List-Subscribe: <mailto:dev-subscribe@in.test>",
    ]


def test_a_title_cannot_become_another_field_or_another_list() -> None:
    made = list_header(HEADER, WORDS._replace(title='The "<other.test>" list'))
    assert HeaderFields(made).first("list-id") == b'"The \\"<other.test>\\" list" <dev.in.test>'
    assert not has_passed(made, "other.test")
    japanese = HeaderFields(list_header(HEADER, WORDS._replace(title="開発")))
    assert japanese.text("list-id") == "開発 <dev.in.test>"
    assert japanese.octets.isascii()


def test_fields_of_lists_before_and_those_that_spy_are_replaced() -> None:
    old = (
        b"LIST-ID: other\r\n\t<x.test>\r\nList-Unsubscribe: <mailto:x>\r\nPrecedence : bulk\r\n"
        b"Disposition-Notification-To: x@out.test\r\nReturn-Receipt-To: x\r\nList-Idle: stays\r\n"
    )
    assert list_header(HEADER + old, WORDS) == HEADER + b"List-Idle: stays\r\n" + OWN


def test_the_tag_is_put_before_a_subject_once() -> None:
    words = WORDS._replace(subject_tag="[dev]")
    assert HeaderFields(list_header(HEADER, words)).text("subject") == "[dev] Re: hello"
    for subject in (b"[dev] hello", b"Re: [dev] hello", b"=?utf-8?B?W2Rldl0gaGVsbG8=?="):
        header = b"Subject: %b\r\n" % subject
        assert list_header(header, words) == header + OWN
    assert HeaderFields(list_header(b"From: x\r\n", words)).text("subject") == "[dev]"


def test_a_message_that_was_here_is_known_by_its_identifier() -> None:
    assert has_passed(list_header(HEADER, WORDS), "Dev.in.test")
    assert has_passed(b"List-Id: x <a.test>\r\nlist-id: dev\r\n <DEV.in.test>\r\n", "dev.in.test")
    assert not has_passed(b"List-Id: dev.in.test\r\nX-List: <dev.in.test>\r\n", "dev.in.test")


def test_a_member_leaves_by_mail_or_with_one_click() -> None:
    leave = Mailbox("dev-unsubscribe+abc", "in.test")
    assert unsubscribe_fields(leave) == b"List-Unsubscribe: <mailto:dev-unsubscribe+abc@in.test>\r\n"
    assert unsubscribe_fields(leave, "https://l.test/x/abc") == (
        b"List-Unsubscribe: <mailto:dev-unsubscribe+abc@in.test>,\r\n <https://l.test/x/abc>\r\n"
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    )
    assert b"One-Click" not in unsubscribe_fields(leave, "http://127.0.0.1/x/abc")


def test_an_address_in_a_uri_is_escaped() -> None:
    assert unsubscribe_fields(Mailbox("a?b&c%<>", "in.test")) == (
        b"List-Unsubscribe: <mailto:a%3Fb%26c%25%3C%3E@in.test>\r\n"
    )


@given(st.binary(max_size=300), st.sampled_from([b"List-Id", b"Precedence", b"Subject"]))
def test_any_header_section_ends_in_our_fields(octets: bytes, name: bytes) -> None:
    made = list_header(name + b": " + octets, WORDS._replace(subject_tag="[dev]"))
    assert made.endswith(b"\n" + OWN)
    assert has_passed(made, "dev.in.test")
