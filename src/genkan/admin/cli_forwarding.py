# SPDX-License-Identifier: Apache-2.0
"""The commands about where an account's mail goes on to, and what it answers: `genkan account forward` and `reply`."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final, TypedDict, Unpack

import click

from genkan.admin.invocation import ADDRESS, DURATION, MOMENT, Failure, Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, with_json
from genkan.directory import UNCHANGED
from genkan.directory.auto_replies import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from genkan.admin.forward_operations import (
        ForwardAddress,
        ForwardChange,
        ForwardEntry,
        ReplyChange,
        ReplyEntry,
    )
    from genkan.directory.accounts import Unchanged
    from genkan.smtp.address import Mailbox

_MOST_FILE: Final = 4 * MAX_TEXT  # octets; longer than any text that is taken


class _ForwardWords(TypedDict):
    add: tuple[Mailbox, ...]
    remove: tuple[Mailbox, ...]
    keep: bool | None
    senders: tuple[str, ...]
    off: bool


class _ReplyWords(TypedDict):
    text: str | None
    file: IO[bytes] | None
    subject: str | None
    since: datetime | Unchanged | None
    until: datetime | Unchanged | None
    every: timedelta | None
    senders: tuple[str, ...]
    excepted: tuple[str, ...]
    off: bool


@click.command("forward")
@click.argument("address", type=ADDRESS)
@click.option("--to", "add", type=ADDRESS, multiple=True, help="Also forward to this address; may be repeated.")
@click.option("--remove", type=ADDRESS, multiple=True, help="Forward to this address no more; may be repeated.")
@click.option("--keep/--no-keep", default=None, help="Whether a copy stays in the mailbox; at first it does.")
@click.option(
    "--from",
    "senders",
    metavar="PATTERN",
    multiple=True,
    help="Forward mail of these senders only, in place of those named before; may be repeated. '*' is everybody.",
)
@click.option("--off", is_flag=True, help="Forward nothing any more.")
@pass_invocation
@with_json
def account_forward(invocation: Invocation, address: Mailbox, **words: Unpack[_ForwardWords]) -> Output:
    """Say where mail for the account ADDRESS goes on to, and change that.

    PATTERN is an address, *@DOMAIN or *.
    """
    forwards = invocation.operations().forwards
    change = _forward_change(words)
    if words["off"]:
        if change:
            raise click.UsageError("--off ends forwarding and goes with no other option")
        forwards.end(address)
        return Output({"ended": address}, [f"{address} forwards nothing any more"])
    entry = forwards.change(address, **change) if change else forwards.show(address)
    return Output(entry, _forward_lines(entry))


@click.command("reply")
@click.argument("address", type=ADDRESS)
@click.option("--text", help="What to answer.")
@click.option(
    "--text-file", "file", type=click.File("rb"), help="A file with what to answer, in UTF-8; - is standard input."
)
@click.option("--subject", help='The subject; without one that of the mail, behind "Re: ".')
@click.option(
    "--since",
    type=MOMENT,
    default=UNCHANGED,
    help='When to begin, such as 2026-12-24 or 2026-12-24T18:00+09:00; "none" for at once.',
)
@click.option("--until", type=MOMENT, default=UNCHANGED, help='When to end; "none" for never.')
@click.option("--every", type=DURATION, help="Answer a sender once in that time; at first 7d.")
@click.option(
    "--only",
    "senders",
    metavar="PATTERN",
    multiple=True,
    help="Answer these senders only; may be repeated. '*' is everybody.",
)
@click.option(
    "--except",
    "excepted",
    metavar="PATTERN",
    multiple=True,
    help='Never answer these; may be repeated, "none" is nobody.',
)
@click.option("--off", is_flag=True, help="Answer nothing any more, and forget who was answered.")
@pass_invocation
@with_json
def account_reply(invocation: Invocation, address: Mailbox, **words: Unpack[_ReplyWords]) -> Output:
    """Say what the account ADDRESS answers by itself, and change that.

    PATTERN is an address, *@DOMAIN or *. Dates are in UTC unless they say otherwise.
    """
    forwards = invocation.operations().forwards
    change = _reply_change(words)
    if words["off"]:
        if change:
            raise click.UsageError("--off ends the automatic reply and goes with no other option")
        forwards.end_reply(address)
        return Output({"ended": address}, [f"{address} answers nothing any more"])
    entry = forwards.change_reply(address, **change) if change else forwards.show_reply(address)
    return Output(entry, _reply_lines(entry))


def _forward_change(words: _ForwardWords) -> ForwardChange:
    change: ForwardChange = {}
    if words["add"]:
        change["add"] = words["add"]
    if words["remove"]:
        change["remove"] = words["remove"]
    if words["keep"] is not None:
        change["keep"] = words["keep"]
    if words["senders"]:
        change["senders"] = words["senders"]
    return change


def _reply_change(words: _ReplyWords) -> ReplyChange:
    change: ReplyChange = {}
    text = _text(words["text"], words["file"])
    if text is not None:
        change["text"] = text
    if words["subject"] is not None:
        change["subject"] = words["subject"]
    if words["since"] is not UNCHANGED:
        change["since"] = words["since"]
    if words["until"] is not UNCHANGED:
        change["until"] = words["until"]
    if words["every"] is not None:
        change["every"] = words["every"]
    if words["senders"]:
        change["senders"] = words["senders"]
    if words["excepted"]:
        change["excepted"] = () if words["excepted"] == ("none",) else words["excepted"]
    return change


def _text(text: str | None, file: IO[bytes] | None) -> str | None:
    if file is None:
        return text
    if text is not None:
        raise click.UsageError("--text and --text-file both say what to answer: leave one of them out")
    try:
        return file.read(_MOST_FILE).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failure("the text is not UTF-8; give it in that encoding") from None


def _forward_lines(entry: ForwardEntry) -> Iterator[str]:
    yield f"account   {entry.account}"
    if not entry.addresses:
        yield f"forwards  nothing; begin with: genkan account forward {entry.account} --to ADDRESS"
        return
    for number, one in enumerate(entry.addresses):
        yield f"{'' if number else 'forwards':<9} {_address_text(one)}"
    yield f"copy      {'stays in the mailbox' if entry.keep else 'none stays'}"
    yield f"senders   {', '.join(entry.senders) or 'everybody'}"


def _address_text(one: ForwardAddress) -> str:
    if not one.end:
        return f"{one.address} (nobody)"
    return one.address if one.end == one.address else f"{one.address} -> {one.end}"


def _reply_lines(entry: ReplyEntry) -> Iterator[str]:
    yield f"account  {entry.account}"
    if not entry.text:
        yield f"answers  nothing; begin with: genkan account reply {entry.account} --text TEXT"
        return
    yield f"subject  {entry.subject or 'that of the mail'}"
    yield f"since    {'always' if entry.since is None else moment_text(entry.since)}"
    yield f"until    {moment_text(entry.until)}"
    yield f"every    {entry.every}"
    yield f"only     {', '.join(entry.only) or 'everybody'}"
    yield f"except   {', '.join(entry.excepted) or 'nobody'}"
    yield ""
    yield from entry.text.rstrip("\n").split("\n")
