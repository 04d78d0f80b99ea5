# SPDX-License-Identifier: Apache-2.0
"""An installation made by `genkan init` in a temporary folder, and the command line to ask it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from genkan.admin.cli import main
from genkan.config import Config, load_config
from tests.support.dns_server import dns_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.support.dns_server import DnsServer


@dataclass(frozen=True)
class Installation:
    """The folder, and `genkan -c FOLDER/genkan.toml ...`."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "genkan.toml"

    @property
    def config(self) -> Config:
        return load_config(self.file)

    def call(self, *words: str, given: str | bytes = "") -> Result:
        """Run a command; `given` is its standard input."""
        return CliRunner().invoke(main, ["-c", str(self.file), *words], input=given, catch_exceptions=False)

    def text(self, *words: str, given: str | bytes = "") -> str:
        """What a command that must succeed prints."""
        result = self.call(*words, given=given)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str, given: str | bytes = "") -> Any:
        """What a command that must succeed prints with --json."""
        return json.loads(self.text(*words, "--json", given=given))

    def refusal(self, *words: str, given: str | bytes = "") -> str:
        """The error of a command that must fail with status 1 and print nothing."""
        result = self.call(*words, given=given)
        assert (result.exit_code, result.stdout) == (1, "")
        return result.stderr.rstrip("\n")

    def misuse(self, *words: str, given: str | bytes = "") -> str:
        """The last line of the error of a command line that is wrong (status 2)."""
        result = self.call(*words, given=given)
        assert (result.exit_code, result.stdout) == (2, "")
        return result.stderr.rstrip("\n").rpartition("\n")[2]

    def set(self, old: str, new: str) -> None:
        """Replace one line of the configuration."""
        text = self.file.read_text()
        assert text.count(f"\n{old}\n") == 1
        self.file.write_text(text.replace(f"\n{old}\n", f"\n{new}\n"))

    def set_in(self, table: str, old: str, new: str) -> None:
        """Replace the first such line in a table of the configuration."""
        before, head, after = self.file.read_text().partition(f"\n[{table}]\n")
        assert f"\n{old}\n" in after.partition("\n[")[0]
        self.file.write_text(before + head + after.replace(f"\n{old}\n", f"\n{new}\n", 1))


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    folder = tmp_path / "home"
    words = ["init", str(folder), "--domain", "in.test", "--hostname", "mx.in.test", "--listen", "smtp=127.0.0.1:0"]
    assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    return Installation(folder)


@pytest.fixture
def dns(installation: Installation) -> Iterator[DnsServer]:
    """A name server that the installation asks."""
    with dns_server() as server:
        installation.set("servers = []", f'servers = ["{server.address}"]')
        installation.set('timeout = "4s"', 'timeout = "10s"')
        yield server
