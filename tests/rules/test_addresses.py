# SPDX-License-Identifier: Apache-2.0
"""Mailboxes in rules: what each writing matches, and which of several comes first."""

from __future__ import annotations

import pytest

from genkan.rules.addresses import Path, PathIndex, PathPattern, parse_path_pattern
from genkan.rules.clients import NOWHERE
from genkan.rules.reading import LineError
from genkan.smtp.address import parse_mailbox


def first(patterns: list[str], path: str | Path) -> int:
    index = PathIndex((at, parse_path_pattern(pattern)) for at, pattern in enumerate(patterns))
    wanted: PathPattern = parse_mailbox(path).folded() if isinstance(path, str) else path
    return index.first(wanted)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("ann@in.test", "ANN@In.Test", True),
        ("Ann@In.Test", "ann@in.test", True),
        ("ann@in.test", "bob@in.test", False),
        ("ann@in.test", "ann@sub.in.test", False),
        ("*@in.test", "bob@IN.test", True),
        ("*@in.test", "bob@sub.in.test", False),
        ("*@例え.test", "bob@xn--r8jz45g.test", True),
        ("*@[192.0.2.1]", "bob@[192.0.2.1]", True),
        ('"a,b"@in.test', '"A,b"@in.test', True),
        ("*@*", "bob@in.test", True),
        ("*", "bob@in.test", True),
        ("*@*", Path.NULL, False),
        ("*@*", Path.BLANK, False),
        ("*", Path.NULL, True),
        ("*", Path.BLANK, True),
        ("ann@in.test", Path.NULL, False),
    ],
)
def test_a_pattern_matches_what_it_says(pattern: str, path: str | Path, matches: bool) -> None:
    assert (first([pattern], path) == 0) == matches


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
def test_the_first_in_the_file_wins_whatever_its_kind(order: list[int]) -> None:
    patterns = ["ann@in.test", "*@in.test", "*@*", "*"]
    assert first([patterns[kind] for kind in order], "ann@in.test") == 0
    assert first([patterns[kind] for kind in order], Path.NULL) == order.index(3)


def test_where_nothing_matches_the_position_is_behind_all_others() -> None:
    assert first(["ann@in.test", "*@out.test"], "bob@in.test") == NOWHERE


@pytest.mark.parametrize(
    "text", ["", "ann", "@in.test", "*@", "*@a..b", "sales*@in.test", "ann@*", "<ann@in.test>", "*@*.in.test", "a b@c"]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(LineError, match="^has "):
        parse_path_pattern(text)
