# SPDX-License-Identifier: Apache-2.0
"""The commands about the keys that mail is signed with: `genkan dkim`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from genkan.admin.dkim_operations import DkimOperations
from genkan.admin.invocation import Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, table, with_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genkan.admin.dkim_operations import KeyEntry
    from genkan.directory.dkim_keys import KeyAlgorithm

_ALGORITHMS: Final[tuple[KeyAlgorithm, ...]] = ("rsa", "ed25519")


@click.group()
def dkim() -> None:
    """Keys that the mail of our domains is signed with."""


@dkim.command("add")
@click.argument("domain")
@click.option(
    "--algorithm",
    "algorithms",
    type=click.Choice(_ALGORITHMS),
    multiple=True,
    help="Of this kind only; may be repeated. Without it a key of each is made: not everybody knows ed25519.",
)
@click.option(
    "--selector", help="The name of the key in the DNS; without it one with the day's date. Only with one --algorithm."
)
@pass_invocation
@with_json
def dkim_add(invocation: Invocation, domain: str, algorithms: tuple[KeyAlgorithm, ...], selector: str | None) -> Output:
    """Make keys for DOMAIN and print their DNS records. The first ones sign at once, later ones with `dkim rotate`."""
    wanted = tuple(dict.fromkeys(algorithms)) or _ALGORITHMS
    if selector is not None and len(wanted) > 1:
        raise click.UsageError("one selector is for one key: give --algorithm rsa or --algorithm ed25519 with it")
    entries = invocation.opened(DkimOperations).add(domain, wanted, selector, invocation.now())
    lines = [f"made {entry.selector} ({entry.algorithm}), {entry.state}" for entry in entries]
    if any(entry.state == "waiting" for entry in entries):
        lines.append(f"publish the records, wait until they are seen, then: genkan dkim rotate {entries[0].domain}")
    else:
        lines.append("publish the records now:")
    return Output(entries, [*lines, *_records(entries)])


@dkim.command("list")
@click.argument("domain", metavar="[DOMAIN]", required=False)
@click.option("--records", is_flag=True, help="Print the DNS records as lines of a zone file.")
@pass_invocation
@with_json
def dkim_list(invocation: Invocation, domain: str | None, records: bool) -> Output:  # noqa: FBT001
    """List the keys of all domains, or of DOMAIN."""
    operations = invocation.opened(DkimOperations)
    entries = operations.entries(domain)
    lines = (
        _records(entries)
        if records
        else table(("domain", "selector", "algorithm", "state", "made"), map(_row, entries))
    )
    hint = "no key yet; make one with: genkan dkim add DOMAIN"
    if entries and not operations.is_on:
        lines = [*lines, "nothing is signed: dkim.sign is false"]
    return Output(entries, lines, hint=hint)


@dkim.command("rotate")
@click.argument("domain")
@click.option("--unseen", is_flag=True, help="Do not look first whether the DNS has the records.")
@pass_invocation
@with_json
def dkim_rotate(invocation: Invocation, domain: str, unseen: bool) -> Output:  # noqa: FBT001
    """Sign with the keys of DOMAIN that wait, in place of those of their kinds.

    The former ones are kept: mail signed with them may still be on its way.
    """
    entries = invocation.opened(DkimOperations).rotate(domain, unseen=unseen)
    return Output(entries, [f"{entry.selector} ({entry.algorithm}): {entry.state}" for entry in entries])


@dkim.command("remove")
@click.argument("domain")
@click.argument("selector")
@click.option("--force", is_flag=True, help="Also the only key that signs.")
@pass_invocation
@with_json
def dkim_remove(invocation: Invocation, domain: str, selector: str, force: bool) -> Output:  # noqa: FBT001
    """Forget a key of DOMAIN; a retired one after a week, when nobody looks for it any more. Its DNS record may go then, too."""
    invocation.opened(DkimOperations).remove(domain, selector, force=force)
    return Output({"domain": domain, "removed": selector}, [f"removed {selector} of {domain}"])


def _records(entries: Iterable[KeyEntry]) -> list[str]:
    return [entry.zone for entry in entries]


def _row(entry: KeyEntry) -> tuple[str, ...]:
    return entry.domain, entry.selector, entry.algorithm, entry.state, moment_text(entry.made_at)
