# SPDX-License-Identifier: Apache-2.0
"""Which changes of the file a running server takes up only when it starts again."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from genkan.config import Config, parse_config
from genkan.config_restart import FIXED, FIXED_OF, needs_restart

TEXT: Final = 'hostname = "mx"\nworkers = 1\n[[listener]]\naddress = "127.0.0.1:25"\nrole = "smtp"\n'


def config(more: str = "", text: str = TEXT) -> Config:
    return parse_config(text + more, Path("genkan.toml"))


@pytest.mark.parametrize(
    ("read", "named"),
    [
        (config(), []),
        (config('[spf]\nmode = "defer"\n[limits]\nhops = 3\n[dmarc]\nmode = "refuse"\n'), []),
        (config(text=TEXT.replace("workers = 1", "workers = 2").replace(":25", ":26")), ["workers", "listener"]),
        (config('[tls]\ncertificate = "a"\nkey = "b"\n'), ["tls.certificate", "tls.key"]),
        (
            config('[dns]\ntimeout = "1s"\n[dmarc]\nreports = true\n[limits]\nidle = "1m"\n'),
            ["dns", "limits.idle", "dmarc.reports"],
        ),
    ],
    ids=["nothing", "taken up", "before the first table", "files", "tables and keys"],
)
def test_what_differs_and_is_not_taken_up_is_named(read: Config, named: list[str]) -> None:
    assert needs_restart(config(), read) == named


def test_all_that_is_fixed_is_a_setting() -> None:
    assert [name for name in (*FIXED, *FIXED_OF) if name not in Config.model_fields] == []
    missing = [
        f"{table}.{key}"
        for table, keys in FIXED_OF.items()
        for key in keys
        if key not in type(getattr(config(), table)).model_fields
    ]
    assert missing == []
