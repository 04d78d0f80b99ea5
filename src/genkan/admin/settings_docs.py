# SPDX-License-Identifier: Apache-2.0
"""Makes docs/settings.md from the models in `config.py`: `python -m genkan.admin.settings_docs > docs/settings.md`.

No setting may be described here; the models are the only source.
"""

from __future__ import annotations

import sys
from textwrap import fill
from typing import TYPE_CHECKING, Final

from genkan.admin.config_file import toml_value
from genkan.admin.markdown import table_lines
from genkan.config import Config
from genkan.config_errors import expectation, table_of
from genkan.config_restart import FIXED, FIXED_OF
from genkan.config_values import DURATION, SIZE, Expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

HEAD: Final = """\
# Settings

All settings of `genkan.toml`, in the file's order. `genkan init` writes every one of them with its default and a comment;
what is left out has that default. The page is made from the program: `python -m genkan.admin.settings_docs > docs/settings.md`.

- A key that is not on this page, a wrong type or a value out of range stops `serve` and `check`; the message names file, line
  and what was expected.
- A size is a whole number of octets, or text such as `"25MB"`: KB, MB and GB count in steps of 1024. A duration is a whole
  number of seconds, or text such as `"90s"`, `"5m"`, `"2h"`, `"5d"`. Relative paths start at the folder of the file.
- After a change, send the server SIGHUP: connections that begin from then on follow the new file. The certificate is read
  again, too. A restart is needed for
{fixed}.
"""


def render() -> str:
    """The whole page as Markdown text: the settings before the first table, then one section a table."""
    return "\n".join([HEAD.format(fixed=_fixed()), *_section("Before the first table", "", Config, ()), *_tables()])


def _fixed() -> str:
    """What a reload does not reach, in the order of the file."""
    names = []
    for name, field in Config.model_fields.items():
        if name in FIXED:
            names.append(_title(name) if table_of(field) else name)
        names.extend(f"{name}.{key}" for key in FIXED_OF.get(name, ()))
    *most, last = (f"`{name}`" for name in names)
    words = f"{', '.join(most)} and {last}"
    return fill(words, 126, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _title(table: str) -> str:
    return f"[[{table}]]" if table == "listener" else f"[{table}]"


def _tables() -> Iterator[str]:
    for name, field in Config.model_fields.items():
        table = table_of(field)
        if table is not None:
            yield from _section(f"`{_title(name)}`", table.__doc__ or "", table, (name,))


def _section(title: str, sentence: str, table: type[BaseModel], location: tuple[str, ...]) -> Iterator[str]:
    yield f"## {title}\n"
    if sentence:
        yield f"{sentence}\n"
    fields = {name: field for name, field in table.model_fields.items() if table_of(field) is None}
    rows = (_row((*location, name), field) for name, field in fields.items())
    yield from table_lines(("Key", "Value", "Default", "Meaning"), rows)
    yield ""


def _row(location: tuple[str, ...], field: FieldInfo) -> tuple[str, str, str, str]:
    key = f"`{'.'.join(location)}`"
    value = expectation(Config, location).replace(SIZE, "a size").replace(DURATION, "a duration")
    return key, value, _default(field), field.description or ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    if field.default is None:
        return "not set"
    return f"`{toml_value(field.default, is_size=Expect(SIZE) in field.metadata)}`"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(render())
