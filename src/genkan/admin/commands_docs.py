# SPDX-License-Identifier: Apache-2.0
"""Makes docs/commands.md from the commands themselves: `python -m genkan.admin.commands_docs > docs/commands.md`.

No command may be described here; their help texts are the only source.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Final

import click

from genkan.admin.cli import main
from genkan.admin.markdown import table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD: Final = """\
# Commands

All commands of `genkan`. The page is made from the program: `python -m genkan.admin.commands_docs > docs/commands.md`.

- Every command but `init` needs the configuration file: `genkan -c FILE COMMAND`, or its name in `GENKAN_CONFIG`. The option
  stands before the command.
- With `--json` a command prints JSON in place of text; the keys are meant for programs.
- Exit status 0: done. 1: an error; the text on standard error says what to do. 2: the command line is wrong.
- All but `init` and `serve` may be used while the server runs, and what they change takes effect at once.
"""


def render() -> str:
    """The whole page as Markdown text, one section a command, in the order of the names."""
    return "\n".join([HEAD, *_below(click.Context(main, info_name="genkan"))])


def _below(context: click.Context) -> Iterator[str]:
    """The sections of the commands in a group."""
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from _section(click.Context(command, info_name=name, parent=context))


def _section(context: click.Context) -> Iterator[str]:
    words = context.command_path.split()
    yield f"{'#' * len(words)} {' '.join(words)}\n"
    if isinstance(context.command, click.Group):
        yield f"{context.command.help}\n"
        yield from _below(context)
    else:
        yield f"`{_usage(context)}`\n\n{inspect.cleandoc(context.command.help or '')}\n"
        yield from _options(context)


def _usage(context: click.Context) -> str:
    own = [piece for piece in context.command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    return " ".join([context.command_path, *own])


def _options(context: click.Context) -> Iterator[str]:
    options = [
        option for option in context.command.params if isinstance(option, click.Option) and option.name != "as_json"
    ]
    if options:
        yield from table_lines(("Option", "Meaning"), [_option(option, context) for option in options])
        yield ""


def _option(option: click.Option, context: click.Context) -> tuple[str, str]:
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    return f"`{', '.join((*option.opts, *option.secondary_opts))}{value}`", (option.help or "") + (
        " Must be given." if option.required else ""
    )


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(render())
