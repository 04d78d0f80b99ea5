# SPDX-License-Identifier: Apache-2.0
"""Trace fields: their exact octets, and that nothing foreign gets out of its place in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.trace import (
    Hop,
    delivered_to_field,
    format_date,
    protocol_name,
    received_field,
    return_path_field,
)
from genkan.smtp.address import Mailbox

HOP = Hop("client.example", "host.example", "192.0.2.7", "mx.in.test", "Genkan ESMTP receiver", "ESMTP")
ANN = Mailbox("ann", "in.test")
NOON = datetime(2026, 3, 1, 12, 0, 5, 999_999, tzinfo=UTC)
TOKYO = timedelta(hours=9)


def from_clause(hop: Hop) -> str:
    """The field unfolded, up to its by-clause."""
    return received_field(hop, "B1", None, NOON).decode("ascii").replace("\r\n", "").partition(" by mx.in.test ")[0]


def test_received_names_both_hosts_the_id_the_only_recipient_and_the_time() -> None:
    expected = (
        b"Received: from client.example (host.example [192.0.2.7])\r\n"
        b" by mx.in.test (Genkan ESMTP receiver) with ESMTP id <B0000000042@mx.in.test>\r\n"
        b" for <ann@in.test>; Sun, 1 Mar 2026 12:00:05 +0000\r\n"
    )
    assert received_field(HOP, "B0000000042", ANN, NOON) == expected


def test_received_without_a_sole_recipient_names_none() -> None:
    expected = (
        b"Received: from client.example (host.example [192.0.2.7])\r\n"
        b" by mx.in.test (Genkan ESMTP receiver) with ESMTP id <B0000000042@mx.in.test>;\r\n"
        b" Sun, 1 Mar 2026 21:00:05 +0900\r\n"
    )
    assert received_field(HOP, "B0000000042", None, NOON, TOKYO) == expected


def test_a_client_without_reverse_name_is_unverified() -> None:
    actual = from_clause(HOP._replace(client_domain=""))
    assert actual == "Received: from client.example (unverified [192.0.2.7])"


def test_an_ipv6_client_is_written_as_address_literal() -> None:
    actual = from_clause(HOP._replace(client_domain="", client_address="2001:db8::1"))
    assert actual == "Received: from client.example (unverified [IPv6:2001:db8::1])"


@pytest.mark.parametrize("hello", ["[192.168.0.1]", "[IPv6:2001:db8::7]", "PC-7", "a.b.example"])
def test_a_greeting_with_domain_or_literal_stands_as_given(hello: str) -> None:
    assert from_clause(HOP._replace(hello_domain=hello)) == f"Received: from {hello} (host.example [192.0.2.7])"


@pytest.mark.parametrize(
    ("hello", "comment"),
    [
        ("my_pc", "my_pc"),
        ("a (b", r"a \(b"),
        ("a) (b", r"a\) \(b"),
        ("a\\", r"a\\"),
        ("x\r\nBcc: eve@out.test", "x??Bcc: eve@out.test"),
        ("a@b", "a@b"),
        ("-a.example", "-a.example"),
        ("[192.0.2.300]", "[192.0.2.300]"),
        ("bücher.example", "b?cher.example"),
        ("\0", "?"),
    ],
)
def test_a_greeting_that_is_no_domain_goes_into_the_comment(hello: str, comment: str) -> None:
    expected = f"Received: from [192.0.2.7] (host.example [192.0.2.7]; greeting {comment})"
    assert from_clause(HOP._replace(hello_domain=hello)) == expected


def test_a_client_that_did_not_name_itself_is_named_by_its_address() -> None:
    assert from_clause(HOP._replace(hello_domain="")) == "Received: from [192.0.2.7] (host.example [192.0.2.7])"


def test_a_recipient_beyond_ascii_is_named_only_under_smtputf8() -> None:
    umlaut = Mailbox("jürgen", "in.test")
    plain = received_field(HOP, "B1", umlaut, NOON)
    extended = received_field(HOP._replace(protocol="UTF8SMTPS"), "B1", umlaut, NOON)
    assert plain == received_field(HOP, "B1", None, NOON)
    assert "for <jürgen@in.test>;".encode() in extended


def test_a_long_recipient_leaves_the_date_a_line_of_its_own() -> None:
    path = Mailbox("a" * 40, "in.test")
    assert received_field(HOP, "B1", path, NOON).endswith(
        f"\r\n for <{path}>;\r\n Sun, 1 Mar 2026 12:00:05 +0000\r\n".encode()
    )


@given(
    hello=st.text(max_size=300),
    name=st.text(max_size=300),
    banner=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200),
    local_part=st.text(st.characters(codec="utf-8"), min_size=1, max_size=64),
)
def test_foreign_text_cannot_leave_its_place(hello: str, name: str, banner: str, local_part: str) -> None:
    hop = Hop(hello, name, "192.0.2.7", "mx.in.test", banner, "UTF8SMTP")
    field = received_field(hop, "B0000000001", Mailbox(local_part, "in.test"), NOON)
    assert field.endswith(b"\r\n")
    lines = field[:-2].split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])
    assert not re.search(rb"[\0-\x1f\x7f]", b"".join(lines))
    before_recipient = field.partition(b"\r\n for <")[0]
    specials = re.sub(rb"\\.|[^()]", b"", before_recipient.replace(b"\r\n", b""))
    assert specials == b"()()"


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(9990, 1, 1), timezones=st.just(UTC)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timedelta(minutes=minutes)),
)
def test_dates_are_those_of_rfc_5322_in_any_zone(moment: datetime, zone: timedelta) -> None:
    expected = re.sub(r", 0(\d) ", r", \1 ", format_datetime(moment.astimezone(timezone(zone))))
    assert format_date(moment, zone) == expected


@pytest.mark.parametrize(
    ("extended", "tls", "authenticated", "smtputf8", "expected"),
    [
        (False, True, False, False, "SMTP"),
        (True, False, False, False, "ESMTP"),
        (True, True, False, False, "ESMTPS"),
        (True, False, True, False, "ESMTPA"),
        (True, True, True, False, "ESMTPSA"),
        (True, False, False, True, "UTF8SMTP"),
        (True, True, True, True, "UTF8SMTPSA"),
    ],
)
def test_protocol_names_are_the_registered_ones(
    *, extended: bool, tls: bool, authenticated: bool, smtputf8: bool, expected: str
) -> None:
    actual = protocol_name(extended=extended, tls=tls, authenticated=authenticated, smtputf8=smtputf8)
    assert actual == expected


def test_return_path_holds_the_reverse_path_in_brackets() -> None:
    assert return_path_field(Mailbox("a b", "out.test")) == b'Return-Path: <"a b"@out.test>\r\n'


def test_return_path_of_a_null_reverse_path_is_empty_brackets() -> None:
    assert return_path_field(None) == b"Return-Path: <>\r\n"


def test_delivered_to_holds_the_bare_mailbox() -> None:
    assert delivered_to_field(Mailbox("jürgen", "in.test")) == "Delivered-To: jürgen@in.test\r\n".encode()


def test_a_mailbox_made_by_hand_cannot_end_its_line() -> None:
    assert delivered_to_field(Mailbox("a\r\nX: y", "in.test")) == b'Delivered-To: "a??X: y"@in.test\r\n'
