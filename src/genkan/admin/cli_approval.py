# SPDX-License-Identifier: Apache-2.0
"""The commands about mail that waits for somebody's decision: `genkan approval`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genkan.admin.approval_operations import Approvals
from genkan.admin.cli_queue import message_lines, origin_lines, write_content
from genkan.admin.invocation import ADDRESS, Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, plain, table, with_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genkan.directory import AuditEntry
    from genkan.smtp.address import Mailbox
    from genkan.spool.hold import Choice, Kind
    from genkan.spool.reading import QueuedMessage


@click.group()
def approval() -> None:
    """Mail that is held: for approval, or in the quarantine."""


@approval.command("list")
@click.option("--kind", type=click.Choice(["quarantine", "approval"]), help="Only what is held for this.")
@click.option("--approver", type=ADDRESS, help="Only what this address may decide about.")
@pass_invocation
@with_json
def approval_list(invocation: Invocation, kind: Kind | None, approver: Mailbox | None) -> Output:
    """List the held messages with rule, deadline and recipients."""
    messages = list(invocation.opened(Approvals).list(invocation.now(), kind, approver))
    lines = (line for message in messages for line in message_lines(message))
    return Output(messages, lines, hint="nothing is held")


@approval.command("show")
@click.argument("message_id", metavar="ID")
@click.option("--content", is_flag=True, help="Write the message itself, octet by octet, and nothing else.")
@pass_invocation
@with_json
def approval_show(invocation: Invocation, message_id: str, content: bool) -> Output:  # noqa: FBT001
    """Show envelope, rule, warning text and header section of one held message."""
    approvals = invocation.opened(Approvals)
    message = approvals.show(message_id, invocation.now())
    if content:
        write_content(approvals.operations.read_queued(message))
        click.get_current_context().exit(0)
    header = approvals.operations.read_header(message)
    lines = (*message_lines(message), *origin_lines(message), *_warning_lines(message), "", *header.split("\r\n"))
    return Output(plain(message) | {"header": header}, lines)


def _warning_lines(message: QueuedMessage) -> Iterator[str]:
    if message.held is not None and message.held.hold.warning:
        yield "  the rule says:"
        yield from (f"    {line}" for line in message.held.hold.warning.split("\n"))


def _with_decision(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the messages that it decides about, who decides so, and why."""
    command = click.option("--comment", default="", metavar="TEXT", help="Why, for the audit trail.")(command)
    command = click.option("--by", type=ADDRESS, help="The approver who decided so; without it, you.")(command)
    return click.argument("message_ids", metavar="ID...", nargs=-1, required=True)(command)


@approval.command("approve")
@_with_decision
@pass_invocation
@with_json
def approval_approve(invocation: Invocation, message_ids: tuple[str, ...], by: Mailbox | None, comment: str) -> Output:
    """Let held messages go to their recipients."""
    return _decide(invocation, message_ids, "approve", by, comment)


@approval.command("reject")
@_with_decision
@pass_invocation
@with_json
def approval_reject(invocation: Invocation, message_ids: tuple[str, ...], by: Mailbox | None, comment: str) -> Output:
    """Delete held messages without delivering them."""
    return _decide(invocation, message_ids, "reject", by, comment)


def _decide(
    invocation: Invocation, message_ids: tuple[str, ...], verdict: Choice, by: Mailbox | None, comment: str
) -> Output:
    decided = invocation.opened(Approvals).decide(message_ids, verdict, invocation.now(), by, comment)
    entries = [{"message_id": message_id} | plain(decision) for message_id, decision in decided]
    lines = [
        f"{message_id}  {decision.verdict}  decided by {decision.by} at {moment_text(decision.at)}"
        for message_id, decision in decided
    ]
    return Output(entries, lines)


@approval.command("link")
@click.argument("message_id", metavar="ID")
@click.option("--approver", type=ADDRESS, required=True, help="For whom; one of those that the hold names.")
@pass_invocation
@with_json
def approval_link(invocation: Invocation, message_id: str, approver: Mailbox) -> Output:
    """Print the two signed links with which an approver decides; whoever has them can decide in that name."""
    links = invocation.opened(Approvals).links(message_id, approver, invocation.now())
    lines = (f"approve  {links.approve}", f"reject   {links.reject}", f"until    {moment_text(links.expires)}")
    return Output(links._asdict(), lines)


@approval.command("log")
@click.argument("message_id", metavar="[ID]", required=False)
@pass_invocation
@with_json
def approval_log(invocation: Invocation, message_id: str | None) -> Output:
    """List the decisions about held mail, or those about one message, oldest first."""
    entries = invocation.opened(Approvals).log(message_id)
    rows = table(("at", "message", "decision", "by", "about"), map(_log_row, entries))
    return Output(entries, rows, hint="nothing was decided yet")


def _log_row(entry: AuditEntry) -> tuple[str, ...]:
    return moment_text(entry.at), entry.subject, entry.action, entry.actor, entry.detail
