# SPDX-License-Identifier: Apache-2.0
"""The commands about mail that is not delivered yet: `genkan queue`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from genkan.admin.invocation import Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, plain, with_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.spool.hold import Held
    from genkan.spool.reading import QueuedMessage, QueuedRecipient


@click.group()
def queue() -> None:
    """Mail that was accepted and is not delivered yet."""


@queue.command("list")
@pass_invocation
@with_json
def queue_list(invocation: Invocation) -> Output:
    """List the queued messages with their recipients."""
    messages = list(invocation.operations().list_queue(invocation.now()))
    lines = (line for message in messages for line in message_lines(message))
    return Output([_entry(message) for message in messages], lines, hint="the queue is empty")


@queue.command("show")
@click.argument("message_id", metavar="ID")
@click.option("--content", is_flag=True, help="Write the message itself, octet by octet, and nothing else.")
@pass_invocation
@with_json
def queue_show(invocation: Invocation, message_id: str, content: bool) -> Output:  # noqa: FBT001
    """Show envelope, recipients and header section of one message."""
    operations = invocation.operations()
    message = operations.show_queued(message_id, invocation.now())
    if content:
        write_content(operations.read_queued(message))
        click.get_current_context().exit(0)
    header = operations.read_header(message)
    lines = (*message_lines(message), *origin_lines(message), "", *header.split("\r\n"))
    return Output(_entry(message) | {"header": header}, lines)


def write_content(blocks: Iterator[bytes]) -> None:
    """Content to standard output, octet by octet."""
    stream = sys.stdout.buffer
    for block in blocks:
        stream.write(block)
    stream.flush()


def _entry(message: QueuedMessage) -> dict[str, object]:
    entry: dict[str, object] = plain(message)
    return entry


def message_lines(message: QueuedMessage) -> Iterator[str]:
    """A queued message for people: what it is, what holds it, and each recipient."""
    accepted = moment_text(message.accepted_at)
    yield f"{message.message_id}  {message.size} octets  accepted {accepted}  from <{message.reverse_path}>"
    if message.held is not None:
        yield from (f"  {line}" for line in _held_lines(message.held))
    yield from (f"  {_recipient_line(recipient)}" for recipient in message.recipients)


def _held_lines(held: Held) -> Iterator[str]:
    hold, decision = held.hold, held.decision
    yield f"held for {hold.kind}: {_one_line(hold.reason)} ({_one_line(hold.rule)})"
    approvers = f"  for {', '.join(hold.approvers)}" if hold.approvers else ""
    yield f"until {moment_text(hold.deadline)}, then {hold.verdict}{approvers}"
    if decision is not None:
        comment = f": {_one_line(decision.comment)}" if decision.comment else ""
        yield f"{decision.verdict} was decided by {decision.by} at {moment_text(decision.at)}{comment}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _recipient_line(recipient: QueuedRecipient) -> str:
    place = "" if recipient.mailbox == recipient.forward_path else f" ({recipient.mailbox})"
    line = f"<{recipient.forward_path}>{place}  {recipient.state}  attempts {recipient.attempts}"
    if recipient.state == "waiting":
        line += f"  next {moment_text(recipient.due_at)}"
    return f"{line}  {recipient.last_outcome}" if recipient.last_outcome else line


def origin_lines(message: QueuedMessage) -> Iterator[str]:
    """Where a queued message came from, and where it lies."""
    account = f", authenticated as {message.account}" if message.account else ""
    yield f"  from client [{message.client_address}] that said {message.hello_domain}{account}"
    yield f"  kept in {message.spool}"
