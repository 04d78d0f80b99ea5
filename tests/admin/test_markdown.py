# SPDX-License-Identifier: Apache-2.0
"""Tables in Markdown."""

from __future__ import annotations

from genkan.admin.markdown import table_lines


def test_a_table_has_a_head_and_a_line_a_row() -> None:
    assert list(table_lines(("a", "b"), [("1", "2")])) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_a_bar_inside_a_cell_does_not_end_it() -> None:
    assert list(table_lines(("a",), [("x|y",)]))[-1] == "| x\\|y |"
