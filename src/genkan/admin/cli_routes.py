# SPDX-License-Identifier: Apache-2.0
"""The commands about where mail goes: `genkan route`, and how it is said there: `genkan hop`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypedDict, Unpack

import click

from genkan.admin.invocation import ADDRESS, Invocation, pass_invocation, read_password, read_password_line
from genkan.admin.output import Output, table, with_json
from genkan.admin.route_operations import HopEntry, RouteOperations
from genkan.directory.hops import MAX_CONNECTIONS, TLS_POLICIES

if TYPE_CHECKING:
    from genkan.directory.hops import HopFields, TlsPolicy
    from genkan.smtp.address import Mailbox

DEFAULT: Final = "default"  # as the settings say


class _Words(TypedDict):
    tls: TlsPolicy | Literal["default"] | None
    source: str | None
    username: str | None
    credentials: Literal["stdin", "none"] | None
    connections: int | None


@click.group()
def route() -> None:
    """Where mail for an address or a domain goes."""


@route.command("add")
@click.argument("pattern")
@click.argument("destination")
@click.option("--replace", is_flag=True, help="Also in place of the route that PATTERN has.")
@pass_invocation
@with_json
def route_add(invocation: Invocation, pattern: str, destination: str, replace: bool) -> Output:  # noqa: FBT001
    """Let mail for PATTERN go to DESTINATION.

    PATTERN is an address, a domain, *.domain or *. DESTINATION is maildir, mx, smtp:HOST[:PORT], lmtp:HOST:PORT,
    lmtp:unix:/PATH, https://HOST/PATH, python:MODULE:FUNCTION, "pipe:/PROGRAM ARGUMENT ..." or dmarc-reports:.
    """
    entry, findings = invocation.opened(RouteOperations).add_route(pattern, destination, replace=replace)
    lines = [f"mail for {entry.pattern} goes to {entry.destination}", *map(str, findings)]
    return Output({"added": entry, "findings": findings}, lines)


@route.command("list")
@click.argument("pattern", required=False)
@pass_invocation
@with_json
def route_list(invocation: Invocation, pattern: str | None) -> Output:
    """List all routes, or the one of PATTERN."""
    entries = invocation.opened(RouteOperations).list_routes(pattern)
    rows = table(("pattern", "destination"), ((entry.pattern, entry.destination) for entry in entries))
    return Output(entries, rows, hint="no route; add one with: genkan route add PATTERN DESTINATION")


@route.command("remove")
@click.argument("pattern")
@pass_invocation
@with_json
def route_remove(invocation: Invocation, pattern: str) -> Output:
    """Let mail for PATTERN go where it goes without this route, mail that waits already, too."""
    invocation.opened(RouteOperations).remove_route(pattern)
    return Output({"removed": pattern}, [f"removed {pattern}"])


@route.command("show")
@click.argument("address", type=ADDRESS)
@pass_invocation
@with_json
def route_show(invocation: Invocation, address: Mailbox) -> Output:
    """Say where mail for ADDRESS goes now, and why."""
    way = invocation.opened(RouteOperations).show_way(address)
    whose = f"{way.address}, which is {way.mailbox}," if way.mailbox != way.address else way.address
    return Output(way, [f"mail for {whose} goes to {way.destination} ({way.reason})"])


@click.group()
def hop() -> None:
    """How a next hop is spoken to."""


@hop.command("set")
@click.argument("name")
@click.option("--tls", type=click.Choice([*TLS_POLICIES, DEFAULT]), help="Whether mail may travel without TLS.")
@click.option("--source", metavar="IP", help='The address to connect from, or "default".')
@click.option("--user", "username", metavar="NAME", help="The name for AUTH; asks for the password at the terminal.")
@click.option("--password-stdin", "credentials", flag_value="stdin", help="Read the password from standard input.")
@click.option("--no-auth", "credentials", flag_value="none", help="Forget name and password.")
@click.option(
    "--connections",
    type=click.IntRange(0, MAX_CONNECTIONS),
    help="Most connections at a time; 0 for as many as the settings say.",
)
@pass_invocation
@with_json
def hop_set(invocation: Invocation, name: str, **words: Unpack[_Words]) -> Output:
    """Say how the next hop NAME is spoken to.

    NAME is HOST:PORT, HOST (of a webhook, too), or the domain of recipients whose mail goes by MX. What is not given stays
    as it is. A password without a name is the secret that webhooks are signed with.
    """
    fields = _fields(words)
    entry, findings = invocation.opened(RouteOperations).set_hop(name, **fields)
    return Output({"changed": entry, "findings": findings}, [f"changed {entry.name}", *map(str, findings)])


@hop.command("list")
@pass_invocation
@with_json
def hop_list(invocation: Invocation) -> Output:
    """List the next hops that something is set for; passwords are not shown."""
    entries = invocation.opened(RouteOperations).list_hops()
    rows = table(("next hop", "tls", "source", "connections", "auth"), map(_hop_row, entries))
    return Output(entries, rows, hint="nothing is set for any next hop; the settings of [delivery] count")


@hop.command("remove")
@click.argument("name")
@pass_invocation
@with_json
def hop_remove(invocation: Invocation, name: str) -> Output:
    """Leave the next hop NAME to the settings; name and password for AUTH are forgotten."""
    invocation.opened(RouteOperations).remove_hop(name)
    return Output({"removed": name}, [f"removed {name}"])


def _fields(words: _Words) -> HopFields:
    if all(word is None for word in words.values()):
        raise click.UsageError(
            "nothing to change: give --tls, --source, --user, --password-stdin, --no-auth or --connections"
        )
    fields = _credentials(words["username"], words["credentials"])
    if words["tls"] is not None:
        fields["tls"] = "" if words["tls"] == DEFAULT else words["tls"]
    if words["source"] is not None:
        fields["source"] = "" if words["source"] == DEFAULT else words["source"]
    if words["connections"] is not None:
        fields["connections"] = words["connections"] or None
    return fields


def _credentials(username: str | None, source: Literal["stdin", "none"] | None) -> HopFields:
    if source == "none":
        if username is not None:
            raise click.UsageError("--user gives a name for AUTH and --no-auth takes it away: leave one of them out")
        return {"username": "", "password": None}
    if username is None:
        return {} if source is None else {"password": read_password_line()}
    return {"username": username, "password": read_password_line() if source == "stdin" else read_password()}


def _hop_row(entry: HopEntry) -> tuple[str, ...]:
    connections = DEFAULT if entry.connections is None else str(entry.connections)
    auth = entry.username or ("secret" if entry.password else "-")
    return entry.name, entry.tls or DEFAULT, entry.source or DEFAULT, connections, auth
