# SPDX-License-Identifier: Apache-2.0
"""The commands of the program as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands_in(group: click.Group) -> dict[str, click.Command]:
    """The commands directly in a group, by name; each is imported."""
    context = click.Context(group)
    return {
        name: command
        for name in group.list_commands(context)
        if (command := group.get_command(context, name)) is not None
    }


def commands_below(command: click.Command, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that is no group, with the words that call it behind `words`."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    for name, inner in commands_in(command).items():
        yield from commands_below(inner, *words, name)
