# SPDX-License-Identifier: Apache-2.0
"""The commands about senders that SPF does not permit: `genkan spf` asks as the server would, `genkan grey` shows who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genkan.admin.cli_simulate import client_option, one_line
from genkan.admin.invocation import Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, table, with_json
from genkan.admin.spf_operations import ask_spf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.directory import GreyEntry
    from genkan.dns.spf import SpfResult


@click.command()
@client_option
@click.option(
    "--from",
    "reverse_path",
    default="",
    callback=one_line,
    metavar="ADDRESS",
    help='The reverse-path; without it, or as "<>", the name of --hello is judged.',
)
@click.option("--hello", default="", callback=one_line, metavar="NAME", help="How the client greets.")
@pass_invocation
@with_json
def spf(invocation: Invocation, client: str, reverse_path: str, hello: str) -> Output:
    """Ask the DNS whether the domain of a sender permits a client, and tell what decided (SPF, RFC 7208).

    Exit status 1: the DNS could not be asked. Any other result is an answer.
    """
    path = reverse_path[1:-1] if reverse_path.startswith("<") and reverse_path.endswith(">") else reverse_path
    if not path and not hello:
        raise click.UsageError("say who sends: --from ADDRESS, or --hello NAME")
    found = ask_spf(invocation.config(), client, path, hello)
    identity = "smtp.mailfrom" if path else "smtp.helo"
    status = int(found.result == "temperror")
    return Output({**found._asdict(), "identity": identity}, _spf_lines(found, identity), status=status)


@click.group()
def grey() -> None:
    """Senders that were deferred for SPF, and are let in when they come again."""


@grey.command("list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="The youngest N only.")
@pass_invocation
@with_json
def grey_list(invocation: Invocation, limit: int) -> Output:
    """List the senders, those that came last first."""
    entries = invocation.operations().list_grey(limit)
    rows = table(("network", "sender", "first", "last", "state"), map(_grey_row, entries))
    return Output([entry._asdict() for entry in entries], rows, hint="nobody was deferred that could come again")


@grey.command("clear")
@click.argument("network", metavar="[ADDRESS]", required=False)
@pass_invocation
@with_json
def grey_clear(invocation: Invocation, network: str | None) -> Output:
    """Forget the senders in the network of ADDRESS, or all: their next mail is their first."""
    cleared = invocation.operations().clear_grey(network)
    return Output({"cleared": cleared}, [f"cleared {cleared}"])


def _spf_lines(found: SpfResult, identity: str) -> Iterator[str]:
    yield found.result
    if found.domain:
        yield f"domain       {found.domain} ({identity})"
    yield f"reason       {found.reason}"
    if found.explanation:
        yield f"explanation  {found.explanation}"


def _grey_row(entry: GreyEntry) -> tuple[str, ...]:
    state = "let in" if entry.let_in else "waits"
    return entry.network, entry.sender, moment_text(entry.since), moment_text(entry.seen), state
