# SPDX-License-Identifier: Apache-2.0
"""What docs/commands.md says of a command; that the page is current is in tests/test_docs.py."""

from __future__ import annotations

from genkan.admin.commands_docs import render


def test_a_command_has_its_usage_help_and_options() -> None:
    section = render().partition("\n### genkan account passwd\n")[2].partition("\n### ")[0]
    assert section.startswith(
        "\n`genkan account passwd ADDRESS`\n\nGive an account another password; asks for it at the terminal.\n"
    )
    assert "\n| `--password-stdin` | Read the password from standard input. |\n" in section


def test_an_option_with_a_value_names_it_and_a_needed_one_says_so() -> None:
    assert "| `--domain DOMAIN` | The first domain to receive mail for. Must be given. |" in render()


def test_an_option_that_has_an_opposite_names_both() -> None:
    assert "\n| `--keep, --no-keep` | Whether a copy stays in the mailbox; at first it does. |\n" in render()


def test_a_group_has_a_heading_and_its_commands_lie_below() -> None:
    assert "\n## genkan alias\n\nAddresses that stand for others.\n\n### genkan alias add\n" in render()
