# SPDX-License-Identifier: Apache-2.0
"""The command `genkan`: arguments to operations to text or JSON. Here stand init, serve and check.

The other commands stand in `cli_directory.py` (domain, account, alias, lock), `cli_forwarding.py` (account forward,
account reply), `cli_lists.py` (list), `cli_rules.py` (rules), `cli_queue.py` (queue), `cli_routes.py` (route, hop),
`cli_approval.py` (approval), `cli_brake.py` (brake), `cli_epost.py` (import-epost), `cli_explain.py`, `cli_simulate.py`
and `cli_whatif.py`.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from genkan import __version__
from genkan.admin.check import findings_of
from genkan.admin.cli_approval import approval
from genkan.admin.cli_brake import brake
from genkan.admin.cli_directory import account, alias, domain, lock
from genkan.admin.cli_epost import import_epost
from genkan.admin.cli_explain import explain
from genkan.admin.cli_forwarding import account_forward, account_reply
from genkan.admin.cli_lists import mailing_list
from genkan.admin.cli_queue import queue
from genkan.admin.cli_routes import hop, route
from genkan.admin.cli_rules import rules
from genkan.admin.cli_simulate import simulate
from genkan.admin.cli_whatif import whatif
from genkan.admin.init import DEFAULT_LISTENERS, create_installation
from genkan.admin.invocation import Commands, Invocation, pass_invocation
from genkan.admin.output import Output, with_json
from genkan.config import ConfigError, Listener
from genkan.config_values import parse_host_name, parse_listen_address
from genkan.findings import Finding, Level, error

if TYPE_CHECKING:
    from genkan.worker import ServerRole

ROLES: Final = ("smtp", "submission", "submissions")


@click.group("genkan", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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


for command in (
    account,
    alias,
    approval,
    brake,
    domain,
    explain,
    hop,
    import_epost,
    lock,
    mailing_list,
    queue,
    route,
    rules,
    simulate,
    whatif,
):
    main.add_command(command)

for command in (account_forward, account_reply):
    account.add_command(command)


def _listeners(_ctx: click.Context, _param: click.Parameter, words: tuple[str, ...]) -> tuple[Listener, ...]:
    return tuple(_listener(word) for word in words) or DEFAULT_LISTENERS


def _listener(word: str) -> Listener:
    role, equals, address = word.partition("=")
    if not equals or role not in ROLES:
        raise click.BadParameter(f"expected ROLE=ADDRESS:PORT with one of {', '.join(ROLES)}, not {word!r}")
    try:
        return Listener.model_validate({"role": role, "address": parse_listen_address(address)})
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


def _hostname(_ctx: click.Context, _param: click.Parameter, name: str) -> str:
    try:
        return parse_host_name(name)
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--domain", required=True, metavar="DOMAIN", help="The first domain to receive mail for.")
@click.option("--hostname", required=True, callback=_hostname, metavar="NAME", help="The name of this server.")
@click.option(
    "--listen",
    "listeners",
    multiple=True,
    callback=_listeners,
    metavar="ROLE=ADDRESS:PORT",
    help="Where to listen as smtp, submission or submissions; may be repeated.",
)
@with_json
def init(folder: Path, domain: str, hostname: str, listeners: tuple[Listener, ...]) -> Output:
    """Make DIR with configuration, self-signed certificate and storage."""
    made = create_installation(folder, domain, hostname, listeners)
    genkan = f"genkan -c {shlex.quote(str(folder / 'genkan.toml'))}"
    following = (f'{genkan} account add ann@{made.domain} --name "Ann Example"', f"{genkan} serve")
    lines = (
        f"configuration  {made.file}",
        f"certificate    {made.certificate} (self-signed), its key {made.key}",
        f"storage        {made.storage}",
        f"mail           {made.mail}",
        *(f"{listener.role:<14} {listener.address}" for listener in listeners),
        "Now add an account and start the server:",
        *(f"  {line}" for line in following),
    )
    return Output(
        {"installation": made, "listeners": [_listener_entry(one) for one in listeners], "next": following}, lines
    )


def _listener_entry(listener: Listener) -> dict[str, str]:
    return {"role": listener.role, "address": str(listener.address)}


@main.command()
@click.option(
    "--role",
    type=click.Choice(("all", "receive", "deliver")),
    default="all",
    help="Only receive, or only deliver, beside another process with the other role.",
)
@click.option("--json", "as_json", is_flag=True, help="The log is JSON lines with or without it.")
@pass_invocation
@click.pass_context
def serve(ctx: click.Context, invocation: Invocation, role: ServerRole, as_json: bool) -> None:  # noqa: ARG001, FBT001
    """Receive and deliver mail until SIGTERM; SIGHUP reads configuration and certificate again."""
    config = invocation.config()
    from genkan.main import serve as run_server  # noqa: PLC0415  (the other commands start quicker without it)

    ctx.exit(run_server(config, role))


@main.command()
@pass_invocation
@with_json
def check(invocation: Invocation) -> Output:
    """Say what is wrong or dangerous; exit status 1 if anything does not work."""
    findings = _findings(invocation)
    broken = any(finding.level is Level.ERROR for finding in findings)
    return Output(findings, map(str, findings), hint="nothing to say: all is well", status=int(broken))


def _findings(invocation: Invocation) -> list[Finding]:
    try:
        return findings_of(invocation.config(), invocation.now())
    except ConfigError as fault:
        faults = (line.split(": ", 2) for line in str(fault).split("\n"))
        return [error(": ".join(parts[:-1]), parts[-1], "correct the file") for parts in faults]
