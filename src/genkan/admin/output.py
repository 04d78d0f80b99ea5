# SPDX-License-Identifier: Apache-2.0
"""What a command prints: one value, as text for people or as JSON for programs. Nothing is looked up here."""

from __future__ import annotations

import dataclasses
import functools
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, ParamSpec

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """A command's result: `value` for JSON, `lines` for people, `hint` on standard error when there are no lines.

    `status` is the exit status, for a command whose answer can be bad news.
    """

    value: object
    lines: Iterable[str] = ()
    hint: str = ""
    status: int = 0


def with_json(command: Callable[P, Output]) -> Callable[P, None]:
    """Give a command the option --json, and print what it returns."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(command)
    def printing(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = kwargs.pop("as_json")
        output = command(*args, **kwargs)
        if as_json:
            click.echo(json_text(plain(output.value)))
        else:
            _print_lines(output)
        if output.status:
            click.get_current_context().exit(output.status)

    return printing


def _print_lines(output: Output) -> None:
    printed = False
    for line in output.lines:
        click.echo(printable(line))
        printed = True
    if output.hint and not printed:
        click.echo(output.hint, err=True)


def plain(value: object) -> Any:  # noqa: ANN401  (whatever JSON can hold)
    """A value as JSON knows it: dataclasses become objects, times ISO 8601 in UTC, addresses and the like text."""
    match value:
        case None | bool() | int() | float():
            return value
        case datetime():
            return value.isoformat()
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() if not hasattr(value, "_fields"):
            return [plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return str(value)


def json_text(value: object) -> str:
    r"""JSON that is safe for a terminal: letters of all scripts as they are, all that does not print as \uXXXX."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def printable(text: str) -> str:
    r"""Text from mail made safe for a terminal: control characters as \xNN, so that no sender can move the cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\t\n" else f"\\x{ord(c):02x}" for c in text)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Columns side by side under their names, the last one unpadded; nothing without rows."""
    body = list(rows)
    if not body:
        return []
    widths = [max(len(row[column]) for row in (head, *body)) for column in range(len(head) - 1)]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in (head, *body)]


def moment_text(moment: datetime | None) -> str:
    """A moment to the second in UTC, or "never"."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "never"
