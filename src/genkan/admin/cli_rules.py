# SPDX-License-Identifier: Apache-2.0
"""The commands about rule documents: `genkan rules`."""

from __future__ import annotations

import functools
import getpass
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from genkan.admin.invocation import ADDRESS, Failure, Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, table, with_json
from genkan.admin.rule_folder import write_file
from genkan.admin.rule_operations import Change, Place, Remark, RuleOperations, RuleText, has_errors, relay_settings
from genkan.directory import DirectoryError
from genkan.directory.documents import MAX_DOCUMENT
from genkan.rules.kinds import KINDS
from genkan.storage.engine import StorageError, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from genkan.directory import DocumentEntry, Revision
    from genkan.smtp.address import Mailbox

FOLDER: Final = click.Path(path_type=Path, file_okay=False)


class Target(NamedTuple):
    """What a command line names: a document, an account whose documents it is about, or neither."""

    name: str | None
    address: Mailbox | None

    def place(self, rules: RuleOperations) -> Place:
        """The one document; a usage error without a name, or for a kind that accounts do not have."""
        if self.name is None:
            raise click.UsageError(f"name a document: {', '.join(KINDS)}")
        if self.address is not None and not KINDS[self.name].per_account:
            own = ", ".join(kind.name for kind in KINDS.values() if kind.per_account)
            raise click.UsageError(f"{self.name} is the server's only: leave --account out; an account has {own}")
        return rules.place(self.name, self.address)


def _with_target(command: Callable[..., Output]) -> Callable[..., Output]:
    return _target(command, required=True)


def _with_optional_target(command: Callable[..., Output]) -> Callable[..., Output]:
    return _target(command, required=False)


def _target(command: Callable[..., Output], *, required: bool) -> Callable[..., Output]:
    """Give a command DOCUMENT and --account, as its parameter `target`."""
    document = click.Choice(list(KINDS), case_sensitive=False)

    @click.argument("document", metavar="DOCUMENT" if required else "[DOCUMENT]", type=document, required=required)
    @click.option("--account", type=ADDRESS, metavar="ADDRESS", help="The account's document, not the server's.")
    @functools.wraps(command)
    def targeting(*args: Any, document: str | None, account: Mailbox | None, **kwargs: Any) -> Output:  # noqa: ANN401
        return command(*args, target=Target(document, account), **kwargs)

    return targeting


def _with_author(command: Callable[..., Output]) -> Callable[..., Output]:
    """Give a command --author, as its parameter `author`; the login name without it."""

    @click.option("--author", default=None, metavar="NAME", help="Who makes the change; without it, your login name.")
    @functools.wraps(command)
    def authored(*args: Any, author: str | None, **kwargs: Any) -> Output:  # noqa: ANN401
        return command(*args, author=login_name() if author is None else author, **kwargs)

    return authored


def _with_remark(command: Callable[..., Output]) -> Callable[..., Output]:
    """Give a command --author and --comment, as its parameter `remark`."""

    @click.option("--comment", default="", metavar="TEXT", help="Why; shown by genkan rules log.")
    @functools.wraps(command)
    def remarking(*args: Any, author: str, comment: str, **kwargs: Any) -> Output:  # noqa: ANN401
        return command(*args, remark=Remark(author, comment), **kwargs)

    return _with_author(remarking)


def login_name() -> str:
    """The name of the operating system's user who runs this, or "uid N" for one that has none."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return f"uid {os.getuid()}"


@click.group()
def rules() -> None:
    """The rule documents, such as effect.dat: what the server decides by."""


@rules.command("list")
@pass_invocation
@with_json
def rules_list(invocation: Invocation) -> Output:
    """List the documents that were stored, the server's and those of accounts."""
    entries = invocation.operations().rules.list_documents()
    head = ("document", "account", "revision", "octets", "changed", "author", "shadow")
    hint = "no rule document yet; see what holds: genkan rules check"
    return Output([_list_entry(entry) for entry in entries], table(head, map(_list_row, entries)), hint)


@rules.command("show")
@pass_invocation
@with_json
@_with_target
@click.option("--revision", type=int, default=None, metavar="N", help="That of an earlier revision.")
def rules_show(invocation: Invocation, target: Target, revision: int | None) -> Output:
    """Show a document's text, that of rejectsmtpip.dat with the locks that hold now."""
    operations = invocation.operations().rules
    text = operations.show(target.place(operations), invocation.now(), revision)
    return Output(_text_entry(text), text.lines(), hint=f"{text.place} is empty")


@rules.command("export")
@pass_invocation
@with_json
@_with_optional_target
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--all",
    "folder",
    type=FOLDER,
    metavar="DIR",
    help="Write every document: DIR/NAME, those of accounts DIR/accounts/ADDRESS/NAME.",
)
@click.option("--revision", type=int, default=None, metavar="N", help="That of an earlier revision.")
def rules_export(
    invocation: Invocation, target: Target, file: Path | None, folder: Path | None, revision: int | None
) -> Output:
    """Write a document octet by octet to FILE, or to standard output."""
    operations = invocation.operations().rules
    if folder is not None:
        _require_alone(target, file, revision)
        texts = operations.export_all(folder, invocation.now())
        entries = [_text_entry(text) for text in texts]
        return Output(entries, (f"exported {text.place}" for text in texts), hint="no rule document to export")
    text = operations.show(target.place(operations), invocation.now(), revision)
    if file is not None and str(file) != "-":
        write_file(file, text.octets)
        return Output(_text_entry(text), [f"exported {text.place}, {len(text.octets)} octets"])
    context = click.get_current_context()
    if not context.params["as_json"]:
        sys.stdout.buffer.write(text.octets)
        sys.stdout.buffer.flush()
        context.exit(0)
    return Output(_text_entry(text))


@rules.command("import")
@pass_invocation
@with_json
@_with_optional_target
@click.argument("file", metavar="[FILE]", type=click.File("rb"), required=False)
@click.option(
    "--all",
    "folder",
    type=FOLDER,
    metavar="DIR",
    help="Store every document that lies there as --all of export writes them; others stay.",
)
@click.option("--strict", is_flag=True, help="Store nothing when a line does not work.")
@_with_remark
def rules_import(
    invocation: Invocation,
    target: Target,
    file: BinaryIO | None,
    folder: Path | None,
    remark: Remark,
    strict: bool,  # noqa: FBT001
) -> Output:
    """Make FILE ("-": standard input) the current text of a document, at once, and say what is wrong with it."""
    operations = invocation.operations().rules
    if folder is not None:
        _require_alone(target, file, None)
        changes = operations.import_all(folder, remark, invocation.now(), strict=strict)
        lines = (line for change in changes for line in _change_lines(change))
        return Output([_change_entry(change) for change in changes], lines, hint=f"{folder} holds no rule document")
    place = target.place(operations)
    change = operations.store(place, _read(file), remark, invocation.now(), strict=strict)
    return Output(_change_entry(change), _change_lines(change))


@rules.command("edit")
@pass_invocation
@with_json
@_with_target
@_with_remark
def rules_edit(invocation: Invocation, target: Target, remark: Remark) -> Output:
    """Edit a document with $VISUAL, $EDITOR or vi; it is stored when it was changed, and takes effect at once."""
    operations = invocation.operations().rules
    base = operations.to_edit(target.place(operations))
    path = _working_copy(base)
    _run_editor(path)
    with translated(str(path)):
        edited = path.read_bytes()
    if edited == base.text.encode():
        _forget(path)
        return Output({"changed": False}, [f"{base.place} is unchanged"])
    try:
        change = operations.store_edited(base, edited, remark, invocation.now())
    except (DirectoryError, StorageError) as error:
        raise Failure(f"{error}; what you wrote is kept in {path}") from error
    _forget(path)
    return Output(_change_entry(change), _change_lines(change))


@rules.command("check")
@pass_invocation
@with_json
@_with_optional_target
@click.option("--all", "everybody", is_flag=True, help="Those of all accounts too.")
def rules_check(invocation: Invocation, target: Target, everybody: bool) -> Output:  # noqa: FBT001
    """Say what is wrong or dangerous in one document or all, and when this server relays; status 1 for a line in error."""
    operations = invocation.operations().rules
    judgement = operations.check(_places(operations, target, everybody=everybody), relay_settings(invocation.config()))
    lines = [*map(str, judgement.findings), *([""] if judgement.findings and judgement.relaying else [])]
    hint = "nothing to say: all is well"
    return Output(judgement, [*lines, *judgement.relaying], hint, status=int(has_errors(judgement.findings)))


@rules.command("log")
@pass_invocation
@with_json
@_with_target
def rules_log(invocation: Invocation, target: Target) -> Output:
    """List the revisions of a document, newest first."""
    operations = invocation.operations().rules
    revisions = operations.history(target.place(operations))
    return Output(revisions, table(("revision", "stored", "octets", "author", "comment"), map(_log_row, revisions)))


@rules.command("diff")
@pass_invocation
@with_json
@_with_target
@click.option("--from", "older", type=int, default=None, metavar="N", help="The older revision; 0: as shipped.")
@click.option("--to", "newer", type=int, default=None, metavar="M", help="The newer revision.")
@click.option("--shadow", is_flag=True, help="Compare the current text with its shadow.")
def rules_diff(
    invocation: Invocation,
    target: Target,
    older: int | None,
    newer: int | None,
    shadow: bool,  # noqa: FBT001
) -> Output:
    """Show which lines differ between two revisions; without numbers, what the last change did."""
    operations = invocation.operations().rules
    if shadow and (older is not None or newer is not None):
        raise click.UsageError("--shadow compares with the current text: leave --from and --to out")
    place = target.place(operations)
    lines = operations.diff_shadow(place) if shadow else operations.diff(place, older, newer)
    return Output({"diff": lines}, lines, hint="no line differs")


@rules.command("rollback")
@pass_invocation
@with_json
@_with_target
@click.argument("revision", metavar="N", type=int)
@_with_author
def rules_rollback(invocation: Invocation, target: Target, revision: int, author: str) -> Output:
    """Make the text of revision N the current one again."""
    operations = invocation.operations().rules
    change = operations.rollback(target.place(operations), revision, author)
    return Output(_change_entry(change), _change_lines(change))


@rules.command("remove")
@pass_invocation
@with_json
@_with_target
@_with_remark
def rules_remove(invocation: Invocation, target: Target, remark: Remark) -> Output:
    """Let there be no such document; genkan rules rollback brings it back."""
    operations = invocation.operations().rules
    place = target.place(operations)
    operations.remove(place, remark)
    return Output({"removed": str(place)}, [f"removed {place}"])


@rules.command("shadow")
@pass_invocation
@with_json
@_with_target
@click.argument("file", metavar="[FILE]", type=click.File("rb"), required=False)
@click.option("--drop", is_flag=True, help="End the trial.")
@_with_remark
def rules_shadow(
    invocation: Invocation,
    target: Target,
    file: BinaryIO | None,
    drop: bool,  # noqa: FBT001
    remark: Remark,
) -> Output:
    """Put FILE ("-": standard input) on trial: what it would decide is recorded, the current text decides."""
    operations = invocation.operations().rules
    place = target.place(operations)
    if drop:
        if file is not None:
            raise click.UsageError("--drop takes no FILE")
        operations.drop_shadow(place)
        return Output({"dropped": str(place)}, [f"dropped the shadow of {place}"])
    change = operations.shadow(place, _read(file), remark)
    return Output(_change_entry(change), [f"{place} has a shadow now", *map(str, change.findings)])


@rules.command("promote")
@pass_invocation
@with_json
@_with_target
@_with_author
def rules_promote(invocation: Invocation, target: Target, author: str) -> Output:
    """Make the shadow of a document its current text."""
    operations = invocation.operations().rules
    change = operations.promote(target.place(operations), author)
    return Output(_change_entry(change), _change_lines(change))


def _places(operations: RuleOperations, target: Target, *, everybody: bool) -> tuple[Place, ...]:
    if everybody and target.address is not None:
        raise click.UsageError("--all means every account: leave --account out")
    if target.name is not None and not everybody:
        return (target.place(operations),)
    found = operations.to_check(target.address, everybody=everybody)
    return tuple(place for place in found if target.name in (None, place.kind.name))


def _require_alone(target: Target, file: object, revision: int | None) -> None:
    if target != Target(None, None) or file is not None or revision is not None:
        raise click.UsageError("--all means every document: name nothing else")


def _read(file: BinaryIO | None) -> bytes:
    if file is None:
        raise click.UsageError("name the FILE to read, or - for standard input")
    with translated("the file of the document"):
        return file.read(MAX_DOCUMENT + 1)  # so that one too long is refused, and not cut


def _working_copy(base: RuleText) -> Path:
    with translated("the temporary folder"):
        folder = Path(mkdtemp(prefix="genkan-"))
    path = folder / base.place.kind.name
    write_file(path, base.text.encode())
    return path


def _forget(path: Path) -> None:
    shutil.rmtree(path.parent, ignore_errors=True)


def _run_editor(path: Path) -> None:
    line = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        status = subprocess.run([*shlex.split(line), str(path)], check=False).returncode
    except (OSError, ValueError) as error:
        _forget(path)
        raise Failure(f"the editor {line!r} cannot be started: {error}; name another in EDITOR") from error
    if status:
        raise Failure(f"the editor ended with status {status}: nothing was stored, what you wrote is kept in {path}")


def _text_entry(text: RuleText) -> dict[str, object]:
    return _stored_entry(text) | {"text": text.text}


def _stored_entry(text: RuleText) -> dict[str, object]:
    return {
        "document": text.place.kind.name,
        "account": "" if text.place.account is None else text.place.account.address,
        "revision": text.revision,
        "author": text.author,
        "created": text.created,
        "comment": text.comment,
    }


def _change_entry(change: Change) -> dict[str, object]:
    return _stored_entry(change.stored) | {"changed": change.changed, "findings": change.findings}


def _change_lines(change: Change) -> Iterator[str]:
    text = change.stored
    if change.changed:
        yield f"stored {text.place} as revision {text.revision}"
    else:
        yield f"{text.place} is unchanged, revision {text.revision}"
    yield from map(str, change.findings)


def _list_entry(entry: DocumentEntry) -> dict[str, object]:
    return {
        "document": entry.name,
        "account": "" if entry.account is None else entry.account.address,
        "current": entry.current,
        "shadow": entry.has_shadow,
    }


def _list_row(entry: DocumentEntry) -> tuple[str, ...]:
    account = "-" if entry.account is None else str(entry.account.address)
    current = entry.current
    if current is None:
        return entry.name, account, "-", "-", "-", "-", "yes"
    stored = (str(current.number), str(current.size), moment_text(current.created), current.author)
    return entry.name, account, *stored, "yes" if entry.has_shadow else ""


def _log_row(revision: Revision) -> tuple[str, ...]:
    size = "removed" if revision.size is None else str(revision.size)
    return str(revision.number), moment_text(revision.created), size, revision.author, revision.comment
