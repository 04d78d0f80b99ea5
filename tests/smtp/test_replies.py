# SPDX-License-Identifier: Apache-2.0
"""The reply catalogue: the product's wording octet by octet, and the rules that every row keeps."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest

from genkan.smtp import replies
from genkan.smtp.reply import Profile, ReplyRow, Wordbook, Wording

FIELDS = {
    "fqdn": "mx.in.test",
    "banner": "Genkan ESMTP receiver",
    "client_address": "192.0.2.10",
    "size": "26214400",
    "mechanisms": "PLAIN LOGIN CRAM-MD5",
    "challenge": "VXNlcm5hbWU6",
    "reverse_path": "ann@in.test",
    "forward_path": "bob@out.test",
    "account": "ann",
    "mailbox": "ann@in.test",
    "name": "Ann Example",
    "message_id": "B0000000001",
    "command": "XYZ",
    "keyword": "8BITMIME",
    "text": "HELO EHLO MAIL RCPT",
    "reason": "no domain",
    "parameter": "SIZE",
    "id": "a1b2c3",
    "octets": "1000",
    "domain": "out.test",
}
"""A value for every field that a row may have."""

PRODUCT = {
    "GREETING": "220 mx.in.test Genkan ESMTP receiver",
    "TRIAL_EXPIRED": "421 Exceeded an expiration date.",
    "TOO_MANY_SESSIONS": "421 exceeds an accepting limit. ...",
    "CLOSING": "221 2.0.0 mx.in.test closing connection.",
    "MESSAGE_RECEIVED": "250 2.0.0 Message received ok.",
    "NOOP_OK": "250 2.0.0 ok.",
    "HELO_HELLO": "250 mx.in.test Hello [192.0.2.10], pleased to meet you",
    "EHLO_HELLO": "250 mx.in.test Hello [192.0.2.10], pleased to meet you",
    "EHLO_SIZE": "250 SIZE 26214400",
    "EHLO_AUTH": "250 AUTH PLAIN LOGIN CRAM-MD5",
    "EHLO_STARTTLS": "250 STARTTLS",
    "AUTH_CHALLENGE": "334 VXNlcm5hbWU6",
    "AUTH_OK": "235 2.0.0 Authentication successful.",
    "READY_FOR_TLS": "220 2.0.0 Ready to start TLS",
    "SENDER_OK": "250 2.0.0 <ann@in.test>... Sender ok.",
    "RECIPIENT_OK": "250 2.0.0 <bob@out.test>... Recipient ok.",
    "RESET_OK": "250 2.0.0 Reset state",
    "VRFY_OK": "250 2.0.0 ann Ann Example ... User ok",
    "EXPN_OK": "250 2.0.0 ann Ann Example",
    "NO_VALID_RECIPIENT": "550 5.1.1 Please mail to a valid e-mail address.",
    "SENDER_BLACKLISTED": "550 5.1.1 Please mail to a valid e-mail address. approval filter. "
    "'ann@in.test' is entry in the blacklist.",
    "RECIPIENT_FORBIDDEN": "550 5.1.1 Please mail to a valid e-mail address. approval filter. "
    "'ann@in.test' is entry in the blacklist.",
    "TOO_MANY_RECIPIENTS": "550 5.1.1 Address exceeds a maximum.",
    "MAILBOX_FULL": "450 4.2.2 Sorry. e-mail address box is full.",
    "START_MAIL_INPUT": "354 2.0.0 Start mail input;id <B0000000001> end with <CRLF>.<CRLF>",
    "SPF_DEFERRED": "450 4.7.1 Sorry. mail from a valid IP or Domain address.(SPF_GRAY)",
    "SENDER_UNKNOWN": "550 5.1.7 Please, mail from a valid e-mail address.",
    "SENDER_FORBIDDEN": "550 5.1.7 Please, mail from a valid IP or Domain address.",
    "LIST_NEEDS_AUTH": "550 5.7.0 Please, mail after SMTP-authentication.",
    "COMMAND_UNRECOGNIZED": '500 5.5.2 command unrecognized: "XYZ"',
    "ARGUMENT_REQUIRED": "501 5.5.2 Argument required",
    "AUTH_CANCELLED": "501 5.0.0 The client wanted to cancel authentication.",
    "VRFY_DISABLED": "502 5.3.3 Command isn't implemented.",
    "DUPLICATE_HELO": "503 5.5.1 mx.in.test Duplicate HELO",
    "DUPLICATE_EHLO": "503 5.5.1 mx.in.test Duplicate EHLO",
    "DUPLICATE_AUTH": "503 5.5.1 mx.in.test Duplicate AUTH",
    "SENDER_ALREADY_SPECIFIED": "503 5.5.1 Sender already specified",
    "AUTH_NOT_ENABLED": "503 5.5.1 Error: authentication not enabled.",
    "NEED_EHLO_BEFORE_AUTH": "503 5.0.0 Need EHLO before AUTH",
    "NEED_AUTH_BEFORE_MAIL": "503 5.0.0 Need AUTH before MAIL",
    "NEED_MAIL_BEFORE_RCPT": "503 5.0.0 Need MAIL before RCPT",
    "NEED_RCPT": "503 5.0.0 Need RCPT",
    "AUTH_MECHANISM_UNKNOWN": "504 5.7.4 Unrecognized authentication type.",
    "AUTH_FAILED": "535 5.7.0 Authentication failed.",
    "USER_UNKNOWN": "550 5.1.1 bob@out.test ... User unknown.",
    "RELAY_DENIED": "550 5.7.1 Sorry bob@out.test, I don't allow unauthorized relaying.",
    "MESSAGE_TOO_BIG": "552 5.3.1 Requested mail action aborted: exceeded storage allocation.",
    "CAUGHT_BY_FILTER": "552 5.7.1 Requested mail action aborted: caught by the filter setting.",
    "SUBJECT_BLACKLISTED": "552 5.7.1 Requested mail action aborted: approval filter.",
    "TOO_MANY_HOPS": "554 5.4.6 too many Received: headers.",
}
"""The 49 replies of the product as they stand on the wire; one of them has two causes, which older versions told apart."""

ROWS = list(replies.CATALOGUE.values())
EVERY_ROW = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
WITHOUT_ENHANCED_CODE = {
    *("GREETING", "TRIAL_EXPIRED", "TOO_MANY_SESSIONS", "IDLE_TIMEOUT", "AUTH_CHALLENGE"),
    *("HELO_HELLO", "EHLO_HELLO", "EHLO_KEYWORD", "EHLO_STARTTLS", "EHLO_AUTH", "EHLO_SIZE"),
}


def fields_of(wording: Wording) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(wording.text) if name is not None}


def line_of(row: ReplyRow, profile: Profile) -> str:
    return Wordbook(profile).reply(row, **FIELDS).octets.decode("ascii").removesuffix("\r\n")


@pytest.mark.parametrize("name", PRODUCT)
def test_newest_product_profile_says_the_product_words(name: str) -> None:
    assert line_of(replies.CATALOGUE[name], Profile.EPSTRS_4A7) == PRODUCT[name]


def test_the_rows_of_the_product_are_exactly_those_known() -> None:
    assert {row.name for row in ROWS if row.origin == "seed"} == set(PRODUCT)
    assert len(PRODUCT) == 49 + 1


@pytest.mark.parametrize("name", PRODUCT)
def test_older_product_profile_differs_only_for_a_forbidden_recipient(name: str) -> None:
    differs = line_of(replies.CATALOGUE[name], Profile.EPSTRS_483) != PRODUCT[name]
    assert differs == (name == "RECIPIENT_FORBIDDEN")


def test_forbidden_recipient_got_the_plain_text_before_4a7() -> None:
    line = line_of(replies.RECIPIENT_FORBIDDEN, Profile.EPSTRS_483)
    assert line == "550 5.1.1 Please mail to a valid e-mail address."


@EVERY_ROW
def test_oldest_product_profile_drops_the_enhanced_code_and_nothing_else(row: ReplyRow) -> None:
    newer = row.in_profile(Profile.EPSTRS_483)
    assert row.in_profile(Profile.EPSTRS_482) == Wording(newer.code, None, newer.text)


@EVERY_ROW
def test_row_is_the_attribute_of_its_name(row: ReplyRow) -> None:
    assert getattr(replies, row.name) is row


def test_every_row_attribute_is_in_the_catalogue() -> None:
    attributes = {name for name, value in vars(replies).items() if isinstance(value, ReplyRow)}
    assert attributes == set(replies.CATALOGUE)


def test_every_row_stands_in_exactly_one_section() -> None:
    assert [row for rows in replies.SECTIONS.values() for row in rows] == ROWS


@EVERY_ROW
def test_enhanced_code_is_there_but_for_the_listed_rows(row: ReplyRow) -> None:
    assert (row.wording.enhanced is None) == (row.name in WITHOUT_ENHANCED_CODE)


@EVERY_ROW
@pytest.mark.parametrize("profile", Profile)
def test_wording_is_printable_ascii_with_known_fields(row: ReplyRow, profile: Profile) -> None:
    wording = row.in_profile(profile)
    assert wording.text.isascii()
    assert wording.text.isprintable()
    assert wording.text == wording.text.strip()
    assert fields_of(wording) <= set(FIELDS)


@EVERY_ROW
@pytest.mark.parametrize("profile", Profile)
def test_line_has_no_unfilled_field(row: ReplyRow, profile: Profile) -> None:
    line = line_of(row, profile)
    assert line[:3] == str(row.in_profile(profile).code)
    assert "{" not in line


@pytest.mark.parametrize("code", [220, 221, 421])
def test_rfc_profile_names_the_server_first_where_the_channel_opens_or_closes(code: int) -> None:
    texts = [row.rfc.text if row.rfc else row.wording.text for row in ROWS if row.in_profile(Profile.RFC).code == code]
    assert [text for text in texts if not text.startswith("{fqdn} ")] == (["Ready to start TLS"] if code == 220 else [])


@EVERY_ROW
def test_meaning_and_remedy_are_one_sentence_in_both_languages(row: ReplyRow) -> None:
    assert row.meaning.endswith(".")
    assert row.remedy.endswith((".", "`."))
    assert row.meaning_ja.endswith("。")
    assert row.remedy_ja.endswith(("。", "`"))
    assert any("\u3040" <= character <= "\u30ff" for character in row.meaning_ja)
    assert any("\u3040" <= character <= "\u30ff" for character in row.remedy_ja)


def test_enhanced_code_of_another_class_is_refused() -> None:
    with pytest.raises(ValueError, match="550 does not go with 4.1.1"):
        replies.check_row(replace(replies.USER_UNKNOWN, rfc=Wording(550, "4.1.1", "no")))


def test_the_listed_exception_covers_only_its_own_enhanced_code() -> None:
    replies.check_row(replies.START_MAIL_INPUT)
    with pytest.raises(ValueError, match="354 does not go with 2.1.0"):
        replies.check_row(replace(replies.START_MAIL_INPUT, wording=Wording(354, "2.1.0", "go")))


def test_number_that_is_no_reply_code_is_refused() -> None:
    with pytest.raises(ValueError, match="150 is not a reply code"):
        replies.check_row(replace(replies.NOOP_OK, wording=Wording(150, None, "ok.")))


def test_second_row_of_one_name_is_refused() -> None:
    section = replies._Section("Connection")
    with pytest.raises(ValueError, match="NOOP_OK: this name is in the catalogue already"):
        section.seed("NOOP_OK", Wording(250, "2.0.0", "ok."))
