# SPDX-License-Identifier: Apache-2.0
"""The commands about mail that is not delivered yet: `genkan queue`."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from genkan.admin.invocation import ADDRESS, DURATION, Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, plain, table, with_json
from genkan.admin.queue_operations import QueueOperations, action_of, amounts, deletion, rerouting
from genkan.smtp.address import AddressError, parse_mailbox
from genkan.spool.changing import Hold, Release, Reroute, Retry
from genkan.spool.selection import NULL_PATH, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genkan.admin.queue_operations import DomainSummary
    from genkan.directory import AuditEntry
    from genkan.spool.changing import Change, Changed
    from genkan.spool.hold import Held
    from genkan.spool.reading import QueuedMessage, QueuedRecipient

_NAMED: Final = ("sender", "domain", "older_than", "newer_than", "state", "rule", "reason")
_STATES: Final = ("due", "waiting", "leased", "held")


def _sender(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    """A reverse-path with or without its angle brackets."""
    if text in ("", NULL_PATH):
        return text
    try:
        return str(parse_mailbox(text.removeprefix("<").removesuffix(">")))
    except AddressError as error:
        raise click.BadParameter(f"{text!r} is no address such as ann@in.test, and not <>: {error}") from None


_SELECTING: Final = (
    click.argument("message_ids", metavar="[ID]...", nargs=-1),
    click.option("--account", type=ADDRESS, help="Sent by this authenticated account."),
    click.option("--sender", default="", callback=_sender, help="With this reverse-path; <> for the null one."),
    click.option("--recipient", type=ADDRESS, help="For this address."),
    click.option("--domain", default="", metavar="DOMAIN", help="For addresses in this domain."),
    click.option("--older-than", type=DURATION, help="Accepted so long ago, or longer, such as 2d."),
    click.option("--newer-than", type=DURATION, help="Accepted within this time, such as 1h."),
    click.option(
        "--state", type=click.Choice(_STATES), help="Only what is due, waits, is being attempted, or is held."
    ),
    click.option("--rule", default="", metavar="RULE", help="Held by this rule, such as mail.dat or mail.dat:12."),
    click.option("--reason", default="", metavar="TEXT", help="Whose last outcome, or hold, says so, in any case."),
)


def with_selection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command what selects recipients, as its argument `selection`; what is given must fit, all of it."""

    @functools.wraps(command)
    def selecting(**given: Any) -> None:  # noqa: ANN401  (whatever the command's own arguments are)
        account, recipient = (str(given.pop(name) or "") for name in ("account", "recipient"))
        named = {name: given.pop(name) for name in _NAMED}
        selection = Selection(ids=given.pop("message_ids"), account=account, recipient=recipient, **named)
        command(selection=selection, **given)

    for option in reversed(_SELECTING):
        selecting = option(selecting)
    return selecting


def _with_change(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that changes the queue what all of them have."""
    command = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(command)
    command = click.option("--all", "everything", is_flag=True, help="Everything in the queue.")(command)
    return with_selection(command)


@click.group()
def queue() -> None:
    """Mail that was accepted and is not delivered yet."""


@queue.command("list")
@with_selection
@click.option("--summary", is_flag=True, help="Only how many recipients, by domain and state.")
@pass_invocation
@with_json
def queue_list(invocation: Invocation, selection: Selection, summary: bool) -> Output:  # noqa: FBT001
    """List the queued messages with their recipients: all, or those that fit."""
    hint = "the queue is empty" if selection.is_empty else "nothing in the queue fits"
    if summary:
        summaries = invocation.opened(QueueOperations).summary(selection, invocation.now())
        rows = table(("recipients", "state", "oldest", "domain"), map(_summary_row, summaries))
        return Output(summaries, rows, hint=hint)
    if selection.is_empty:
        messages = list(invocation.operations().list_queue(invocation.now()))
    else:
        messages = list(invocation.opened(QueueOperations).list(selection, invocation.now()))
    lines = (line for message in messages for line in message_lines(message))
    return Output([_entry(message) for message in messages], lines, hint=hint)


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


@queue.command("retry")
@_with_change
@pass_invocation
@with_json
def queue_retry(invocation: Invocation, selection: Selection, everything: bool, dry_run: bool) -> Output:  # noqa: FBT001
    """Attempt now what waits for its time; not what is held."""
    return _changed(invocation, selection, Retry(), everything=everything, dry_run=dry_run)


@queue.command("hold")
@_with_change
@pass_invocation
@with_json
def queue_hold(invocation: Invocation, selection: Selection, everything: bool, dry_run: bool) -> Output:  # noqa: FBT001
    """Attempt it no more until it is released."""
    return _changed(invocation, selection, Hold(), everything=everything, dry_run=dry_run)


@queue.command("release")
@_with_change
@pass_invocation
@with_json
def queue_release(invocation: Invocation, selection: Selection, everything: bool, dry_run: bool) -> Output:  # noqa: FBT001
    """Let go what you or the brake hold, or what could not be delivered; mail held for approval stays."""
    return _changed(invocation, selection, Release(), everything=everything, dry_run=dry_run)


@queue.command("delete")
@_with_change
@click.option("--bounce", is_flag=True, help="Tell the sender; the server does that, within seconds.")
@pass_invocation
@with_json
def queue_delete(
    invocation: Invocation,
    selection: Selection,
    everything: bool,  # noqa: FBT001
    dry_run: bool,  # noqa: FBT001
    bounce: bool,  # noqa: FBT001
) -> Output:
    """Delete it without delivering it, and tell nobody; mail held for approval too."""
    return _changed(invocation, selection, deletion(bounce=bounce), everything=everything, dry_run=dry_run)


@queue.command("reroute")
@_with_change
@click.option("--to", "destination", required=True, metavar="DESTINATION", help='As a route names it; "" to undo it.')
@pass_invocation
@with_json
def queue_reroute(
    invocation: Invocation,
    selection: Selection,
    everything: bool,  # noqa: FBT001
    dry_run: bool,  # noqa: FBT001
    destination: str,
) -> Output:
    """Send it to a destination, such as smtp:mx.in.test, whatever the routes say, and now."""
    return _changed(invocation, selection, rerouting(destination), everything=everything, dry_run=dry_run)


@queue.command("log")
@pass_invocation
@with_json
def queue_log(invocation: Invocation) -> Output:
    """List who has held, released, rerouted or deleted what, oldest first."""
    entries = invocation.opened(QueueOperations).log()
    rows = table(("at", "by", "action", "what", "about"), map(_log_row, entries))
    return Output(entries, rows, hint="nobody has changed the queue yet")


def _changed(
    invocation: Invocation, selection: Selection, change: Change, *, everything: bool, dry_run: bool
) -> Output:
    if selection.is_empty != everything:
        what = "an ID, or options such as --account, --domain or --older-than; or --all for everything"
        raise click.UsageError(f"say which mail: {what}" if selection.is_empty else "--all is everything: leave it out")
    operations = invocation.opened(QueueOperations)
    act = operations.preview if dry_run else operations.change
    changed = act(selection, change, invocation.now())
    value: dict[str, object] = {"action": action_of(change), "dry_run": dry_run} | plain(changed)
    lines = [*change_lines(changed, change, dry_run=dry_run)]
    if isinstance(change, Reroute):
        value["findings"] = findings = operations.findings(change)
        lines += map(str, findings)
    return Output(value, lines, hint="nothing in the queue fits")


_DONE: Final = {
    "retry": "to be attempted now",
    "hold": "held",
    "release": "released",
    "reroute": "rerouted",
    "bounce": "to be returned to the sender",
    "delete": "deleted",
}
_UNDER_WAY: Final = {
    "retry": "being attempted already",
    "hold": "being attempted, to be held if that fails",
    "reroute": "being attempted, to be rerouted if that fails",
    "bounce": "being attempted, to be returned if that fails",
    "delete": "being attempted, to be held if that fails and deleted by another call",
}


def change_lines(changed: Changed, change: Change, *, dry_run: bool = False) -> Iterator[str]:
    """What was done, for people; nothing when nothing fits."""
    action, would = action_of(change), "would be " if dry_run else ""
    if changed.recipients:
        yield f"{would}{_DONE[action]}: {amounts(changed)}"
    if changed.under_way:
        yield f"{_UNDER_WAY[action]}: {changed.under_way} more"
    if changed.for_approval:
        yield f"left to those who decide (genkan approval list): {changed.for_approval}"


def _summary_row(summary: DomainSummary) -> tuple[str, ...]:
    return str(summary.recipients), summary.state, moment_text(summary.oldest), summary.domain


def _log_row(entry: AuditEntry) -> tuple[str, ...]:
    return moment_text(entry.at), entry.actor, entry.action.removeprefix("queue "), entry.subject, entry.detail


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
    held = f" ({recipient.held})" if recipient.held else ""
    line = f"<{recipient.forward_path}>{place}  {recipient.state}{held}  attempts {recipient.attempts}"
    if recipient.state == "waiting":
        line += f"  next {moment_text(recipient.due_at)}"
    if recipient.route:
        line += f"  route {recipient.route}"
    return f"{line}  {recipient.last_outcome}" if recipient.last_outcome else line


def origin_lines(message: QueuedMessage) -> Iterator[str]:
    """Where a queued message came from, and where it lies."""
    account = f", authenticated as {message.account}" if message.account else ""
    yield f"  from client [{message.client_address}] that said {message.hello_domain}{account}"
    yield f"  kept in {message.spool}"
