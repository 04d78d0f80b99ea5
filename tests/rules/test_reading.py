# SPDX-License-Identifier: Apache-2.0
"""What is said of a document's text whatever its format, and how findings repeat a line."""

from __future__ import annotations

import pytest

from genkan.rules.document import MAX_LINE, Document
from genkan.rules.effect import parse_effect
from genkan.rules.reading import fields, shown, text_findings


def found(text: str) -> list[str]:
    return [str(finding) for finding in text_findings(Document("effect.dat", "", 1, text))]


def test_ordinary_text_has_no_findings() -> None:
    assert found("10.0.0.1\ttrue\r\n'件名\r\n") == []


def test_a_control_character_is_named_with_its_line() -> None:
    [finding] = found("10.0.0.1\n10.0.0.2\x00\n")
    assert finding.startswith("warning: effect.dat:2: holds the control character U+0000; type the line anew")


@pytest.mark.parametrize("octets", [b"'\x81\n", b"'\xff\n", b"'\xa0\n"])
def test_octets_of_no_known_encoding_are_named_with_their_line(octets: bytes) -> None:
    [finding] = text_findings(Document.decode("effect.dat", octets))
    assert str(finding).startswith("warning: effect.dat:1: holds octets that are neither UTF-8 nor CP932")


def test_an_overlong_line_is_named() -> None:
    assert len(found("a" * (MAX_LINE + 1))) == 1


def test_a_damaged_line_silences_no_other() -> None:
    rules = parse_effect(Document("effect.dat", "", 1, "10.0.0.300 false\n\x01\n10.0.0.2 false\n"))
    assert [str(rule) for rule in rules.rules] == ["10.0.0.2 false"]
    assert [finding.subject for finding in rules.findings] == ["effect.dat:2", "effect.dat:1", "effect.dat:2"]


def test_only_blanks_and_tabs_separate_fields() -> None:
    assert fields(" a\t \tb\u3000c\xa0d ") == ["a", "b\u3000c\xa0d"]


def test_a_line_is_repeated_short_and_without_control_characters() -> None:
    assert shown("a\x1b[2J") == r"'a\x1b[2J'"
    assert len(shown("x" * 9000)) == 62
