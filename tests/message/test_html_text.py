# SPDX-License-Identifier: Apache-2.0
"""HTML as text: words that markup breaks are whole again, and no markup costs more than a pass."""

from __future__ import annotations

import html
from html.entities import html5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.html_text import visible_text

pieces = st.sampled_from(
    ["<", ">", "a", "<b", "</b>", '"', "'", "<!--", "-->", "<script", "</script>", "&", "#x41;", " ", "=", "/"]
)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("V<b></b>ia<i class='x'>gr</i>a", "Viagra"),
        ('未承<!-- x -->諾<span style="a>b">広</span>告', "未承諾広告"),
        ("&#26410;&#x627f;&#x8AFE; &amp; &copy", "未承諾 & ©"),
        ("one<br/>two<p>three</P><td>four", "one\ntwo\nthree\n\nfour"),
        ("a<style>b</style>c<SCRIPT src=x>d</script >e", "ace"),
        ("a<!-->b<!-- not closed", "ab<!-- not closed"),
        ("a<!-->b-->c", "ab-->c"),
        ("<script>not closed", "not closed"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a<font color='red>b", "ab"),
        ("&#99999999999999999999;&#xD800;&nosuch;", "&#99999999999999999999;\ufffd&nosuch;"),
    ],
)
def test_markup_is_removed(source: str, text: str) -> None:
    assert visible_text(source) == text


@pytest.mark.parametrize("end", ["", ";", "x", "x;", " ", "&"])
def test_every_entity_is_what_html_says(end: str) -> None:
    source = " ".join(f"&{name.rstrip(';')}{end}" for name in html5)
    assert visible_text(source) == html.unescape(source)


@given(st.integers(0, 9_999_999), st.sampled_from(["", ";", "z"]))
def test_every_number_is_what_html_says(number: int, end: str) -> None:
    for source in (f"&#{number}{end}", f"&#x{number & 0xFFFFFF:x}{end}"):
        assert visible_text(source) == html.unescape(source)


@given(st.lists(pieces, max_size=40).map("".join) | st.text(max_size=40))
def test_text_does_not_grow_and_nothing_raises(source: str) -> None:
    assert len(visible_text(source)) <= len(source)


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<a",
        '<a"',
        "<a'\"<",
        "<!--",
        "<script",
        "<script></script>",
        "&",
        "&#x41;",
        '"<a" \'',
        "<b'<b\"",
        '""',
        "&a",
    ],
)
def test_hostile_markup_costs_one_pass(piece: str) -> None:
    visible_text("<a" + piece * (400_000 // len(piece)))
