# SPDX-License-Identifier: Apache-2.0
"""docs/replies.md is what the catalogue says today."""

from __future__ import annotations

from pathlib import Path

from genkan.admin.reply_docs import JAPANESE, SECTIONS_JA, render
from genkan.smtp.replies import CATALOGUE, SECTIONS

PAGE = Path(__file__).parents[2] / "docs" / "replies.md"


def test_page_is_up_to_date() -> None:
    expected = "out of date: run `python -m genkan.admin.reply_docs > docs/replies.md`"
    assert PAGE.read_text("utf-8") == render(), expected


def test_page_has_every_reply_once_in_each_language() -> None:
    page = render()
    assert {name: page.count(f"| `{name}`") for name in CATALOGUE} == dict.fromkeys(CATALOGUE, 2)


def test_page_shows_older_and_rfc_wording_where_they_differ() -> None:
    assert (
        "epstrs-4.82, epstrs-4.83: `550 5.1.1 Please mail to a valid e-mail address.`<br>rfc: `550 5.7.1 " in render()
    )


def test_every_section_has_a_japanese_title() -> None:
    assert set(SECTIONS_JA) == set(SECTIONS)
    assert render().count(f"## {JAPANESE.title('Connection')}") == 1
