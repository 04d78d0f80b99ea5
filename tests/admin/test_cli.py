# SPDX-License-Identifier: Apache-2.0
"""The command line as a whole: which configuration it takes, its exit status, that every command has --json."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner

from genkan import __version__
from genkan.admin.cli import main
from tests.support.commands import commands_below

if TYPE_CHECKING:
    from pathlib import Path

    import click

    from tests.admin.conftest import Installation


COMMANDS: Final = {
    "account": "add forward list passwd remove reply set show",
    "alias": "add list remove",
    "brake": "list purge release show",
    "approval": "approve link list log reject show",
    "check": "",
    "dkim": "add list remove rotate",
    "doctor": "",
    "dmarc": "received report show",
    "domain": "add list remove",
    "explain": "",
    "grey": "clear list",
    "hop": "list remove set",
    "import-epost": "",
    "init": "",
    "list": "add list remove set show",
    "list member": "add remove resume",
    "list owner": "add remove",
    "lock": "clear list",
    "queue": "delete hold list log release reroute retry show",
    "route": "add list remove show",
    "rules": "check diff edit export import list log promote remove rollback shadow show",
    "serve": "",
    "simulate": "",
    "spf": "",
    "whatif": "",
}
"""Of each group the commands in it; "" for a command of its own."""


BUILT: Final = {" ".join(words): command for words, command in commands_below(main)}


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"genkan {__version__}\n"


def test_the_commands_are_those_of_the_contract() -> None:
    named = {f"{group} {verb}".strip() for group, verbs in COMMANDS.items() for verb in verbs.split() or [""]}
    assert set(BUILT) == named


@pytest.mark.parametrize(("name", "command"), list(BUILT.items()))
def test_every_command_has_json_and_explains_itself(name: str, command: click.Command) -> None:
    result = CliRunner().invoke(main, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert command.help


def test_the_environment_names_the_configuration(installation: Installation) -> None:
    result = CliRunner().invoke(main, ["domain", "list", "--json"], env={"GENKAN_CONFIG": str(installation.file)})
    assert json.loads(result.stdout)[0]["name"] == "in.test"


def test_the_option_wins_over_the_environment(installation: Installation) -> None:
    words = ["-c", str(installation.file), "domain", "list"]
    assert CliRunner().invoke(main, words, env={"GENKAN_CONFIG": "/nowhere"}).exit_code == 0


@pytest.mark.parametrize("words", [["domain", "list"], ["serve"], ["check"], ["queue", "list"]])
def test_without_a_configuration_the_error_says_how_to_name_one(words: list[str]) -> None:
    result = CliRunner().invoke(main, words, env={"GENKAN_CONFIG": None})
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no configuration named: write genkan -c FILE COMMAND, or set GENKAN_CONFIG" in result.stderr


@pytest.mark.parametrize("words", [["domain", "list"], ["serve"], ["queue", "list"]])
def test_a_wrong_setting_stops_every_command_with_file_and_line(installation: Installation, words: list[str]) -> None:
    installation.set("workers = 1", "workers = 0")
    line = installation.file.read_text().split("\n").index("workers = 0") + 1
    error = installation.refusal(*words)
    assert error == f"{installation.file}:{line}: workers: expected a whole number, 1 to 256, not 0"


def test_a_missing_configuration_is_an_error(installation: Installation) -> None:
    installation.file.unlink()
    assert installation.refusal("domain", "list").startswith(f"{installation.file}: no such file; name one with")


def test_a_damaged_database_is_an_error(installation: Installation) -> None:
    (installation.config.storage_folder / "directory.db").write_bytes(b"no database" * 1000)
    assert "not a database" in installation.refusal("domain", "list")


def test_the_module_is_the_command(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "genkan", "init", str(tmp_path), "--domain", "in.test", "--hostname", "mx.in.test"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "genkan.toml").exists()
