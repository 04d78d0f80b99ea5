# SPDX-License-Identifier: Apache-2.0
"""The commands about mailing lists: `genkan list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genkan.admin.invocation import ADDRESS, Invocation, pass_invocation
from genkan.admin.output import Output, table, with_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.admin.operations import ListEntry, MemberEntry
    from genkan.smtp.address import Mailbox


@click.group("list")
def mailing_list() -> None:
    """Addresses whose mail goes to many."""


@mailing_list.command("add")
@click.argument("address", metavar="LIST", type=ADDRESS)
@click.option("--require-auth", is_flag=True, help="Only authenticated accounts may write to it.")
@pass_invocation
@with_json
def list_add(invocation: Invocation, address: Mailbox, require_auth: bool) -> Output:  # noqa: FBT001
    """Make a mailing list without members."""
    entry = invocation.operations().add_list(address, require_auth=require_auth)
    return Output(entry, [f"added {entry.address}"])


@mailing_list.command("list")
@click.argument("domain_name", metavar="[DOMAIN]", required=False)
@pass_invocation
@with_json
def list_list(invocation: Invocation, domain_name: str | None) -> Output:
    """List all mailing lists, or those of DOMAIN."""
    entries = invocation.operations().list_lists(domain_name)
    rows = table(("list", "members", "who may write"), map(_row, entries))
    return Output(entries, rows, hint="no mailing list yet; add one with: genkan list add LIST")


@mailing_list.command("show")
@click.argument("address", metavar="LIST", type=ADDRESS)
@pass_invocation
@with_json
def list_show(invocation: Invocation, address: Mailbox) -> Output:
    """Show one mailing list and where the mail of its members ends."""
    entry = invocation.operations().show_list(address)
    return Output(entry, _lines(entry))


@mailing_list.command("remove")
@click.argument("address", metavar="LIST", type=ADDRESS)
@pass_invocation
@with_json
def list_remove(invocation: Invocation, address: Mailbox) -> Output:
    """Forget a mailing list and its members."""
    invocation.operations().remove_list(address)
    return Output({"removed": address}, [f"removed {address}"])


@mailing_list.group("member")
def member() -> None:
    """Who gets the mail of a list."""


@member.command("add")
@click.argument("address", metavar="LIST", type=ADDRESS)
@click.argument("member", metavar="ADDRESS", type=ADDRESS)
@pass_invocation
@with_json
def member_add(invocation: Invocation, address: Mailbox, member: Mailbox) -> Output:
    """Put ADDRESS on LIST; it may be anywhere, and be a list itself."""
    entry = invocation.operations().add_member(address, member)
    warning = [] if entry.end else [f"note: nobody has the address {entry.member} yet"]
    return Output({"list": address, "added": entry}, [f"added {entry.member}", *warning])


@member.command("remove")
@click.argument("address", metavar="LIST", type=ADDRESS)
@click.argument("member", metavar="ADDRESS", type=ADDRESS)
@pass_invocation
@with_json
def member_remove(invocation: Invocation, address: Mailbox, member: Mailbox) -> Output:
    """Take ADDRESS off LIST."""
    invocation.operations().remove_member(address, member)
    return Output({"list": address, "removed": member}, [f"removed {member}"])


def _row(entry: ListEntry) -> tuple[str, ...]:
    return entry.address, str(len(entry.members)), "authenticated accounts" if entry.require_auth else "anybody"


def _lines(entry: ListEntry) -> Iterator[str]:
    yield f"list           {entry.address}"
    yield f"who may write  {'authenticated accounts' if entry.require_auth else 'anybody'}"
    for number, one in enumerate(entry.members):
        yield f"{'' if number else 'members':<14} {_member_text(one)}"
    if not entry.members:
        yield f"members        none; add one with: genkan list member add {entry.address} ADDRESS"


def _member_text(entry: MemberEntry) -> str:
    if not entry.end:
        return f"{entry.member} (nobody)"
    return entry.member if entry.end == entry.member else f"{entry.member} -> {entry.end}"
