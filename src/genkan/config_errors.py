# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a configuration file, with file and line: "FILE:LINE: key: expected ..." (pure).

`tomllib` gives no positions, so the line of a key is found by reading the file once more, statement by statement.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from datetime import timedelta
from typing import TYPE_CHECKING, Final, get_args

import annotated_types
from pydantic import BaseModel

from genkan.config_values import SIZE, Expect, duration_text, shown, size_text

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

Location = tuple[str | int, ...]

_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")


class ConfigError(Exception):
    """The configuration cannot be used; the text has one line "FILE:LINE: key: what was expected" for each fault."""


def syntax_error(file: Path, text: str, error: tomllib.TOMLDecodeError) -> ConfigError:
    """What `tomllib` found, with the line in front; a fault at the end is that of the last line."""
    match = _TOML_PLACE.search(str(error))
    line = match[1] if match and match[1] else str(max(1, len(text.splitlines())))
    return ConfigError(f"{file}:{line}: not TOML: {_TOML_PLACE.sub('', str(error))}")


def errors_at(file: Path, text: str, faults: list[tuple[Location, str]]) -> ConfigError:
    """One error of all faults (where, sentence), in the order of the file's lines."""
    lines = key_lines(text)
    placed = sorted((line_of(lines, location), dotted(location), sentence) for location, sentence in faults)
    return ConfigError("\n".join(f"{file}:{line}: {key}: {sentence}" for line, key, sentence in placed))


def dotted(location: Location) -> str:
    """A location as the file's reader would say it: ("listener", 0, "role") is "listener[1].role"."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def line_of(lines: dict[Location, int], location: Location) -> int:
    """The line of a key; for one that is missing, or inside a value, that of the nearest thing around it."""
    while location and location not in lines:
        location = location[:-1]
    return lines.get(location, 1)


def key_lines(text: str) -> dict[Location, int]:
    """The line (from 1) of every table and key of a valid TOML document.

    A statement is the fewest lines that are TOML by themselves; so multi-line values need no parser of their own.
    """
    lines: dict[Location, int] = {}
    tables: dict[Location, int] = {}
    table: Location = ()
    statement, first = "", 1
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = _header_location(parsed, tables)
            for depth in range(1, len(table) + 1):
                lines.setdefault(table[:depth], first)
        else:
            _note_keys(parsed, table, first, lines)
        statement, first = "", number + 1
    return lines


def _header_location(parsed: dict[str, object], tables: dict[Location, int]) -> Location:
    """Where [a.b] or [[a]] leads; `tables` counts the elements of each array of tables so far."""
    location: Location = ()
    inner: object = parsed
    while isinstance(inner, dict) and inner:
        key, inner = next(iter(inner.items()))
        location += (key,)
        if isinstance(inner, list):
            tables[location] = tables.get(location, 0) + 1
            inner = inner[0]
        if location in tables:
            location += (tables[location] - 1,)
    return location


def _note_keys(parsed: object, location: Location, line: int, lines: dict[Location, int]) -> None:
    if isinstance(parsed, dict):
        for key, value in parsed.items():
            lines.setdefault((*location, key), line)
            _note_keys(value, (*location, key), line, lines)


def faults_of(model: type[BaseModel], document: object, errors: list[ErrorDetails]) -> list[tuple[Location, str]]:
    """What pydantic found, in our own words: where, what was expected, and what stands in the document instead."""
    inside = {error["loc"][:depth] for error in errors for depth in range(1, len(error["loc"]))}
    return [
        (error["loc"], _sentence(model, document, error))
        for error in errors
        if error["type"] != "too_short" or error["loc"] not in inside  # elements with faults of their own do not count
    ]


def _sentence(model: type[BaseModel], document: object, error: ErrorDetails) -> str:
    location = error["loc"]
    if error["type"] == "extra_forbidden":
        return _unknown_key(model, location)
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    expected = expectation(model, location)
    if error["type"] == "missing":
        return f"is missing; expected {expected}"
    return f"expected {expected}, not {shown(_written(document, location))}"


def _written(document: object, location: Location) -> object:
    """The value as it stands in the document, before any conversion."""
    for part in location:
        if isinstance(document, dict | list):
            document = document[part]  # type: ignore[index]
    return document


def _unknown_key(model: type[BaseModel], location: Location) -> str:
    key = str(location[-1])
    table = _model_at(model, location[:-1])
    homes = _homes(model, key)
    near = difflib.get_close_matches(key, table.model_fields, n=1)
    if homes:
        return f"unknown key; {key} belongs {' or '.join(homes)}"
    if near:
        return f'unknown key; did you mean "{near[0]}"?'
    return f"unknown key; expected one of {', '.join(table.model_fields)}"


def _homes(model: type[BaseModel], key: str) -> list[str]:
    homes = ["before the first [table]"] if key in model.model_fields else []
    for name, field in model.model_fields.items():
        table = table_of(field)
        if table and key in table.model_fields:
            homes.append(f"in [[{name}]]" if name == "listener" else f"in [{name}]")
    return homes


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    for part in location:
        field = model.model_fields.get(str(part))
        model = (table_of(field) if field else None) or model
    return model


def table_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of the table or tables that a field holds; `None` for a setting."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def expectation(model: type[BaseModel], location: Location) -> str:
    """What the setting at `location` wants, with its range: the words that stand behind "expected"."""
    names = [part for part in location if isinstance(part, str)]
    owner: type[BaseModel] = model
    field: FieldInfo | None = None
    for name in names:
        if name not in owner.model_fields:
            break
        field = owner.model_fields[name]
        owner = table_of(field) or owner
    if field is None:
        return "a setting"
    words = [item.words for item in field.metadata if isinstance(item, Expect)]
    if not words:
        return f"a table [{names[0]}]" if table_of(field) else _choices(field)
    return words[-1] + _range(field, words[-1])


def _choices(field: FieldInfo) -> str:
    return " or ".join(shown(choice) for choice in get_args(field.annotation) or (field.annotation,))


def _range(field: FieldInfo, words: str) -> str:
    least = next((item.ge for item in field.metadata if isinstance(item, annotated_types.Ge)), None)
    most = next((item.le for item in field.metadata if isinstance(item, annotated_types.Le)), None)
    if least is not None and most is not None:
        return f", {_bound(least, words)} to {_bound(most, words)}"
    return f", {_bound(least, words)} or more" if least is not None else ""


def _bound(value: object, words: str) -> str:
    if isinstance(value, timedelta):
        return duration_text(value)
    return size_text(value) if isinstance(value, int) and words == SIZE else str(value)
