# SPDX-License-Identifier: Apache-2.0
"""The commands about who is who: `genkan domain`, `account`, `alias` and `lock`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genkan.admin.brake_operations import BrakeOperations
from genkan.admin.cli_forwarding import account_forward, account_reply
from genkan.admin.invocation import (
    ADDRESS,
    LIMIT,
    QUOTA,
    Invocation,
    pass_invocation,
    read_password,
    read_password_line,
)
from genkan.admin.operations import AccountEntry, AliasEntry, DomainEntry, NewAccount
from genkan.admin.output import Output, moment_text, table, with_json
from genkan.config_values import size_text
from genkan.directory import UNCHANGED, Lock

if TYPE_CHECKING:
    from genkan.directory.accounts import Unchanged
    from genkan.smtp.address import Mailbox


@click.group()
def domain() -> None:
    """The domains mail is received for."""


@domain.command("add")
@click.argument("name", metavar="DOMAIN")
@pass_invocation
@with_json
def domain_add(invocation: Invocation, name: str) -> Output:
    """Receive mail for DOMAIN."""
    entry = invocation.operations().add_domain(name)
    return Output(entry, [f"added {entry.name}"])


@domain.command("list")
@pass_invocation
@with_json
def domain_list(invocation: Invocation) -> Output:
    """List the local domains; the first one is the default."""
    entries = invocation.operations().list_domains()
    rows = table(("domain", "accounts", "aliases", ""), map(_domain_row, entries))
    return Output(entries, rows, hint="no domain yet; add one with: genkan domain add DOMAIN")


@domain.command("remove")
@click.argument("name", metavar="DOMAIN")
@pass_invocation
@with_json
def domain_remove(invocation: Invocation, name: str) -> Output:
    """Receive no more mail for DOMAIN."""
    invocation.operations().remove_domain(name)
    return Output({"removed": name}, [f"removed {name}"])


@click.group()
def account() -> None:
    """Who owns a mailbox and may send."""


account.add_command(account_forward)
account.add_command(account_reply)


@account.command("add")
@click.argument("address", type=ADDRESS)
@click.option("--name", default="", help="The full name.")
@click.option("--password-stdin", "source", flag_value="stdin", help="Read the password from standard input.")
@click.option("--no-auth", "source", flag_value="none", help="No password: the account only receives.")
@click.option("--quota", type=QUOTA, default=None, help='Most octets of mail, such as 100MB; "none" for no limit.')
@click.option("--reversible", is_flag=True, help="Keep the password readable, for CRAM-MD5.")
@pass_invocation
@with_json
def account_add(
    invocation: Invocation,
    address: Mailbox,
    name: str,
    source: str | None,
    quota: int | None,
    reversible: bool,  # noqa: FBT001
) -> Output:
    """Make an account; asks for the password at the terminal."""
    operations = invocation.operations()
    new = NewAccount(address, name, _password(source), quota, reversible)
    entry = operations.add_account(new)
    return Output(entry, [f"added {entry.address}"])


@account.command("list")
@click.argument("domain_name", metavar="[DOMAIN]", required=False)
@pass_invocation
@with_json
def account_list(invocation: Invocation, domain_name: str | None) -> Output:
    """List all accounts, or those of DOMAIN."""
    entries = invocation.operations().list_accounts(domain_name)
    rows = table(("account", "quota", "password", "name"), map(_account_row, entries))
    return Output(entries, rows, hint="no account yet; add one with: genkan account add ADDRESS")


@account.command("show")
@click.argument("address", type=ADDRESS)
@pass_invocation
@with_json
def account_show(invocation: Invocation, address: Mailbox) -> Output:
    """Show one account."""
    entry = invocation.operations().show_account(address)
    return Output(entry, _account_lines(entry))


@account.command("passwd")
@click.argument("address", type=ADDRESS)
@click.option("--password-stdin", "source", flag_value="stdin", help="Read the password from standard input.")
@click.option("--no-auth", "source", flag_value="none", help="Take the password away: the account only receives.")
@click.option("--reversible", is_flag=True, help="Keep the password readable, for CRAM-MD5.")
@pass_invocation
@with_json
def account_passwd(invocation: Invocation, address: Mailbox, source: str | None, reversible: bool) -> Output:  # noqa: FBT001
    """Give an account another password; asks for it at the terminal."""
    operations = invocation.operations()
    operations.show_account(address)  # say so before asking, if it is not there
    entry = operations.set_password(address, _password(source), reversible=reversible)
    return Output(entry, [f"changed {entry.address}"])


@account.command("set")
@click.argument("address", type=ADDRESS)
@click.option("--name", default=None, help="The full name.")
@click.option("--quota", type=QUOTA, default=UNCHANGED, help='Most octets of mail, such as 100MB; "none" for no limit.')
@click.option(
    "--external-limit",
    "limit",
    type=LIMIT,
    default=UNCHANGED,
    help='Most recipients outside within an hour; "none" for no limit, "learned" for what brake.mode says.',
)
@pass_invocation
@with_json
def account_set(
    invocation: Invocation,
    address: Mailbox,
    name: str | None,
    quota: int | Unchanged | None,
    limit: int | Unchanged | None,
) -> Output:
    """Give an account another full name, quota, or number of recipients outside."""
    if name is None and quota is UNCHANGED and limit is UNCHANGED:
        raise click.UsageError("nothing to change: give --name, --quota or --external-limit")
    entry = invocation.operations().change_account(address, UNCHANGED if name is None else name, quota)
    if limit is not UNCHANGED:
        invocation.opened(BrakeOperations).set_limit(address, limit)
    return Output(entry, [f"changed {entry.address}"])


@account.command("remove")
@click.argument("address", type=ADDRESS)
@pass_invocation
@with_json
def account_remove(invocation: Invocation, address: Mailbox) -> Output:
    """Forget an account and its rule documents; its mail stays on the disk."""
    invocation.operations().remove_account(address)
    return Output({"removed": address}, [f"removed {address}"])


@click.group()
def alias() -> None:
    """Addresses that stand for others."""


@alias.command("add")
@click.argument("address", metavar="ALIAS", type=ADDRESS)
@click.argument("target", type=ADDRESS)
@pass_invocation
@with_json
def alias_add(invocation: Invocation, address: Mailbox, target: Mailbox) -> Output:
    """Send mail for ALIAS to TARGET; ALIAS may be sales*@in.test or *@in.test."""
    entry = invocation.operations().add_alias(address, target)
    return Output(entry, [f"added {entry.alias} -> {entry.target}", *_warn_of_dead_end(entry)])


@alias.command("list")
@click.argument("domain_name", metavar="[DOMAIN]", required=False)
@pass_invocation
@with_json
def alias_list(invocation: Invocation, domain_name: str | None) -> Output:
    """List all aliases, or those of DOMAIN, and where their mail ends."""
    entries = invocation.operations().list_aliases(domain_name)
    rows = table(("alias", "target", "mail ends at"), ((e.alias, e.target, e.end or "nobody") for e in entries))
    return Output(entries, rows, hint="no alias yet; add one with: genkan alias add ALIAS TARGET")


@alias.command("remove")
@click.argument("address", metavar="ALIAS", type=ADDRESS)
@click.argument("target", type=ADDRESS, required=False)
@pass_invocation
@with_json
def alias_remove(invocation: Invocation, address: Mailbox, target: Mailbox | None) -> Output:
    """Forget ALIAS; with TARGET, only if it leads there."""
    invocation.operations().remove_alias(address, target)
    return Output({"removed": address}, [f"removed {address}"])


@click.group()
def lock() -> None:
    """Client addresses that may not connect for now."""


@lock.command("list")
@pass_invocation
@with_json
def lock_list(invocation: Invocation) -> Output:
    """List the locked addresses and networks, oldest first; the kind is auth (failures), rate (too often) or operator."""
    entries = invocation.operations().list_locks(invocation.now())
    rows = table(("network", "kind", "until", "reason"), map(_lock_row, entries))
    return Output(entries, rows, hint="nobody is locked out")


@lock.command("clear")
@click.argument("network", metavar="[ADDRESS]", required=False)
@pass_invocation
@with_json
def lock_clear(invocation: Invocation, network: str | None) -> Output:
    """Unlock an address or network, or all of them."""
    cleared = invocation.operations().clear_locks(network)
    return Output({"cleared": cleared}, [f"cleared {cleared}"])


def _password(source: str | None) -> str | None:
    match source:
        case "stdin":
            return read_password_line()
        case "none":
            return None
        case _:
            return read_password()


def _warn_of_dead_end(entry: AliasEntry) -> list[str]:
    return [] if entry.end else [f"note: nobody has the address {entry.target} yet"]


def _domain_row(entry: DomainEntry) -> tuple[str, ...]:
    return entry.name, str(entry.accounts), str(entry.aliases), "default" if entry.default else ""


def _account_row(entry: AccountEntry) -> tuple[str, ...]:
    quota = "-" if entry.quota is None else size_text(entry.quota)
    return entry.address, quota, "yes" if entry.mechanisms else "no", entry.name


def _account_lines(entry: AccountEntry) -> list[str]:
    return [
        f"account     {entry.address}",
        f"name        {entry.name}",
        f"quota       {'no limit' if entry.quota is None else size_text(entry.quota)}",
        f"mechanisms  {', '.join(entry.mechanisms) or 'none: it cannot authenticate'}",
        f"aliases     {', '.join(entry.aliases) or 'none'}",
        f"forwards    {', '.join(entry.forwards) or 'nothing'}",
        f"answers     {'by itself' if entry.replies else 'nothing'}",
    ]


def _lock_row(entry: Lock) -> tuple[str, ...]:
    return str(entry.network), entry.kind, moment_text(entry.until), entry.reason
