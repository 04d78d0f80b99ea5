# SPDX-License-Identifier: Apache-2.0
"""What docs/settings.md says of a setting; that the page is current is in tests/test_docs.py."""

from __future__ import annotations

import re

import pytest

from genkan.admin.settings_docs import render
from genkan.config_restart import FIXED, FIXED_OF


@pytest.mark.parametrize(
    "line",
    [
        '| `limits.message_size` | a size, 1 to 16GB | `"25MB"` |',
        "| `limits.hops` | a whole number, 1 to 1000 | `20` |",
        '| `dns.timeout` | a duration, 1s to 1m | `"4s"` |',
        '| `limits.idle` | a duration, 1s to 1d | `"5m"` |',
        '| `auth.mode` | "on" or "off" | `"on"` |',
        '| `hostname` | a host name such as "mx.example.test" | must be given |',
        "| `tls.key` | a file name | not set |",
        "| `smtp.vrfy` | true or false | `false` |",
    ],
)
def test_a_setting_has_its_range_and_default(line: str) -> None:
    assert render().count(f"\n{line} ") == 1


def test_the_page_names_all_that_needs_a_restart_and_nothing_else() -> None:
    page = render()
    start = page.index("A restart is needed for")
    named = re.findall(r"`([^`]+)`", page[start : page.index("\n\n", start)])
    tables = {f"[[{name}]]" if name == "listener" else f"[{name}]" for name in set(FIXED) - {"workers"}}
    keys = {f"{table}.{key}" for table, keys in FIXED_OF.items() for key in keys}
    assert (len(named), set(named)) == (len(set(named)), tables | keys | {"workers"})


def test_each_table_has_a_section_headed_as_the_file_writes_it() -> None:
    page = render()
    assert "\n## `[limits]`\n\nWhat one client, one session or one message may take.\n" in page
    assert "\n## `[[listener]]`\n" in page
