# SPDX-License-Identifier: Apache-2.0
"""Values as JSON and as lines for a terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from genkan.admin.output import json_text, moment_text, plain, printable, table
from genkan.findings import Level
from genkan.smtp.address import Mailbox

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    address: Mailbox
    parts: tuple[object, ...]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (MOMENT, "2026-01-02T03:04:05.000678+00:00"),
        (Mailbox("a b", "in.test"), '"a b"@in.test'),
        (Path("/data"), "/data"),
        (ip_network("192.0.2.0/24"), "192.0.2.0/24"),
        (Level.ERROR, "error"),
        ({"a": (1, MOMENT)}, {"a": [1, "2026-01-02T03:04:05.000678+00:00"]}),
        (Entry(Mailbox("ann", "in.test"), (1, None)), {"address": "ann@in.test", "parts": [1, None]}),
    ],
)
def test_a_value_becomes_json(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[2J\x9b玄\u202e\tb\n") == "a\\x1b[2J\\x9b玄\\x202e\tb\n"


def test_json_keeps_letters_and_escapes_what_does_not_print() -> None:
    hostile = "\x1b[2J\x9b31m\x7f玄\u202e\U000e0001\ud800\n"
    text = json_text({"text": hostile})
    escaped = "\\u001b[2J\\u009b31m\\u007f玄\\u202e\\udb40\\udc01\\ud800\\n"
    assert text == f'{{\n  "text": "{escaped}"\n}}'
    assert json.loads(text) == {"text": hostile}


def test_columns_are_as_wide_as_their_widest_word() -> None:
    assert table(("a", "name"), [("ann@in.test", "Ann"), ("b", "")]) == ["a            name", "ann@in.test  Ann", "b"]


def test_a_table_without_rows_is_empty() -> None:
    assert table(("a", "b"), []) == []


def test_a_moment_is_written_to_the_second() -> None:
    assert [moment_text(MOMENT), moment_text(None)] == ["2026-01-02 03:04:05 UTC", "never"]
