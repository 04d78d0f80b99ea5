# SPDX-License-Identifier: Apache-2.0
"""A configuration as a commented file: every setting there is, one line of explanation above each (pure).

The words and their order are those of the models in `config.py`, so that a new setting appears here by itself.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from genkan.config_values import SIZE, Expect, duration_text, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from genkan.config import Config

_HEAD: Final = """\
# Settings of Genkan. What is not set has the value that `genkan init` writes for it.
# Sizes: 4096 or "25MB" (KB, MB, GB). Durations: "90s", "5m", "2h", "5d". Relative paths start at this file's folder.
# `genkan check` says what is wrong or dangerous here.
"""
_UNSET: Final = {
    "expires": "2030-01-31",
    "certificate": '"tls/cert.pem"',
    "key": '"tls/key.pem"',
    "tls_ca": '"file"',
}
_UNSET_FOLDER: Final = '"folder"'


def config_text(config: Config) -> str:
    """The text of a file that reads as `config`: each key at the start of its line, comments on lines of their own."""
    return "\n".join([_HEAD, *_settings(config), *_tables(config)]) + "\n"


def toml_value(value: object, *, is_size: bool = False) -> str:
    """A setting's value as TOML writes it; sizes and durations in their largest whole unit."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            text = size_text(value) if is_size else str(value)
            return text if text.isdigit() else f'"{text}"'
        case timedelta():
            return f'"{duration_text(value)}"'
        case date():
            return value.isoformat()
        case tuple() if not hasattr(value, "_fields"):
            return f"[{', '.join(toml_value(item) for item in value)}]"
        case _:
            return json.dumps(str(value), ensure_ascii=False)


def _settings(table: BaseModel) -> Iterator[str]:
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if not _holds_tables(value):
            yield f"# {field.description}"
            yield _setting(name, field, value)


def _setting(name: str, field: FieldInfo, value: object) -> str:
    if value is None:
        return f"# {name} = {_UNSET.get(name, _UNSET_FOLDER)}"
    return f"{name} = {toml_value(value, is_size=Expect(SIZE) in field.metadata)}"


def _tables(config: Config) -> Iterator[str]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            yield from ("", f"[{name}]", *_settings(value))
        elif _holds_tables(value):
            for index, element in enumerate(value):
                lines = _settings(element)
                yield from ("", f"[[{name}]]", *(line for line in lines if index == 0 or not line.startswith("#")))


def _holds_tables(value: object) -> bool:
    return isinstance(value, BaseModel) or (isinstance(value, tuple) and any(isinstance(v, BaseModel) for v in value))
