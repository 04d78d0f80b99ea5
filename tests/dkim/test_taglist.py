# SPDX-License-Identifier: Apache-2.0
"""Tag lists: what is one, what is none, and that no text costs much."""

from __future__ import annotations

from contextlib import suppress
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dkim.taglist import LONGEST_LIST, MOST_TAGS, TagListError, decode_value, parse_tags, split_value

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=";"), max_size=9)
BLANKS = st.sampled_from(["", " ", "\t", "\r\n ", " \r\n\t "])


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("v=1; a=b", {"v": "1", "a": "b"}),
        (" v = 1 ;\r\n\ta\r\n =\r\n b c ", {"v": "1", "a": "b c"}),
        ("a=1;", {"a": "1"}),
        ("a=1; \r\n ", {"a": "1"}),
        ("a=", {"a": ""}),
        ("p=a=b==", {"p": "a=b=="}),
        ("A=1;a=2", {"A": "1", "a": "2"}),
        ("n=\u65e5\u672c", {"n": "\u65e5\u672c"}),
        ("", {}),
        (" ", {}),
    ],
)
def test_a_tag_list_is_read(text: str, tags: dict[str, str]) -> None:
    assert parse_tags(text) == tags


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a=1;;b=2", "the tag list has a part that is no tag"),
        ("a=1; ;", "the tag list has a part that is no tag"),
        (";", "the tag list has a part that is no tag"),
        ("a", "the tag list has a part that is no tag"),
        ("=1", "the tag list has a part that is no tag"),
        ("1a=1", "the tag list has a part that is no tag"),
        ("a-b=1", "the tag list has a part that is no tag"),
        ("\u00e9=1", "the tag list has a part that is no tag"),
        ("a b=1", "the tag list has a part that is no tag"),
        ("a=1; b=2; a=1", "the tag list has a tag twice"),
        ("a=\x00", "the tag list has control characters"),
        ("a=1\x7f", "the tag list has control characters"),
        (";".join(f"a{number}=" for number in range(MOST_TAGS + 1)), "the tag list has too many tags"),
        ("a=" + "b" * LONGEST_LIST, "the tag list is too long"),
    ],
)
def test_what_is_no_tag_list_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(TagListError) as raised:
        parse_tags(text)
    assert str(raised.value) == reason


def test_as_many_tags_as_may_be_are_read() -> None:
    assert len(parse_tags(";".join(f"a{number}=" for number in range(MOST_TAGS)) + ";")) == MOST_TAGS


@given(st.dictionaries(NAMES, VALUES, max_size=8), BLANKS, BLANKS)
def test_what_was_written_is_read_back_whatever_blanks_stand_between(
    tags: dict[str, str], before: str, after: str
) -> None:
    written = ";".join(f"{before}{name}{after}={before}{value}{after}" for name, value in tags.items())
    assert parse_tags(written) == tags


@given(st.text(max_size=60))
def test_any_text_is_a_tag_list_or_refused(text: str) -> None:
    try:
        tags = parse_tags(text)
    except TagListError:
        return
    assert all(name.isascii() and name.strip() == name for name in tags)


@pytest.mark.parametrize("piece", [";", "=", " ", "a=", "a=;", "\r\n ", "a"])
def test_hostile_text_costs_one_pass(piece: str) -> None:
    started = process_time()
    with suppress(TagListError):
        parse_tags(piece * (100_000 // len(piece)))
    assert process_time() - started < 0.1


def test_values_are_split_and_decoded_without_their_blanks() -> None:
    assert split_value("from : to\r\n :subject") == ("from", "to", "subject")
    assert split_value("") == ("",)
    assert decode_value(" aGVs\r\n\tbG8 = ") == b"hello"


@pytest.mark.parametrize("value", ["aGVsbG8", "aGVs!bG8=", "\u65e5", "aGVsbG8=aGVs", "="])
def test_what_is_not_base64_is_nothing(value: str) -> None:
    assert decode_value(value) is None
