# SPDX-License-Identifier: Apache-2.0
"""Folding for comparison, and wildcards."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.rules.mail_fold import fold, wildcard_in

SHORT = st.text(alphabet="ab", max_size=4)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("FREE", "free"),
        ("ＦＲＥＥ", "free"),
        ("ｶﾞｲﾄﾞ", "ガイド"),
        ("が", "か\u3099"),
        ("㈱①", "(株)1"),
        ("STRASSE", "straße"),
        ("〜\u2212‖\u2014", "～－∥\u2015"),
        ("via\u200bgra\u00ad", "Viagra"),
        ("É", "e\u0301"),
        ("葛\U000e0100城", "葛城"),
    ],
)
def test_texts_that_look_alike_are_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("は", "ば"), ("a", "b"), ("ハ", "は"), ("a b", "ab")])
def test_texts_that_look_different_are_not(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_part_with_spaces_around_it_is_still_a_part(before: str, word: str) -> None:
    assert fold(word) in fold(f"{before} {word} ")


@pytest.mark.parametrize(
    "piece",
    [
        "\u0316\u0301",
        "\u0301\uff9e",
        "━",
        "\u0301\uff9f",
        "\u0344",
        "\U0001d165\U0001d16d",
        "\u200b",
        "日本語",
        "\u0316\u0301" * 15 + "a",
    ],
)
def test_hostile_text_costs_one_pass(piece: str) -> None:
    fold("a" + piece * (300_000 // len(piece)))


@pytest.mark.parametrize("phrase", ["\ufdfa", "\ufdfb", "㌔", "㌚"])
def test_a_heap_of_phrases_stays_short_and_hides_nothing(phrase: str) -> None:
    folded = fold("㌔ＦＲＥＥ" + phrase * 100_000 + "無料ｶﾞ")
    assert len(folded) < 150_000
    assert folded.startswith("キロfree")
    assert folded.endswith("無料ガ")


def test_a_long_text_has_its_phrases() -> None:
    text = ("距離は㌔、重さは㌘。" * 500 + "本文。" * 20_000)[:30_000]
    assert fold(text) == text.replace("㌔", "キロ").replace("㌘", "グラム")


def test_long_ruled_lines_do_not_hide_what_stands_beside_them() -> None:
    assert "無料ガ" in fold("━" * 1000 + "無料ｶﾞ" + "━" * 1000)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("b", "abc", True),
        ("b", "ac", False),
        ("*b*", "abc", True),
        ("a*c", "abc", True),
        ("a*c", "abcd", False),
        ("*a*b*", "b a", False),
        ("aa*aa", "aaa", False),
        ("*", "", True),
        ("*ab*ab*", "abab", True),
        ("*a\nb*", "xa\nby", True),
    ],
)
def test_wildcards(pattern: str, text: str, expected: bool) -> None:
    assert wildcard_in(tuple(pattern.split("*")), text) is expected


@given(st.lists(SHORT, min_size=2, max_size=5), st.text(alphabet="ab", max_size=12))
def test_patterns_with_asterisks_match_as_file_names_do(pieces: list[str], text: str) -> None:
    assert wildcard_in(tuple(pieces), text) is fnmatchcase(text, "*".join(pieces))
