# SPDX-License-Identifier: Apache-2.0
"""The command `genkan whatif`: which recorded verdicts changed rule documents would change."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from genkan.admin.invocation import Failure, Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, plain, with_json
from genkan.admin.whatif import Comparison, Tally, Words, shadowed
from genkan.admin.whatif_documents import ChangedDocuments
from genkan.config_values import duration_text, parse_duration, size_text
from genkan.opening import open_directory
from genkan.record.entry import MOST_RCPTS
from genkan.record.files import FOLDER
from genkan.record.reader import RecordReader, Wanted
from genkan.smtp.reply import Wordbook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from genkan.admin.whatif import Change, Counts, Group, Said
    from genkan.config import Config

_USAGE: Final = "name the folder with the changed documents, or give --shadow"


class Answer(NamedTuple):
    """What a run has found, and how long it took."""

    tally: Tally
    documents: list[str]
    findings: list[str]
    since: datetime
    seconds: float
    notes: list[str]
    of_shadows: bool = False


def _since(_ctx: click.Context, _param: click.Parameter, word: str) -> timedelta:
    try:
        return parse_duration(word)
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


@click.command()
@click.argument(
    "folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option("--since", callback=_since, default="7d", show_default=True, metavar="TIME", help="Look so far back.")
@click.option("--shadow", is_flag=True, help="List what the shadow documents said to the mail as it came in.")
@click.option(
    "--limit",
    type=click.IntRange(0, 10000),
    default=5,
    show_default=True,
    help="Of equal changes list the youngest N.",
)
@click.option("--strict", is_flag=True, help="Do nothing when a line of a changed document does not work.")
@pass_invocation
@with_json
def whatif(
    invocation: Invocation,
    folder: Path | None,
    since: timedelta,
    shadow: bool,  # noqa: FBT001
    limit: int,
    strict: bool,  # noqa: FBT001
) -> Output:
    """Say which recorded verdicts would be others under the documents in DIR; exit status 1 if any would.

    DIR is as `genkan rules export --all DIR` writes it; what it does not hold is taken as it is now.
    """
    if (folder is None) != shadow:
        raise click.UsageError(_USAGE)
    config = invocation.config()
    begin, now = invocation.now() - since, invocation.now()
    tally = Tally(limit, Words(Wordbook(config.replies), config.hostname, config.banner))
    try:
        if folder is None:
            answer = _ask_shadows(config, tally, begin)
        else:
            answer = _ask_folder(config, tally, begin, (folder, now, strict))
    except OSError as error:
        raise Failure(f"the record cannot be read ({error}); run this as the server's own user") from error
    return Output(_entry(answer), _lines(answer), status=1 if tally.counts.changes else 0)


def _ask_folder(config: Config, tally: Tally, begin: datetime, given: tuple[Path, datetime, bool]) -> Answer:
    folder, now, strict = given
    with open_directory(config) as directory:
        changed = ChangedDocuments(directory, folder, now)
        if strict:
            changed.refuse_errors()
        for finding in changed.findings:
            click.echo(str(finding), err=True)
        comparison = Comparison(config, directory, changed, tally)
        started = time.perf_counter()
        comparison.go_through(_reader(config).oldest_first(Wanted(begin)))
        seconds = time.perf_counter() - started
        zones = [*comparison.new_zones(), *changed.new_zones()]
        names = [str(place) for place in changed.changed]
    notes = [*_limits(tally.counts), *_about_documents(names, zones), *_about_record(config, begin)]
    return Answer(tally, names, [str(finding) for finding in changed.findings], begin, seconds, notes)


def _ask_shadows(config: Config, tally: Tally, begin: datetime) -> Answer:
    wanted = Wanted(begin, lambda line: b'"shadow":' in line, lambda entry: bool(entry.shadow))
    started = time.perf_counter()
    shadowed(_reader(config).oldest_first(wanted), tally)
    seconds = time.perf_counter() - started
    return Answer(
        tally, [], [], begin, seconds, [*_grouping(tally.counts), *_about_record(config, begin)], of_shadows=True
    )


def _reader(config: Config) -> RecordReader:
    return RecordReader(config.storage_folder / FOLDER)


# What the answer cannot know.


def _limits(counts: Counts) -> Iterator[str]:
    yield from _grouping(counts)
    if counts.unseen:
        yield (
            f"{_number(counts.unseen, 'message')} might be decided by Body or RBL lines of a changed mail.dat, "
            "which cannot be tried: bodies are not recorded"
        )
    if counts.cut:
        yield (
            f"of {_number(counts.cut, 'message')} only the start of the header section was recorded "
            "(setting record.header_size)"
        )
    if counts.unasked:
        yield (
            f"for {_number(counts.unasked, 'entry', 'entries')} a changed document asks what nobody had asked then "
            "(block lists, mailbox size); taken as not listed, and as empty"
        )
    if counts.rcpts:
        yield f"{_number(counts.rcpts, 'RCPT')} beyond the first {MOST_RCPTS} of a transaction are not recorded"
    if counts.stale:
        yield (
            f"{_number(counts.stale, 'entry was', 'entries were')} decided otherwise then than the present documents, "
            "settings and directory would; both sides above are of today"
        )


def _grouping(counts: Counts) -> Iterator[str]:
    if counts.ungrouped:
        yield f"{_number(counts.ungrouped, 'change')} more of too many different kinds are counted, but not listed"


def _about_documents(names: list[str], zones: list[str]) -> Iterator[str]:
    if not names:
        yield "all documents in the folder are the same as those in force"
    if "gateway.dat" in names:
        yield "gateway.dat decides no verdict"
    if zones:
        yield f"nobody has asked {', '.join(zones)} yet; taken as listing nothing"


def _about_record(config: Config, begin: datetime) -> Iterator[str]:
    settings, first = config.record, _reader(config).begin()
    if not settings.enabled:
        yield "nothing is recorded now, for the setting record.enabled is false"
    if first is None:
        yield "nothing is recorded yet; an entry is written when a mail transaction or a connection has ended"
    elif first > begin:
        kept = f"record.age = {duration_text(settings.age)}, record.size = {size_text(settings.size)}"
        yield f"the record goes back to {moment_text(first)} only ({kept})"


# For people.


def _lines(answer: Answer) -> Iterator[str]:
    counts = answer.tally.counts
    for group in answer.tally.groups:
        yield from _group(group)
        yield ""
    yield _summary(answer)
    yield (
        f"{_number(counts.transactions, 'mail transaction')} and {_number(counts.connections, 'connection')} "
        f"{'with such ' if answer.of_shadows else ''}since {moment_text(answer.since)}, {_speed(answer)}"
    )
    yield from (f"note: {note}" for note in answer.notes)


def _summary(answer: Answer) -> str:
    changes = answer.tally.counts.changes
    number = _number(changes, "verdict") if changes else "no verdict"
    if answer.of_shadows:
        return f"{number} of the shadow documents differed"
    return f"{number} would change by {', '.join(answer.documents) or 'these documents'}"


def _speed(answer: Answer) -> str:
    entries = answer.tally.counts.transactions + answer.tally.counts.connections
    return f"gone through in {answer.seconds:.1f} s ({round(entries / max(answer.seconds, 1e-6)):,} entries a second)"


def _group(group: Group) -> Iterator[str]:
    yield f"{group.count} x {group.stage}: {_said(group.before)} -> {_said(group.after)}"
    for word, side in (("before", group.before), ("after", group.after)):
        yield f"  {word}: {side.rule or 'no rule'}"
    for change in reversed(group.youngest):
        yield from _change(change)


def _said(said: Said) -> str:
    return f"{said.reply} ({', '.join(said.actions)})" if said.actions else said.reply


def _change(change: Change) -> Iterator[str]:
    words = [moment_text(change.at), f"session {change.session}", change.message_id, f"[{change.client}]"]
    if change.forward_path or change.reverse_path is not None:
        words.append(f"from <{change.reverse_path or ''}>")
    if change.forward_path:
        words.append(f"to <{change.forward_path}>")
    yield f"    {'  '.join(word for word in words if word)}"
    if change.before != change.after:
        yield f"      - {change.before or 'cut off without a word'}"
        yield f"      + {change.after or 'cut off without a word'}"


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


# For programs.


def _entry(answer: Answer) -> dict[str, Any]:
    counts = answer.tally.counts
    return {
        "since": answer.since,
        "documents": answer.documents,
        "findings": answer.findings,
        "counts": plain(counts),
        "seconds": round(answer.seconds, 3),
        "groups": [_group_entry(group) for group in answer.tally.groups],
        "notes": answer.notes,
    }


def _group_entry(group: Group) -> dict[str, Any]:
    return {
        "count": group.count,
        "stage": group.stage,
        "before": group.before._asdict(),
        "after": group.after._asdict(),
        "youngest": [change._asdict() for change in reversed(group.youngest)],
    }
