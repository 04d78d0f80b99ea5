# SPDX-License-Identifier: Apache-2.0
"""What `make run` runs: `python -m genkan.admin.demo FOLDER` makes a small installation, says how to try it, serves it.

Run again it finds its folder and goes on with the same accounts, passwords and ports.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from genkan.admin.init import DEFAULT_LISTENERS, InitError, create_installation
from genkan.admin.operations import NewAccount, Operations
from genkan.config import Config, ConfigError, Listener, load_config
from genkan.config_values import ListenAddress
from genkan.directory import DirectoryError
from genkan.smtp.address import Mailbox
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DOMAIN: Final = "example.test"
HOSTNAME: Final = "mx.example.test"
ACCOUNTS: Final = {Mailbox("ann", DOMAIN): "Ann Example", Mailbox("bob", DOMAIN): "Bob Example"}
POSTMASTER: Final = Mailbox("postmaster", DOMAIN)
OUTSIDER: Final = "carol@example.net"


def main(arguments: Sequence[str]) -> int:
    """Make or find the demo in the folder named by the one argument and serve it; the exit status."""
    if len(arguments) != 1:
        click.echo("usage: python -m genkan.admin.demo FOLDER", err=True)
        return 2
    folder = Path(arguments[0])
    try:
        config, passwords = prepare(folder)
    except (ConfigError, DirectoryError, InitError, StorageError) as error:
        click.echo(str(error), err=True)
        return 1
    click.echo("\n".join(introduction(config, folder, passwords)))
    from genkan.main import serve  # noqa: PLC0415  (the rest is useful without a server)

    return serve(config)


def prepare(folder: Path) -> tuple[Config, dict[Mailbox, str]]:
    """The demo's configuration and passwords; what is missing of it is made, also after an interrupted first run."""
    file = folder / "genkan.toml"
    if not file.exists():
        create_installation(folder, DOMAIN, HOSTNAME, tuple(map(on_free_port, DEFAULT_LISTENERS)))
    config = load_config(file)
    passwords = _passwords(folder / "passwords.txt")
    with Operations.open(config) as operations:
        _make_accounts(operations, passwords)
        if all(alias.alias != str(POSTMASTER) for alias in operations.list_aliases()):
            operations.add_alias(POSTMASTER, next(iter(ACCOUNTS)))
    return config, passwords


def introduction(config: Config, folder: Path, passwords: dict[Mailbox, str]) -> Iterator[str]:
    """What a newcomer needs: addresses, passwords, one command that sends a mail, and where that mail then lies."""
    ann = next(iter(ACCOUNTS))
    smtp = next(listener.address for listener in config.listener if listener.role == "smtp")
    maildir = config.path(config.delivery.maildir.format(domain=ann.domain, local_part=ann.local_part))
    yield f"Genkan serves {DOMAIN} from {folder}:"
    yield from (f"  {listener.role:<12} {listener.address}" for listener in config.listener)
    yield from (f"  account      {account}  password {password}" for account, password in passwords.items())
    yield "Send a first mail, from another terminal:"
    yield f"  {first_mail(smtp, ann)}"
    yield "It then lies here:"
    yield f"  {maildir / 'new'}"
    yield "Stop with Ctrl-C. All other commands:"
    yield f"  {_genkan()} -c {shlex.quote(str(folder / 'genkan.toml'))} --help"


def first_mail(smtp: ListenAddress, recipient: Mailbox) -> str:
    """A shell command that sends a small mail from outside."""
    mail = f"From: Carol <{OUTSIDER}>\\nTo: <{recipient}>\\nSubject: First mail\\n\\nHello.\\n"
    paths = f"--mail-from {OUTSIDER} --mail-rcpt {recipient}"
    return f"printf '{mail}' | curl -sS smtp://{smtp} {paths} --crlf --upload-file -"


def _genkan() -> str:
    """The command as it can be typed here, also where its folder is not on the PATH."""
    beside = Path(sys.executable).with_name("genkan")
    if shutil.which("genkan") or not beside.exists():
        return "genkan"
    here = Path.cwd()
    return shlex.quote(str(beside.relative_to(here) if beside.is_relative_to(here) else beside))


def on_free_port(listener: Listener) -> Listener:
    """The listener, on a port the system chooses if its own is taken."""
    host, port = listener.address
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            probe.bind((host, 0))
        return listener.model_copy(update={"address": ListenAddress(host, probe.getsockname()[1])})


def _passwords(file: Path) -> dict[Mailbox, str]:
    """The passwords kept in `file`, one line an account; made at random, for the owner's eyes, when it is missing."""
    if not file.exists():
        lines = "".join(f"{account} {secrets.token_urlsafe(12)}\n" for account in ACCOUNTS)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as kept:
            kept.write(lines)
    known = dict(line.split() for line in file.read_text("utf-8").splitlines() if len(line.split()) == 2)
    missing = [account for account in ACCOUNTS if str(account) not in known]
    if missing:
        raise InitError(f"{file}: no password for {missing[0]}; remove the file, then new ones are made")
    return {account: known[str(account)] for account in ACCOUNTS}


def _make_accounts(operations: Operations, passwords: dict[Mailbox, str]) -> None:
    there = {entry.address for entry in operations.list_accounts()}
    for account, name in ACCOUNTS.items():
        if str(account) in there:
            operations.set_password(account, passwords[account], reversible=True)
        else:
            operations.add_account(NewAccount(account, name, passwords[account], reversible=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
