# SPDX-License-Identifier: Apache-2.0
"""A written configuration reads as what was written, and explains every setting."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel

from genkan.admin.config_file import config_text, toml_value
from genkan.config import Config, parse_config

FILE = Path("genkan.toml")
PLAIN = 'hostname = "mx.in.test"\n[[listener]]\naddress = "127.0.0.1:25"\nrole = "smtp"\n'
RICH = """
hostname = "mx.in.test"
banner = 'a "quoted" \\ banner'
replies = "rfc"
expires = 2030-01-01
[[listener]]
address = "[::1]:25"
role = "smtp"
proxy_protocol = ["192.0.2.0/24", "2001:db8::/32"]
[[listener]]
address = "127.0.0.1:465"
role = "submissions"
[tls]
certificate = "/etc/ssl/玄関.pem"
key = "key.pem"
[limits]
message_size = 1500
idle = 61
[auth]
mechanisms = ["LOGIN"]
"""


@pytest.mark.parametrize("text", [PLAIN, RICH])
def test_a_written_configuration_reads_as_the_same(text: str) -> None:
    config = parse_config(text, FILE)
    assert parse_config(config_text(config), FILE) == config


def test_every_setting_is_written_with_a_line_of_explanation() -> None:
    lines = config_text(parse_config(PLAIN, FILE)).split("\n")
    settings = [name for table in tables() for name, field in table.model_fields.items() if field.description]
    explained = [
        line.removeprefix("# ").partition(" = ")[0]
        for above, line in pairwise(lines)
        if above.startswith("# ") and " = " in line
    ]
    assert sorted(explained) == sorted(settings)


def test_every_setting_of_the_models_has_an_explanation() -> None:
    bare = {
        name
        for table in tables()
        for name, field in table.model_fields.items()
        if not field.description
        and not (table is Config and name == "listener")
        and not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
    }
    assert bare == set()


def test_what_is_not_set_is_shown_as_a_comment() -> None:
    lines = config_text(parse_config(PLAIN, FILE)).split("\n")
    assert [
        line for line in lines if line.startswith("# ") and " = " in line and "0 =" not in line and "; " not in line
    ] == [
        "# expires = 2030-01-31",
        '# certificate = "tls/cert.pem"',
        '# key = "tls/key.pem"',
        '# acceptlog = "folder"',
        '# inlog = "folder"',
        '# handoff = "folder"',
        '# tls_ca = "file"',
        '# handlers = "folder"',
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (20, "20"),
        (timedelta(hours=2), '"2h"'),
        (date(2030, 1, 2), "2030-01-02"),
        (("a", "b"), '["a", "b"]'),
        ('a"b\\', '"a\\"b\\\\"'),
    ],
)
def test_values_are_written_as_toml(value: object, text: str) -> None:
    assert toml_value(value) == text


def test_sizes_are_written_in_their_largest_unit() -> None:
    assert [toml_value(octets, is_size=True) for octets in (0, 1000, 1024, 26214400)] == [
        "0",
        "1000",
        '"1KB"',
        '"25MB"',
    ]


def tables() -> list[type[BaseModel]]:
    config = parse_config(PLAIN, FILE)
    values = [getattr(config, name) for name in Config.model_fields]
    return [Config, type(config.listener[0]), *(type(value) for value in values if isinstance(value, BaseModel))]
