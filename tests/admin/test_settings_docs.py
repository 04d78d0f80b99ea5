# SPDX-License-Identifier: Apache-2.0
"""What docs/settings.md says of a setting; that the page is current is in tests/test_docs.py."""

from __future__ import annotations

import pytest

from genkan.admin.settings_docs import render


@pytest.mark.parametrize(
    "line",
    [
        '| `limits.message_size` | a size, 1 to 16GB | `"25MB"` |',
        "| `limits.hops` | a whole number, 1 to 1000 | `20` |",
        '| `limits.idle` | a duration, 1s to 1d | `"5m"` |',
        '| `auth.mode` | "on" or "off" | `"on"` |',
        '| `hostname` | a host name such as "mx.example.test" | must be given |',
        "| `tls.key` | a file name | not set |",
        "| `smtp.vrfy` | true or false | `false` |",
    ],
)
def test_a_setting_has_its_range_and_default(line: str) -> None:
    assert render().count(f"\n{line} ") == 1


def test_each_table_has_a_section_headed_as_the_file_writes_it() -> None:
    page = render()
    assert "\n## `[limits]`\n\nWhat one client, one session or one message may take.\n" in page
    assert "\n## `[[listener]]`\n" in page
