# SPDX-License-Identifier: Apache-2.0
"""The kinds of settings: annotated types that say how a value is written, checked and asked for. No setting stands here."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003  (pydantic reads the annotations when the program runs)
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from annotated_types import Ge
from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictBool, StrictInt

from genkan import config_values as values
from genkan.config_values import Expect, Network

KB: Final = 1024
MB: Final = 1024 * KB
GB: Final = 1024 * MB
SECOND: Final = timedelta(seconds=1)


def list_of(parse: Callable[[object], object], expected: str) -> Callable[[object], object]:
    """A validator for a list whose items `parse` reads."""

    def parse_list(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise values.unfit(f"a list of {expected}", value)
        return tuple(parse(item) for item in value)

    return parse_list


def distinct(value: object) -> object:
    """A list of AUTH mechanisms, none twice; raises `ValueError`."""
    if not isinstance(value, list) or not value or any(value.count(item) > 1 for item in value):
        raise values.unfit(f"a list of at least one of {', '.join(MECHANISMS)}, none twice", value)
    return value


def _optional_path(value: object) -> object:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str):
        raise values.unfit("a file name", value)
    return Path(value) if value else None


def level(value: object) -> object:
    """A number that is not `true`; raises `ValueError`."""
    if isinstance(value, bool):  # true == 1 in Python
        raise values.unfit("1 or 2 or 3", value)
    return value


MECHANISMS: Final = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")

Role = Literal["smtp", "submission", "submissions"]
Mechanism = Literal["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"]
Count = Annotated[StrictInt, Expect("a whole number")]
Switch = Annotated[StrictBool, Expect("true or false")]
Size = Annotated[int, BeforeValidator(values.parse_size), Expect(values.SIZE)]
Duration = Annotated[timedelta, BeforeValidator(values.parse_duration), Expect(values.DURATION)]
Durations = Annotated[
    tuple[Annotated[timedelta, Ge(SECOND)], ...],
    BeforeValidator(list_of(values.parse_duration, "durations")),
    Expect('a list of durations such as ["5m", "1h"], each 1s or more'),
]
Networks = Annotated[
    tuple[Network, ...],
    BeforeValidator(list_of(values.parse_network, "networks")),
    Expect('a list of networks such as ["192.0.2.0/24"]'),
]
OptionalPath = Annotated[Path | None, BeforeValidator(_optional_path), Expect("a file name")]


class Table(BaseModel):
    """What every table has in common: it cannot be changed, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
