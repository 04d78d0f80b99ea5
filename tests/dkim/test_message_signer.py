# SPDX-License-Identifier: Apache-2.0
"""Whole messages are signed with all keys of their domain; a key that is none is told of and left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from genkan.directory.dkim_keys import DkimKey
from genkan.dkim.key_pair import KeyFileError, make_key_pair
from genkan.dkim.message_signer import MessageSigner, signed, signers_of
from tests.support.signed_mail import BODY, HEADER, NOW, verify

if TYPE_CHECKING:
    from genkan.dkim.message_signer import StoredKey
    from genkan.dkim.signing import Signer

PAIR = make_key_pair("ed25519")
KEY = DkimKey("example.test", "sel", "ed25519", PAIR.private_pem, "signing", datetime(2026, 1, 1, tzinfo=UTC))
BROKEN = DkimKey("example.test", "old", "rsa", b"no key", "signing", KEY.made_at)


def signers() -> list[Signer]:
    def unusable(key: StoredKey, error: KeyFileError) -> None:
        raise AssertionError((key, error))

    return signers_of([KEY], unusable)


def test_a_whole_message_is_signed_and_stays_as_it_is() -> None:
    mail = HEADER + b"\r\n" + BODY
    made = signed(mail, signers(), NOW)
    assert made.endswith(mail)
    header, _, body = made.partition(b"\r\n\r\n")
    (result,) = verify(header + b"\r\n", body, {"sel._domainkey.example.test": (PAIR.record,)}).dkim
    assert (result.outcome, result.domain) == ("pass", "example.test")


def test_without_keys_a_message_stays_as_it_is() -> None:
    assert signed(HEADER + b"\r\n" + BODY, [], NOW) == HEADER + b"\r\n" + BODY


def test_each_header_section_of_a_message_is_signed_over_the_same_body() -> None:
    signer = MessageSigner(signers())
    for piece in (BODY[:5], BODY[5:]):
        signer.feed(piece)
    for header in (HEADER, b"Subject: [tag]\r\n" + HEADER):
        (result,) = verify(
            signer.fields(header, NOW) + header, BODY, {"sel._domainkey.example.test": (PAIR.record,)}
        ).dkim
        assert result.outcome == "pass"


def test_a_key_that_cannot_be_read_is_told_of_and_left_out() -> None:
    told: list[tuple[str, str]] = []
    made = signers_of([BROKEN, KEY], lambda key, error: told.append((key.selector, str(error))))
    assert [signer.selector for signer in made] == ["sel"]
    assert told == [("old", "it holds no private key in PEM that is not encrypted")]
