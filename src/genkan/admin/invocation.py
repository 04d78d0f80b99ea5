# SPDX-License-Identifier: Apache-2.0
"""One call of the command line: which configuration it is about, what its words mean, how its errors leave it.

Exit status 0: done; 1: an error, its text on standard error says what to do; 2: the command line is wrong.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import click

from genkan.admin.operations import Operations
from genkan.config import Config, ConfigError, load_config
from genkan.config_values import parse_duration, parse_host_name, parse_size
from genkan.directory import NO_LIMIT, DirectoryError
from genkan.opening import open_directory
from genkan.smtp.address import AddressError, Mailbox, fold_domain, parse_mailbox
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genkan.directory import Directory

T = TypeVar("T")


class Failure(click.ClickException):
    """An error of the installation, not of the command line: exit status 1, the bare text on standard error."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the text; it names file, address or setting itself."""
        click.echo(self.format_message(), file=file or sys.stderr)


class Commands(click.Group):
    """A group of commands in which every named error of the parts below ends as a `Failure`."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  (click's own type)
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except (ConfigError, DirectoryError, StorageError) as error:
            raise Failure(str(error)) from error


class Invocation:
    """The configuration file of this call; read when a command asks for it, since `init` needs none."""

    def __init__(self, file: Path | None) -> None:
        """Note the file that was named, if one was."""
        self._file = file

    @property
    def file(self) -> Path:
        """The configuration file named with -c or GENKAN_CONFIG; a usage error without either."""
        if self._file is None:
            raise click.UsageError("no configuration named: write genkan -c FILE COMMAND, or set GENKAN_CONFIG")
        return self._file

    def config(self) -> Config:
        """The configuration; raises `ConfigError`."""
        return load_config(self.file)

    def opened(self, make: Callable[[Directory, Config], T]) -> T:
        """What works with an installation's directory, which is open until the command ends; raises StorageError."""
        config = self.config()
        directory = open_directory(config)
        click.get_current_context().call_on_close(directory.close)
        return make(directory, config)

    def operations(self) -> Operations:
        """Everything that most commands need."""
        return self.opened(lambda directory, config: Operations(directory, config.storage_folder))

    @staticmethod
    def now() -> datetime:
        """The moment to judge by, in UTC."""
        return datetime.now(UTC)


class _Parsed(click.ParamType[Any]):
    """An argument read by one of our own parsers; what it refuses is a usage error."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        """Read words with `parse`, which raises `ValueError`; `name` stands in the help."""
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """The parsed value; a default passes as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _parse_address(text: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except AddressError as error:
        raise ValueError(f"{text!r} is no address such as ann@in.test: {error}") from None


def _parse_domain(text: str) -> str:
    """The name in lower-case A-labels, without its final dot."""
    name = fold_domain(text.removesuffix("."))
    try:
        parse_host_name(name)
    except ValueError:
        raise ValueError(f"{text!r} is no domain such as in.test") from None
    if name.rpartition(".")[2].isdigit():
        raise ValueError(f"{text!r} is an address; a domain is needed, such as in.test")
    return name


def _parse_quota(text: str) -> int | None:
    return None if text in ("0", "none") else parse_size(int(text) if text.isascii() and text.isdigit() else text)


def _parse_moment(text: str) -> datetime | None:
    """The moment that a date names, or a date with a time; in UTC unless it says otherwise."""
    if text == "none":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date such as 2026-12-24 or 2026-12-24T18:00+09:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _parse_limit(text: str) -> int | None:
    """A number of recipients; `None` for "learned"."""
    if text in ("learned", "none"):
        return None if text == "learned" else NO_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ValueError(f'{text!r} is no whole number, and neither "learned" nor "none"')
    return int(text)


ADDRESS: Final = _Parsed("address", _parse_address)
DOMAIN: Final = _Parsed("domain", _parse_domain)
QUOTA: Final = _Parsed("size", _parse_quota)
LIMIT: Final = _Parsed("number", _parse_limit)
MOMENT: Final = _Parsed("date", _parse_moment)
DURATION: Final = _Parsed("duration", parse_duration)

pass_invocation: Final = click.make_pass_decorator(Invocation)


def read_password() -> str:
    """A new password: asked twice at the terminal; a usage error where there is none."""
    if not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask for the password: give --password-stdin, or --no-auth for none")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def read_password_line() -> str:
    """The first line of standard input, as UTF-8 and without its line end."""
    line = sys.stdin.buffer.readline(65536).removesuffix(b"\n").removesuffix(b"\r")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise Failure("the password on standard input is not UTF-8; give it in that encoding") from None
