# SPDX-License-Identifier: Apache-2.0
"""The commands about mailing lists: `genkan list`. Those about owners and members stand in `cli_list_members.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

import click

from genkan.admin.cli_list_members import member, member_text, owner
from genkan.admin.invocation import ADDRESS, Invocation, pass_invocation
from genkan.admin.output import Output, table, with_json
from genkan.directory.resolution import ListSettings, Posting, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from genkan.admin.list_operations import ListEntry
    from genkan.smtp.address import Mailbox

C = TypeVar("C", bound="Callable[..., Any]")

WRITERS: Final = {
    "anybody": "anybody",
    "authenticated": "authenticated accounts",
    "members": "members and owners",
    "owners": "owners",
}


def with_settings(command: C) -> C:
    """Give a command one option for each setting of a list; those that are not given are `None`."""
    options = (
        click.option("--posting", type=click.Choice(get_args(Posting)), help="Who may write to it."),
        click.option("--require-auth", is_flag=True, default=None, help="The same as --posting authenticated."),
        click.option(
            "--moderated/--unmoderated", default=None, help="What others than the owners write waits for an owner."
        ),
        click.option("--title", metavar="TEXT", help="Its name for people, in the field List-Id."),
        click.option("--subject-tag", metavar="TEXT", help='Put before each Subject, such as "[dev]"; "" for none.'),
        click.option(
            "--subscription", type=click.Choice(get_args(Subscription)), help="Whether one may subscribe by mail."
        ),
        click.option("--bounce-limit", metavar="DAYS", type=int, help="Days with a bounce that suspend a member."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group("list")
def mailing_list() -> None:
    """Addresses whose mail goes to many."""


@mailing_list.command("add")
@click.argument("address", metavar="LIST", type=ADDRESS)
@with_settings
@click.option("--owner", "owners", metavar="ADDRESS", type=ADDRESS, multiple=True, help="Who answers for it.")
@pass_invocation
@with_json
def list_add(invocation: Invocation, /, address: Mailbox, owners: tuple[Mailbox, ...], **given: Any) -> Output:  # noqa: ANN401
    """Make a mailing list without members."""
    entry = invocation.operations().lists.add(address, _changed(ListSettings(), given), owners)
    return Output(entry, [f"added {entry.address}"])


@mailing_list.command("set")
@click.argument("address", metavar="LIST", type=ADDRESS)
@with_settings
@pass_invocation
@with_json
def list_set(invocation: Invocation, /, address: Mailbox, **given: Any) -> Output:  # noqa: ANN401
    """Change how a mailing list behaves; what is not named stays as it is."""
    if all(value is None for value in given.values()):
        raise click.UsageError("nothing to change: give --posting, --moderated, --title or another option")
    lists = invocation.operations().lists
    entry = lists.set(address, _changed(lists.settings(address), given))
    return Output(entry, [f"changed {entry.address}"])


@mailing_list.command("list")
@click.argument("domain_name", metavar="[DOMAIN]", required=False)
@pass_invocation
@with_json
def list_list(invocation: Invocation, domain_name: str | None) -> Output:
    """List all mailing lists, or those of DOMAIN."""
    entries = invocation.operations().lists.list(domain_name)
    rows = table(("list", "members", "suspended", "who may write"), map(_row, entries))
    return Output(entries, rows, hint="no mailing list yet; add one with: genkan list add LIST")


@mailing_list.command("show")
@click.argument("address", metavar="LIST", type=ADDRESS)
@pass_invocation
@with_json
def list_show(invocation: Invocation, address: Mailbox) -> Output:
    """Show one mailing list, where the mail of its members ends, and whose mail has bounced."""
    entry = invocation.operations().lists.show(address)
    return Output(entry, _lines(entry))


@mailing_list.command("remove")
@click.argument("address", metavar="LIST", type=ADDRESS)
@pass_invocation
@with_json
def list_remove(invocation: Invocation, address: Mailbox) -> Output:
    """Forget a mailing list and its members."""
    invocation.operations().lists.remove(address)
    return Output({"removed": address}, [f"removed {address}"])


mailing_list.add_command(member)
mailing_list.add_command(owner)


def _changed(settings: ListSettings, given: dict[str, Any]) -> ListSettings:
    """The settings with those replaced that the command line names."""
    if given.pop("require_auth"):
        if given["posting"] not in (None, "authenticated"):
            raise click.UsageError(f"--require-auth and --posting {given['posting']} contradict each other")
        given["posting"] = "authenticated"
    return settings._replace(**{name: value for name, value in given.items() if value is not None})


def _row(entry: ListEntry) -> tuple[str, ...]:
    suspended = sum(one.suspended for one in entry.members)
    return entry.address, str(len(entry.members)), str(suspended), _writers(entry)


def _writers(entry: ListEntry) -> str:
    return WRITERS[entry.posting] + (", moderated" if entry.moderated else "")


def _lines(entry: ListEntry) -> Iterator[str]:
    yield f"list           {entry.address}"
    yield f"who may write  {_writers(entry)}"
    if entry.title:
        yield f"title          {entry.title}"
    if entry.subject_tag:
        yield f"subject tag    {entry.subject_tag}"
    yield f"subscription   {'by mail, confirmed' if entry.subscription == 'confirm' else 'by the operator'}"
    yield f"bounce limit   {entry.bounce_limit} days"
    yield from _column("owners", entry.owners)
    yield from _column("members", [member_text(one) for one in entry.members])
    if not entry.members:
        yield f"members        none; add one with: genkan list member add {entry.address} ADDRESS"


def _column(name: str, texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        yield f"{'' if number else name:<14} {text}"
