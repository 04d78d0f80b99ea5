# SPDX-License-Identifier: Apache-2.0
"""The command `genkan`: which module has which command. A module is imported when its command is called, and not before."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final

import click

from genkan import __version__
from genkan.admin.invocation import Commands, Invocation

_MODULES: Final = {
    "account": "cli_directory:account",
    "alias": "cli_directory:alias",
    "approval": "cli_approval:approval",
    "brake": "cli_brake:brake",
    "check": "cli_check:check",
    "dkim": "cli_dkim:dkim",
    "dmarc": "cli_dmarc:dmarc",
    "doctor": "cli_doctor:doctor",
    "domain": "cli_directory:domain",
    "explain": "cli_explain:explain",
    "grey": "cli_spf:grey",
    "hop": "cli_routes:hop",
    "import-epost": "cli_epost:import_epost",
    "init": "cli_init:init",
    "list": "cli_lists:mailing_list",
    "lock": "cli_directory:lock",
    "queue": "cli_queue:queue",
    "route": "cli_routes:route",
    "rules": "cli_rules:rules",
    "serve": "cli_serve:serve",
    "simulate": "cli_simulate:simulate",
    "spf": "cli_spf:spf",
    "whatif": "cli_whatif:whatif",
}


class Program(Commands):
    """All commands; each costs its imports only when it is called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names, in order."""
        return list(_MODULES)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name, if there is one."""
        if name not in _MODULES:
            return None
        module, _, attribute = _MODULES[name].partition(":")
        command: click.Command = getattr(import_module(f"genkan.admin.{module}"), attribute)
        return command


@click.group("genkan", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-c",
    "--config",
    "file",
    envvar="GENKAN_CONFIG",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file; GENKAN_CONFIG does the same.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, file: Path | None) -> None:
    """Genkan receives mail by SMTP, keeps it safe and delivers it."""
    ctx.obj = Invocation(file)
