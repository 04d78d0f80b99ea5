# SPDX-License-Identifier: Apache-2.0
"""Blocks of mail.dat that forward mail to nobody become comments; every other block stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.epost.filters import without_destroying_blocks
from genkan.rules.document import Document
from tests.epost.installations import DESTROYING, MAIL


def cleaned(text: str) -> tuple[str, list[str]]:
    left, findings = without_destroying_blocks(Document("mail.dat", "", 0, text))
    return left, [str(finding) for finding in findings]


def block(level: str, *items: str) -> str:
    return "\n".join(["Virus:x", *items, f"Level:{level}", "VirusEnd:", ""])


@pytest.mark.parametrize("level", ["500", "510", "600", "711"])
@pytest.mark.parametrize("items", [(), ("Forward:",), ("Forward: nobody",), ("Subject:a", "Forward:a@b@c")])
def test_a_block_that_forwards_nowhere_becomes_a_comment(level: str, items: tuple[str, ...]) -> None:
    text, findings = cleaned(block(level, *items))
    assert all(line.startswith("'") for line in text.split("\n") if line)
    assert [line.removeprefix("'") for line in text.split("\n")] == block(level, *items).split("\n")
    assert len(findings) == 1


def test_the_finding_says_where_and_why() -> None:
    text, (finding,) = cleaned(MAIL + DESTROYING)
    assert finding == (
        "warning: mail.dat:10: Virus:to-nobody forwards mail to nobody (Level:510, no Forward: address), which destroyed "
        "it silently; the block is made a comment; correct it and take the comment signs away: genkan rules edit mail.dat"
    )
    assert text.startswith(MAIL)


@pytest.mark.parametrize("level", ["110", "310", "400", "001", "900", ""])
def test_other_levels_stay(level: str) -> None:
    assert cleaned(block(level)) == (block(level), [])


@pytest.mark.parametrize("forward", ["ann@in.test", " <ann@in.test>"])
def test_a_block_that_forwards_to_somebody_stays(forward: str) -> None:
    text = block("500", f"forward:{forward}")
    assert cleaned(text) == (text, [])


def test_texts_of_several_lines_are_not_taken_for_items() -> None:
    text = block("500", "Forward:ann@in.test", "Body:", "Forward:", "Virus:y", "BodyEnd:")
    assert cleaned(text) == (text, [])


def test_a_text_without_end_does_not_hide_the_next_block() -> None:
    text, findings = cleaned(block("110", "Body:", "x") + block("500"))
    assert text.startswith(block("110", "Body:", "x"))
    assert len(findings) == 1


def test_a_block_without_end_is_seen_too() -> None:
    text, findings = cleaned("Virus:x\nLevel:500\nVirus:y\nLevel:110\nVirusEnd:\n")
    assert text == "'Virus:x\n'Level:500\nVirus:y\nLevel:110\nVirusEnd:\n"
    assert len(findings) == 1


@given(
    st.lists(
        st.sampled_from(
            ["Virus:x", "VirusEnd:", "Level:500", "Level:110", "Forward:a@b.test", "Body:", "BodyEnd:", "'c", ""]
        )
    )
)
def test_to_clean_twice_changes_nothing_more(lines: list[str]) -> None:
    once, _ = cleaned("\n".join(lines))
    assert cleaned(once) == (once, [])
