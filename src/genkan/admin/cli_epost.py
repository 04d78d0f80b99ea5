# SPDX-License-Identifier: Apache-2.0
"""The command `genkan import-epost`: shows the plan first, and does nothing before it is confirmed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import click

from genkan.admin.epost_operations import EpostImport, Wish
from genkan.admin.invocation import Failure, Invocation, pass_invocation
from genkan.admin.output import json_text, plain, printable
from genkan.epost.installation import Source
from genkan.epost.places import NoInstallation
from genkan.epost.settings import settings_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.admin.epost_operations import StepResult
    from genkan.epost.plan import Plan

_FOLDER: Final = click.Path(path_type=Path, exists=True, file_okay=False)
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


class _Words(TypedDict):
    """The arguments and options of the command."""

    folder: Path
    program: Path | None
    accounts: tuple[Path, ...]
    aliases: tuple[Path, ...]
    mail: bool
    reversible: bool
    settings: Path | None
    confirmed: bool
    as_json: bool


@click.command("import-epost")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--program", metavar="DIR", type=_FOLDER, help="The program folder, where it is not found by itself.")
@click.option("--accounts", metavar="FILE", type=_FILE, multiple=True, help="An export of accounts; may be repeated.")
@click.option("--aliases", metavar="FILE", type=_FILE, multiple=True, help="An export of aliases; may be repeated.")
@click.option("--mail", is_flag=True, help="Copy the mail in the mailbox folders into Maildirs, each message once.")
@click.option("--reversible", is_flag=True, help="Keep the passwords readable, for CRAM-MD5.")
@click.option(
    "--write-settings",
    "settings",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the lines for genkan.toml into a new file.",
)
@click.option("--yes", "confirmed", is_flag=True, help="Carry the plan out without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_invocation
def import_epost(invocation: Invocation, **words: Unpack[_Words]) -> None:
    """Take over accounts, aliases, rules and message ids of the E-POST server whose work folder is DIR."""
    source = Source(words["folder"], words["program"], words["accounts"], words["aliases"])
    wish = Wish(source, words["mail"], words["reversible"])
    with EpostImport.open(invocation.config(), wish) as work:
        try:
            plan = work.plan()
        except NoInstallation as error:
            raise Failure(str(error)) from error
        if not words["as_json"]:
            _print(_plan_lines(plan))
        if _is_wanted(plan, words):
            results = tuple(work.carry_out(plan))
            _write_settings(plan, words["settings"])
        else:
            results = ()
    if words["as_json"]:
        click.echo(json_text(_as_json(plan, results)))
    else:
        _print(_result_lines(plan, results))
    if any(result.error for result in results):
        raise Failure("some steps were not carried out; set right what their lines say, and run again")


def _is_wanted(plan: Plan, words: _Words) -> bool:
    """Whether to carry the plan out; a Failure where nobody can be asked."""
    if not plan.steps and words["settings"] is None:
        return False
    if words["confirmed"]:
        return True
    if not words["as_json"] and sys.stdin.isatty():
        if click.confirm("Carry it out?"):
            return True
        raise Failure("nothing was changed")
    if words["as_json"]:
        click.echo(json_text(_as_json(plan, ())))
    raise Failure("nothing was changed; to carry the plan out, give --yes")


def _write_settings(plan: Plan, file: Path | None) -> None:
    if file is None:
        return
    text = settings_text(plan.settings)
    try:
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        if file.read_bytes() != text.encode():
            raise Failure(f"{file} is there already and is not written over; name another file") from None
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}") from error


def _plan_lines(plan: Plan) -> Iterator[str]:
    yield from _section("To do:", map(str, plan.steps))
    yield from _section("Lines for genkan.toml:", settings_text(plan.settings).splitlines())
    yield from _section(
        "Refused, since mail would go astray or something else is there already:", map(str, plan.refused)
    )
    yield from _section("Not carried over, or to be looked at:", map(str, plan.losses))


def _section(head: str, lines: Iterable[str]) -> Iterator[str]:
    body = [f"  {line}" if line else "" for line in lines]
    if body:
        yield from (head, *body, "")


def _result_lines(plan: Plan, results: tuple[StepResult, ...]) -> Iterator[str]:
    if not plan.steps:
        yield "nothing to do"
        return
    yield from (f"not done: {result.step}: {result.error}" for result in results if result.error)
    done = sum(not result.error for result in results)
    yield f"done: {done} of {len(plan.steps)} steps"


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(printable(line))


def _as_json(plan: Plan, results: tuple[StepResult, ...]) -> object:
    """The plan without its secrets; `done` tells which steps were carried out."""
    outcomes = {id(result.step): result.error for result in results}
    return {
        "steps": [
            {
                "kind": step.kind,
                "step": str(step),
                "done": outcomes.get(id(step)) == "",
                "error": outcomes.get(id(step), ""),
            }
            for step in plan.steps
        ],
        "settings": plain(plan.settings),
        "refused": plain(plan.refused),
        "losses": plain(plan.losses),
    }
