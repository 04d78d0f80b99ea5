# SPDX-License-Identifier: Apache-2.0
"""Encoded words: both encodings, joined words, raw text, and that broken ones stay as they are."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.encoded_words import base64_octets, decode_words, decode_words_of

WORD = "未承諾広告"


def b_word(octets: bytes, charset: str) -> bytes:
    return b"=?%s?B?%s?=" % (charset.encode(), base64.b64encode(octets))


def q_word(octets: bytes, charset: str) -> bytes:
    return b"=?%s?q?%s?=" % (charset.encode(), "".join(f"={octet:02X}" for octet in octets).encode())


encoded = st.builds(
    lambda make, text, charset: make(text.encode("utf-8"), charset),
    st.sampled_from([b_word, q_word]),
    st.text(max_size=10),
    st.sampled_from(["utf-8", "UTF-8"]),
)
pieces = st.sampled_from(
    [b"=?", b"?=", b"?", b"utf-8", b"B", b"q", b"=E3", b"YQ==", b" ", b"\x1b$B", b"\xe3", b"_", b"a"]
)


@pytest.mark.parametrize("make", [b_word, q_word])
@pytest.mark.parametrize(
    ("charset", "codec"),
    [("iso-2022-jp", "iso2022_jp"), ("Shift_JIS", "cp932"), ("EUC-JP", "euc_jp"), ("UTF-8", "utf-8")],
)
def test_a_word_is_the_same_in_every_encoding(make: type, charset: str, codec: str) -> None:
    assert decode_words(b"Re: " + make(WORD.encode(codec), charset) + b" end") == f"Re: {WORD} end"


@pytest.mark.parametrize("codec", ["iso2022_jp", "cp932", "euc_jp", "utf-8"])
def test_raw_text_is_guessed(codec: str) -> None:
    assert decode_words(WORD.encode(codec)) == WORD
    assert decode_words(WORD.encode(codec) + b" =?us-ascii?q?x?=") == f"{WORD} x"


def test_white_space_between_encoded_words_is_dropped_and_other_is_not() -> None:
    assert decode_words(b"=?utf-8?q?=C3=A9?= \t=?iso-8859-1?q?=E9?= b =?utf-8?q?c?=") == "éé b c"


@pytest.mark.parametrize("cut", range(1, 15))
@pytest.mark.parametrize("make", [b_word, q_word])
def test_a_character_may_be_split_over_two_words(cut: int, make: type) -> None:
    octets = WORD.encode()
    assert decode_words(make(octets[:cut], "utf-8") + b"\r\n " + make(octets[cut:], "UTF-8")) == WORD


def test_underscores_are_spaces_in_the_q_encoding_only() -> None:
    assert decode_words(b"=?utf-8?q?a_b=5F=zz?= =?utf-8?b?YV9i?=") == "a b_=zza_b"


def test_base64_without_padding_and_with_foreign_octets_is_read() -> None:
    assert decode_words(b"=?utf-8?b?Y Q?= =?utf-8?B?Y!m?=") == "ab"


@pytest.mark.parametrize("body", [b"=?utf-8?x?a?=", b"=?utf-8?q?a", b"=??q?a?=", b"=? utf-8?q?a?=", b"?=", b"=?=?=?"])
def test_what_is_no_encoded_word_stays(body: bytes) -> None:
    assert decode_words(body) == body.decode()


def test_conditions_of_a_rule_file_are_decoded_too() -> None:
    assert decode_words_of(b_word(WORD.encode("iso2022_jp"), "iso-2022-jp").decode()) == WORD
    assert decode_words_of(WORD.encode("iso2022_jp").decode()) == WORD
    assert decode_words_of("無料 =?") == "無料 =?"


@given(st.lists(encoded, min_size=1, max_size=5))
def test_neighbours_are_joined_whatever_they_hold(words: list[bytes]) -> None:
    assert decode_words(b" ".join(words)) == "".join(decode_words(word) for word in words)


@given(st.binary(max_size=80) | st.lists(pieces, max_size=30).map(b"".join))
def test_whatever_comes_becomes_text(body: bytes) -> None:
    decode_words(body).encode()


@given(st.lists(st.binary(max_size=9), max_size=4))
def test_padding_in_the_middle_of_base64_ends_nothing(octets: list[bytes]) -> None:
    padded = b"\r\n".join(base64.b64encode(one) for one in octets if len(one) % 3)
    assert base64_octets(padded) == b"".join(one for one in octets if len(one) % 3)


def test_a_body_full_of_beginnings_costs_one_pass() -> None:
    for piece in (b"=?", b"=?a?q?", b"=?a?q?=?=", b"=?utf-8?b?YQ?= "):
        assert decode_words(piece * 50_000)
