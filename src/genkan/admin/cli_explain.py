# SPDX-License-Identifier: Apache-2.0
"""The command `genkan explain`: what was decided in a session, by which check and rule, and what to do about it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypedDict

import click
import msgspec

from genkan.admin.explain import NULL, Search, find_sessions
from genkan.admin.invocation import ADDRESS, Failure, Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, plain, with_json
from genkan.admin.story import Session, Storyteller
from genkan.admin.story_words import LANGUAGES, Language
from genkan.config_values import duration_text, parse_duration, parse_network, size_text
from genkan.directory import NotFound
from genkan.record.files import FOLDER
from genkan.record.reader import RecordReader
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox
from genkan.smtp.reply import Wordbook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta
    from typing import Unpack

    from genkan.config_values import Network
    from genkan.spool.reading import QueuedMessage

_USAGE: Final = "say what to explain: a message id, or --client, --from or --to"


class Criteria(TypedDict):
    """The options that say what is looked for."""

    client: Network | None
    reverse_path: Mailbox | None
    forward_path: Mailbox | None
    since: timedelta | None


def _client(_ctx: click.Context, _param: click.Parameter, word: str | None) -> Network | None:
    try:
        return None if word is None else parse_network(word)
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


def _since(_ctx: click.Context, _param: click.Parameter, word: str | None) -> timedelta | None:
    try:
        return None if word is None else parse_duration(word)
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


def _reverse_path(_ctx: click.Context, _param: click.Parameter, word: str | None) -> Mailbox | None:
    if word is None:
        return None
    try:
        return NULL if word == "<>" else parse_mailbox(word)
    except AddressError as fault:
        raise click.BadParameter(f"{word!r} is no address such as ann@in.test, nor <>: {fault}") from None


@click.command()
@click.argument("word", metavar="[ID]", default="")
@click.option("--client", callback=_client, metavar="IP", help="The client's address, or a network.")
@click.option(
    "--from", "reverse_path", callback=_reverse_path, metavar="ADDRESS", help='The reverse-path; "<>" is one.'
)
@click.option("--to", "forward_path", type=ADDRESS, help="A recipient, as the client named it or where the mail went.")
@click.option("--since", callback=_since, metavar="TIME", help="Look no further back, such as 7d or 12h.")
@click.option("--limit", type=click.IntRange(1, 10000), default=20, show_default=True, help="The youngest N only.")
@click.option("--lang", "language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="The language.")
@pass_invocation
@with_json
def explain(invocation: Invocation, word: str, limit: int, language: Language, **criteria: Unpack[Criteria]) -> Output:
    """Tell what was decided in a session, and why. ID is that of a message, a session or a failure."""
    search = _search(invocation, word, criteria)
    config, operations = invocation.config(), invocation.operations()
    reader = RecordReader(config.storage_folder / FOLDER)

    def queued(message_id: str) -> QueuedMessage | None:
        with suppress(NotFound):
            return operations.show_queued(message_id, invocation.now())
        return None

    try:
        sessions = find_sessions(reader, search, limit, queued)
        hint = "" if sessions else _hint(invocation, reader, word, is_queued=queued(word) is not None)
    except OSError as error:
        raise Failure(f"the record cannot be read ({error}); run this as the server's own user") from error
    teller = Storyteller(language, Wordbook(config.replies), config.hostname)
    return Output(
        [_entry(session, teller) for session in sessions],
        _lines(sessions, teller),
        hint=hint,
        status=0 if sessions else 1,
    )


def _search(invocation: Invocation, word: str, criteria: Criteria) -> Search:
    reverse_path, forward_path, since = criteria["reverse_path"], criteria["forward_path"], criteria["since"]
    if not word and criteria["client"] is None and reverse_path is None and forward_path is None:
        raise click.UsageError(_USAGE)
    return Search(
        word,
        criteria["client"],
        None if reverse_path is None else reverse_path.folded(),
        None if forward_path is None else forward_path.folded(),
        None if since is None else invocation.now() - since,
    )


def _hint(invocation: Invocation, reader: RecordReader, word: str, *, is_queued: bool) -> str:
    """Why there may be nothing to tell."""
    settings, begin = invocation.config().record, reader.begin()
    if not settings.enabled:
        reason = "nothing is recorded, for the setting record.enabled is false"
    elif begin is None:
        reason = "nothing is recorded yet; an entry is written when a mail transaction or a connection has ended"
    else:
        kept = f"record.age = {duration_text(settings.age)}, record.size = {size_text(settings.size)}"
        reason = (
            f"the record goes back to {moment_text(begin)} ({kept}), "
            "and what is still under way is written when it has ended"
        )
    queue = f"; {word} is in the queue, see: genkan queue show {word}" if is_queued else ""
    return f"nothing found: {reason}{queue}"


def _entry(session: Session, teller: Storyteller) -> dict[str, object]:
    """The session for programs: the entries with all their fields, and the story."""
    return {
        "session": session.session,
        "connection": _whole(session.connection),
        "transactions": [_whole(transaction) for transaction in session.transactions],
        "queued": plain(session.queued),
        "story": list(teller.tell(session)),
    }


def _whole(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return {name: _whole(getattr(value, name)) for name in value.__struct_fields__}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def _lines(sessions: list[Session], teller: Storyteller) -> Iterator[str]:
    for number, session in enumerate(sessions):
        if number:
            yield ""
        yield from teller.tell(session)
