# SPDX-License-Identifier: Apache-2.0
"""The command that makes an installation: `genkan init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

import click

from genkan.admin.init import DEFAULT_LISTENERS, InitError, create_installation
from genkan.admin.invocation import Failure
from genkan.admin.output import Output, with_json
from genkan.config import Listener
from genkan.config_values import parse_host_name, parse_listen_address

ROLES: Final = ("smtp", "submission", "submissions")


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


@click.command()
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
    try:
        made = create_installation(folder, domain, hostname, listeners)
    except InitError as error:
        raise Failure(str(error)) from error
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
