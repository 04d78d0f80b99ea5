# SPDX-License-Identifier: Apache-2.0
"""The commands about accounts whose mail to the outside is held, since there is so much of it: `genkan brake`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genkan.admin.brake_operations import BrakeOperations
from genkan.admin.cli_queue import change_lines
from genkan.admin.invocation import ADDRESS, Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, table, with_json
from genkan.admin.queue_operations import deletion
from genkan.spool.changing import Release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.admin.brake_operations import Let
    from genkan.directory import Braked, Standing
    from genkan.smtp.address import Mailbox
    from genkan.spool.changing import Change


@click.group()
def brake() -> None:
    """Accounts that suddenly write to very many outside."""


@brake.command("list")
@pass_invocation
@with_json
def brake_list(invocation: Invocation) -> Output:
    """List the accounts whose mail to the outside is held, and how many recipients wait for that."""
    operations = invocation.opened(BrakeOperations)
    entries, held = operations.list(), operations.held(invocation.now())
    lines = table(("account", "since", "recipients", "allowed"), map(_row, entries))
    if held:
        lines.append(f"held: {held} recipients; see: genkan queue list --state held")
    hint = "nobody is braked" if operations.is_on else 'nobody is braked: brake.mode is "off"'
    return Output({"braked": entries, "held": held}, lines, hint=hint)


@brake.command("show")
@click.argument("address", metavar="ACCOUNT", type=ADDRESS)
@pass_invocation
@with_json
def brake_show(invocation: Invocation, address: Mailbox) -> Output:
    """Show how many recipients outside an account may write to within an hour, and how many it has."""
    standing = invocation.opened(BrakeOperations).show(address, invocation.now())
    return Output(standing, _lines(standing))


@brake.command("release")
@click.argument("address", metavar="ACCOUNT", type=ADDRESS)
@pass_invocation
@with_json
def brake_release(invocation: Invocation, address: Mailbox) -> Output:
    """Lift the brake, and send what it holds; what the account sends from now on is counted anew."""
    let = invocation.opened(BrakeOperations).release(address, invocation.now())
    return Output(let, _let_lines(let, Release()))


@brake.command("purge")
@click.argument("address", metavar="ACCOUNT", type=ADDRESS)
@click.option("--bounce", is_flag=True, help="Return the mail to the account instead; the server does that.")
@pass_invocation
@with_json
def brake_purge(invocation: Invocation, address: Mailbox, bounce: bool) -> Output:  # noqa: FBT001
    """Delete what the brake holds, then lift it; change the password first if it was stolen."""
    let = invocation.opened(BrakeOperations).purge(address, invocation.now(), bounce=bounce)
    return Output(let, _let_lines(let, deletion(bounce=bounce)))


def _row(braked: Braked) -> tuple[str, ...]:
    return braked.account, moment_text(braked.since), str(braked.counted), str(braked.threshold)


def _lines(standing: Standing) -> Iterator[str]:
    sources = {"own": "its own", "learned": "learned from its highest hour", "set": "brake.minimum"}
    yield f"account       {standing.account}"
    yield f"last hour     {standing.sent}"
    yield f"allowed       {'no limit' if standing.threshold is None else standing.threshold} ({sources[standing.source]})"
    yield f"highest hour  {standing.highest}"
    yield f"braked        {'no' if standing.braked is None else f'since {moment_text(standing.braked.since)}'}"


def _let_lines(let: Let, change: Change) -> Iterator[str]:
    if let.lifted is not None:
        yield f"lifted the brake on {let.account}"
    yield from change_lines(let.mail, change)
