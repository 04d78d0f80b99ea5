# SPDX-License-Identifier: Apache-2.0
"""Charsets: Japanese text in every encoding it comes in, guesses, and that nothing raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.charset import MAX_REPAIRS, decode, guess

JIS = "iso-2022-jp"
WORD = "未承諾広告のお知らせ"

names = st.sampled_from(
    [
        "",
        "us-ascii",
        "utf-8",
        "iso-2022-jp",
        "shift_jis",
        "euc-jp",
        "gb2312",
        "big5",
        "ks_c_5601-1987",
        "iso-2022-kr",
        "hz-gb-2312",
        "iso-8859-1",
        "windows-1255",
        "koi8-r",
        "utf-16",
        "utf-32",
        "x-nobody-knows",
    ]
)
pieces = st.sampled_from(
    [
        b"\x1b$B",
        b"\x1b(B",
        b"\x1b(I",
        b"\x1b$A",
        b"\x1b$(D",
        b"\x1b",
        b"-!",
        b"F|",
        b"\n",
        b"\x8e",
        b"\x8f",
        b"\xad\xa1",
        b"a",
        b"~{",
    ]
)
octets = st.binary(max_size=60) | st.lists(pieces, max_size=20).map(b"".join)


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-8", "utf-8"),
        ("UTF8", "utf-8"),
        ("iso-2022-jp", "iso2022_jp"),
        ("ISO-2022-JP-MS", "iso2022_jp"),
        ("cp50221", "iso2022_jp"),
        ("shift_jis", "cp932"),
        ("x-sjis", "cp932"),
        ("Windows-31J", "cp932"),
        ("euc-jp", "euc_jp"),
        ("x-euc-jp", "euc_jp"),
    ],
)
def test_a_japanese_word_is_the_same_in_every_encoding(charset: str, codec: str) -> None:
    assert decode(WORD.encode(codec), charset) == WORD


@pytest.mark.parametrize(
    ("octets", "charset"),
    [
        (b'\x1b$B-!-"-j\x1b(B', JIS),
        (b"\xad\xa1\xad\xa2\xad\xea", "euc-jp"),
        (b"\x87\x40\x87\x41\x87\x8a", "shift_jis"),
        (b"\xad\xa1\xad\xa2\xad\xea", ""),
        (b'\x1b$B-!-"-j\x1b(B', ""),
    ],
)
def test_row_13_of_nec_is_read_in_every_encoding(octets: bytes, charset: str) -> None:
    assert decode(octets, charset) == "①②㈱"


def test_row_13_stands_between_ordinary_characters() -> None:
    assert decode(b"\x1b$BF|-!K\\\x1b(B ok", JIS) == "日①本 ok"


def test_extensions_of_ibm_are_read_in_jis() -> None:
    assert decode(b"\x1b$B|q\x1b(B", JIS) == "ⅰ"


def test_half_width_kana_are_read_after_their_escape() -> None:
    assert decode(b"\x1b(I165\x1b(B.", JIS) == "ｱｶｵ."


@pytest.mark.parametrize(
    ("octets", "charset"), [(b"\x1b$B!A!]\x1b(B", JIS), (b"\xa1\xc1\xa1\xdd", "euc-jp"), (b"\x81\x60\x81\x7c", "sjis")]
)
def test_wave_dash_and_minus_are_those_of_code_page_932(octets: bytes, charset: str) -> None:
    assert decode(octets, charset) == "\uff5e\uff0d"


@pytest.mark.parametrize(
    ("text", "charset", "codec"),
    [
        ("中文简体", "gb2312", "gb18030"),
        ("한국어", "ks_c_5601-1987", "cp949"),
        ("中文繁體", "Big5", "big5"),
        ("“quoted”", "iso-8859-1", "cp1252"),
        ("Привет", "koi8-r", "koi8-r"),
        ("中文", "hz-gb-2312", "hz"),
    ],
)
def test_other_charsets_are_read_as_mailers_use_them(text: str, charset: str, codec: str) -> None:
    assert decode(text.encode(codec), charset) == text


def test_a_language_after_the_charset_is_ignored() -> None:
    assert decode("é".encode(), "utf-8*fr") == "é"


@pytest.mark.parametrize("codec", ["utf-8", "cp932", "euc_jp", "iso2022_jp"])
def test_undeclared_japanese_text_is_guessed(codec: str) -> None:
    assert guess(WORD.encode(codec)) == WORD


@pytest.mark.parametrize("charset", ["", "us-ascii", "unknown-8bit", "zip", "punycode", "../x"])
def test_an_unknown_charset_is_guessed(charset: str) -> None:
    assert decode(WORD.encode(), charset) == WORD


def test_what_is_nothing_else_is_latin_1() -> None:
    assert guess(b"caf\xe9 au lait") == "café au lait"


def test_text_that_was_cut_in_a_character_loses_only_that() -> None:
    assert guess(WORD.encode()[:-1]) == WORD[:-1]


def test_eight_bit_text_declared_as_jis_is_guessed() -> None:
    assert decode(WORD.encode("cp932"), JIS) == WORD


def test_one_octet_of_eight_bits_does_not_hide_jis() -> None:
    assert decode(b"\xa1\n" + WORD.encode("iso2022_jp"), JIS).endswith(WORD)


def test_characters_that_are_not_there_become_replacements() -> None:
    assert decode(b"a\xffb", "utf-8") == "a\ufffdb"
    assert decode(b"\x1b$B~~\x1b(Bx", JIS) == "\ufffdx"


@pytest.mark.parametrize(
    ("octets", "charset"),
    [(b"\xad\xa1" * (MAX_REPAIRS + 2), "euc-jp"), (b"\x1b$B" + b"-!" * (MAX_REPAIRS + 2), JIS)],
)
def test_code_page_932_is_asked_only_so_often_in_one_text(octets: bytes, charset: str) -> None:
    text = decode(octets, charset)
    assert text.startswith("①" * MAX_REPAIRS + "\ufffd")
    assert "①" not in text[MAX_REPAIRS:]


@pytest.mark.parametrize(("charset", "codec"), [("euc-jp", "euc_jp"), (JIS, "iso2022_jp")])
def test_words_behind_many_errors_are_still_read(charset: str, codec: str) -> None:
    junk = b"\x8f" * (MAX_REPAIRS + 1) if codec == "euc_jp" else b"\x1b$B\x7f\x7f\x1b(B" * (MAX_REPAIRS + 1)
    assert decode(junk + b"\n" + WORD.encode(codec), charset).endswith(WORD)


@given(octets, names)
def test_whatever_comes_becomes_text(octets: bytes, charset: str) -> None:
    text = decode(octets, charset)
    text.encode()  # no halves of surrogate pairs
    assert len(text) <= 2 * len(octets) + 1


@given(st.text(alphabet="日本語①②㈱ｱﾊﾞアabc \n〜", max_size=40))
def test_what_cp932_has_survives_jis(text: str) -> None:
    shifted = text.replace("〜", "～")
    assert decode(_as_jis(shifted), JIS) == shifted


def _as_jis(text: str) -> bytes:
    """ISO-2022-JP as mailers on Windows write it: each character's Shift_JIS code turned back into JIS."""
    octets = bytearray()
    for character in text:
        code = character.encode("cp932")
        if len(code) == 2:
            lead, trail = code
            row = 2 * (lead - (0x81 if lead < 0xA0 else 0xC1)) + (trail >= 0x9F)
            cell = trail - 0x9F if trail >= 0x9F else trail - 0x40 - (trail > 0x7F)
            octets += b"\x1b$B" + bytes((row + 0x21, cell + 0x21)) + b"\x1b(B"
        elif code[0] >= 0xA1:
            octets += b"\x1b(I" + bytes((code[0] & 0x7F,)) + b"\x1b(B"
        else:
            octets += code
    return bytes(octets)
