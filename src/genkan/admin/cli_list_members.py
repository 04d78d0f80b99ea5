# SPDX-License-Identifier: Apache-2.0
"""The commands about the members and owners of mailing lists: `genkan list member`, `genkan list owner`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genkan.admin.invocation import ADDRESS, Invocation, pass_invocation
from genkan.admin.output import Output, with_json

if TYPE_CHECKING:
    from genkan.admin.list_operations import MemberEntry
    from genkan.smtp.address import Mailbox


@click.group("member")
def member() -> None:
    """Who gets the mail of a list."""


@member.command("add")
@click.argument("address", metavar="LIST", type=ADDRESS)
@click.argument("member", metavar="ADDRESS", type=ADDRESS)
@pass_invocation
@with_json
def member_add(invocation: Invocation, address: Mailbox, member: Mailbox) -> Output:
    """Put ADDRESS on LIST; it may be anywhere, and be a list itself."""
    entry = invocation.operations().lists.add_member(address, member)
    warning = [] if entry.end else [f"note: nobody has the address {entry.member} yet"]
    return Output({"list": address, "added": entry}, [f"added {entry.member}", *warning])


@member.command("remove")
@click.argument("address", metavar="LIST", type=ADDRESS)
@click.argument("member", metavar="ADDRESS", type=ADDRESS)
@pass_invocation
@with_json
def member_remove(invocation: Invocation, address: Mailbox, member: Mailbox) -> Output:
    """Take ADDRESS off LIST."""
    invocation.operations().lists.remove_member(address, member)
    return Output({"list": address, "removed": member}, [f"removed {member}"])


@member.command("resume")
@click.argument("address", metavar="LIST", type=ADDRESS)
@click.argument("member", metavar="ADDRESS", type=ADDRESS)
@pass_invocation
@with_json
def member_resume(invocation: Invocation, address: Mailbox, member: Mailbox) -> Output:
    """Let the mail of LIST go to ADDRESS again, whose mail had bounced too often."""
    entry = invocation.operations().lists.resume_member(address, member)
    return Output({"list": address, "resumed": entry}, [f"resumed {entry.member}"])


@click.group("owner")
def owner() -> None:
    """Who answers for a list, and approves what is written to a moderated one."""


@owner.command("add")
@click.argument("address", metavar="LIST", type=ADDRESS)
@click.argument("owner", metavar="ADDRESS", type=ADDRESS)
@pass_invocation
@with_json
def owner_add(invocation: Invocation, address: Mailbox, owner: Mailbox) -> Output:
    """Make ADDRESS an owner of LIST."""
    invocation.operations().lists.add_owner(address, owner)
    return Output({"list": address, "added": owner}, [f"added {owner}"])


@owner.command("remove")
@click.argument("address", metavar="LIST", type=ADDRESS)
@click.argument("owner", metavar="ADDRESS", type=ADDRESS)
@pass_invocation
@with_json
def owner_remove(invocation: Invocation, address: Mailbox, owner: Mailbox) -> Output:
    """ADDRESS is no longer an owner of LIST."""
    invocation.operations().lists.remove_owner(address, owner)
    return Output({"list": address, "removed": owner}, [f"removed {owner}"])


def member_text(entry: MemberEntry) -> str:
    """One member in a line: where its mail ends, if that is not itself, and whether it has bounced."""
    end = "" if entry.end == entry.member else f" -> {entry.end}"
    notes = [] if entry.end else ["nobody"]
    if entry.suspended:
        notes.append("suspended")
    if entry.bounces:
        bounces = "1 bounce" if entry.bounces == 1 else f"{entry.bounces} bounces"
        notes.append(f"{bounces}, last on {entry.last_bounce}")
    return entry.member + (end if entry.end else "") + (f" ({', '.join(notes)})" if notes else "")
