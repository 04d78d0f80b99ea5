# SPDX-License-Identifier: Apache-2.0
"""What signature fields say, and each rule of RFC 6376, 6.1.1, and RFC 8617, 4.1, that makes one worthless."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dkim.signature import (
    MOST_NAMES,
    Seal,
    Signature,
    SignatureError,
    field_tags,
    parse_message_signature,
    parse_seal,
    parse_signature,
)
from genkan.dkim.taglist import TagListError

HASH: Final = "A" * 43 + "="
TAGS: Final = {"v": "1", "a": "rsa-sha256", "b": "AAAA", "bh": HASH, "d": "example.test", "s": "sel", "h": "To:From"}
SEAL: Final = {"i": "1", "cv": "none", "a": "rsa-sha256", "b": "AAAA", "d": "example.test", "s": "sel"}


def test_a_signature_says_what_its_tags_say() -> None:
    tags = TAGS | {"c": "relaxed/simple", "i": "Ann@mail.Example.test", "l": "17", "t": "5", "x": "6", "z": "whatever"}
    assert parse_signature(tags) == Signature(
        algorithm="rsa-sha256",
        domain="example.test",
        selector="sel",
        value=bytes(3),
        body_hash=bytes(32),
        header_form="relaxed",
        body_form="simple",
        names=(b"to", b"from"),
        identity="Ann@mail.Example.test",
        length=17,
        expires=6,
    )
    assert parse_signature(tags).question == "sel._domainkey.example.test"


def test_what_a_signature_does_not_say_is_as_the_rfc_has_it() -> None:
    signature = parse_signature(TAGS)
    assert (signature.header_form, signature.body_form) == ("simple", "simple")
    assert (signature.identity, signature.length, signature.expires) == ("@example.test", None, None)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"v": "2"}, "v= is not 1"),
        ({"v": "1.0"}, "v= is not 1"),
        ({"a": "rsa-sha1"}, "a= is rsa-sha1, which no longer counts"),
        ({"a": "RSA-SHA256"}, "a= is not known"),
        ({"a": "dsa-sha256"}, "a= is not known"),
        ({"b": ""}, "b= is not in base64"),
        ({"b": "A"}, "b= is not in base64"),
        ({"bh": "AAAA"}, "bh= is no hash"),
        ({"bh": "?"}, "bh= is not in base64"),
        ({"c": ""}, "c= is not known"),
        ({"c": "relaxed/"}, "c= is not known"),
        ({"c": "relaxed/relaxed/relaxed"}, "c= is not known"),
        ({"c": "nofws"}, "c= is not known"),
        ({"d": ""}, "d= is no name"),
        ({"d": "example..test"}, "d= is no name"),
        ({"d": "example.test."}, "d= is no name"),
        ({"d": "a b.test"}, "d= is no name"),
        ({"d": ".".join(["a" * 63] * 4)}, "d= is no name"),
        ({"d": "a" * 64 + ".test"}, "d= is no name"),
        ({"d": "\u65e5" * 10_000}, "d= is no name"),
        ({"s": "*"}, "s= is no name"),
        ({"s": "a\nb"}, "s= is no name"),
        ({"h": "To:Subject"}, "h= does not cover From"),
        ({"h": ""}, "h= does not cover From"),
        ({"h": "from:" * MOST_NAMES}, "h= has too many names"),
        ({"i": "ann"}, "i= is not within d="),
        ({"i": "ann@other.test"}, "i= is not within d="),
        ({"i": "ann@badexample.test"}, "i= is not within d="),
        ({"i": "ann@test"}, "i= is not within d="),
        ({"i": "a" * 320 + "@example.test"}, "i= is too long"),
        ({"l": "-1"}, "l= is no number"),
        ({"l": "1" * 77}, "l= is no number"),
        ({"l": str(2**63)}, "l= is more than any body has"),
        ({"l": "\u0661"}, "l= is no number"),
        ({"t": ""}, "t= is no number"),
        ({"x": "soon"}, "x= is no number"),
        ({"t": "5", "x": "5"}, "x= is not after t="),
        ({"q": "dns/srv"}, "q= has no way to the key that is known"),
    ],
)
def test_a_signature_against_a_rule_is_worth_nothing(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(SignatureError) as raised:
        parse_signature(TAGS | changed)
    assert str(raised.value) == reason


@pytest.mark.parametrize("tag", sorted(TAGS))
def test_a_signature_that_lacks_a_tag_is_worth_nothing(tag: str) -> None:
    with pytest.raises(SignatureError) as raised:
        parse_signature({name: value for name, value in TAGS.items() if name != tag})
    assert str(raised.value) == f"there is no {tag}="


@pytest.mark.parametrize(
    "changed",
    [
        {"q": "dns/srv:dns/txt"},
        {"i": "@example.test"},
        {"i": "=40ann@a.b.example.test"},
        {"l": "0"},
        {"x": "1" * 20},
        {"h": " from :\r\n to:: subject:"},
        {"h": "from:" * (MOST_NAMES - 1)},
        {"c": "relaxed"},
        {"a": "ed25519-sha256"},
    ],
)
def test_a_signature_within_the_rules_is_read(changed: dict[str, str]) -> None:
    assert parse_signature(TAGS | changed).domain == "example.test"


def test_names_beyond_ascii_are_asked_for_as_the_dns_has_them() -> None:
    tags = TAGS | {"d": "\u65e5\u672c\u8a9e.test", "s": "m\u00fcller", "i": "\u65e5@\u65e5\u672c\u8a9e.test"}
    assert parse_signature(tags).question == "xn--mller-kva._domainkey.xn--wgv71a119e.test"  # RFC 8616, 4


def test_a_message_signature_of_arc_has_an_instance_for_an_identity_and_covers_from_and_no_seal() -> None:
    tags = {name: value for name, value in TAGS.items() if name != "v"} | {"i": "1"}
    assert parse_message_signature(tags).identity == ""
    assert parse_message_signature(tags | {"v": "9", "h": "From"}).names == (b"from",)
    with pytest.raises(SignatureError, match="h= covers ARC-Seal"):
        parse_message_signature(tags | {"h": "from:Arc-Seal"})
    with pytest.raises(SignatureError, match="h= does not cover From"):
        parse_message_signature(tags | {"h": ""})


def test_a_seal_says_what_its_tags_say() -> None:
    assert parse_seal(SEAL | {"i": "50", "cv": "pass"}) == Seal(
        "rsa-sha256", "example.test", "sel", bytes(3), 50, "pass"
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"h": "from"}, "the seal has an h="),
        ({"cv": ""}, "cv= is not known"),
        ({"cv": "Pass"}, "cv= is not known"),
        ({"t": "icecream"}, "t= is no number"),
        ({"i": "0"}, "i= is not from 1 to 50"),
        ({"i": "51"}, "i= is not from 1 to 50"),
        ({"i": "one"}, "i= is not from 1 to 50"),
        ({"d": "***"}, "d= is no name"),
    ],
)
def test_a_seal_against_a_rule_is_worth_nothing(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(SignatureError) as raised:
        parse_seal(SEAL | changed)
    assert str(raised.value) == reason


def test_a_field_that_is_not_in_utf_8_is_no_tag_list() -> None:
    assert field_tags("i=\u65e5".encode()) == {"i": "\u65e5"}
    with pytest.raises(TagListError, match="the tag list is not in UTF-8"):
        field_tags(b"i=\xff")


@given(st.dictionaries(st.sampled_from(sorted({*TAGS, *"icltxqz"})), st.text(max_size=12)))
def test_any_tags_are_a_signature_or_refused(tags: dict[str, str]) -> None:
    try:
        signature = parse_signature(TAGS | tags)
    except SignatureError:
        return
    assert signature.question.isascii()
