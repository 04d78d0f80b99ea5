# SPDX-License-Identifier: Apache-2.0
"""Signatures of our own: what they cover, how they are written, and that they verify until the message is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dkim.header_section import HeaderSection
from genkan.dkim.signing import MOST_OF_ONE_NAME, SIGNED_NAMES, Signer
from tests.support.signed_mail import BODY, HEADER, NOW, QUESTION, body_hash, key_of, verify

if TYPE_CHECKING:
    from genkan.dkim.key_pair import KeyKind

FULL = b"".join(f"{name}: {number}\r\n".encode() for number, name in enumerate(SIGNED_NAMES)) + b"X-Other: x\r\n"


def field_of(header: bytes, kind: KeyKind = "rsa") -> bytes:
    signer = Signer("example.test", "sel", key_of(kind).private)
    return signer.field(HeaderSection(header), body_hash(BODY), NOW)


def outcome(header: bytes, body: bytes = BODY, kind: KeyKind = "rsa") -> str:
    (result,) = verify(header, body, {QUESTION: (key_of(kind).record,)}).dkim
    return result.outcome


def tag(field: bytes, name: str) -> str:
    unfolded = field.decode().replace("\r\n ", "")
    return next(
        part.split("=", 1)[1] for part in unfolded.split(":", 1)[1].split(";") if part.strip().startswith(f"{name}=")
    )


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
@pytest.mark.parametrize("header", [HEADER, FULL, b"", b"no field\r\n", b"From: a\r\n" * 40])
def test_what_is_signed_verifies(kind: KeyKind, header: bytes) -> None:
    field = field_of(header, kind)
    assert outcome(field + header, kind=kind) == "pass"
    assert outcome(field + header, BODY + b"more", kind) == "fail"


def test_the_field_is_folded_and_says_all_that_a_verifier_needs() -> None:
    lines = field_of(FULL).split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) <= 78 for line in lines)
    assert lines[0] == b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=sel;"
    assert lines[1].startswith(f" t={NOW}; bh=".encode())
    assert [line[:3] for line in lines[1:] if line.startswith((b" h=", b" b="))] == [b" h=", b" b="]


def test_the_fields_are_covered_and_the_important_ones_once_more() -> None:
    assert tag(field_of(FULL), "h") == (
        "From:From:To:To:Cc:Subject:Subject:Date:Date:Message-ID:Reply-To:In-Reply-To:References:MIME-Version:"
        "Content-Type:Content-Transfer-Encoding:List-Id:List-Help:List-Post:List-Owner:List-Archive:List-Subscribe:"
        "List-Unsubscribe:List-Unsubscribe-Post"
    )
    assert tag(field_of(b""), "h") == "From:To:Subject:Date"


def test_of_very_many_fields_of_one_name_the_lowest_are_covered() -> None:
    covered = tag(field_of(b"To: a\r\n" * 5000), "h")
    assert covered.split(":").count("To") == MOST_OF_ONE_NAME + 1


@pytest.mark.parametrize("name", ["From", "To", "Subject", "Date"])
def test_no_other_field_of_an_important_name_can_be_added(name: str) -> None:
    field = field_of(HEADER)
    for changed in (f"{name}: x\r\n".encode() + HEADER, HEADER + f"{name}: x\r\n".encode()):
        assert outcome(field + changed) == "fail"


def test_a_field_that_is_not_covered_can_be_added() -> None:
    assert outcome(b"Received: x\r\n" + field_of(HEADER) + HEADER) == "pass"


def test_a_domain_beyond_ascii_is_written_in_a_labels() -> None:
    signer = Signer("\u65e5\u672c\u8a9e.test", "sel", key_of("ed25519").private)
    assert tag(signer.field(HeaderSection(HEADER), body_hash(BODY), NOW), "d") == "xn--wgv71a119e.test"


@given(st.lists(st.sampled_from([b"From: a\r\n", b"to:\tb \r\n", b"List-Id: <c>\r\n", b"x\r\n", b"Cc: d\r\n e\r\n"])))
def test_any_header_that_is_signed_verifies(fields: list[bytes]) -> None:
    header = b"".join(fields)
    assert outcome(field_of(header, "ed25519") + header, kind="ed25519") == "pass"
