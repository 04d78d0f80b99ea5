# SPDX-License-Identifier: Apache-2.0
"""Carrying out the plan of an import: what `genkan import-epost` does to the directory and to Maildirs."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Self, assert_never
from urllib.parse import quote

from genkan.delivery.local import LocalDelivery, deliver_batch, file_name, maildir_path
from genkan.delivery.outcome import Delivered
from genkan.directory import UNCHANGED, Directory, DirectoryError
from genkan.epost.installation import Source, read_installation
from genkan.epost.plan import (
    AddAccount,
    AddAlias,
    AddDomain,
    CompleteAccount,
    CopyMail,
    Plan,
    RaiseMessageNumbers,
    Step,
    StoreDocument,
    make_plan,
)
from genkan.opening import open_directory
from genkan.storage.engine import translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.config import Config
    from genkan.epost.installation import FoundMail
    from genkan.epost.people import FoundAccount
    from genkan.smtp.address import Mailbox

AUTHOR: Final = "import-epost"
COPIED: Final = "epost-copied"
"""The file in a Maildir that names what was copied into it, so that mail its owner deleted does not come back."""

_ORIGIN: Final = "epost"  # in place of a host name in the names of files
_COPY: Final = f"R0.{_ORIGIN}"  # what `file_name` puts behind the name of a copied file
_MOST_IN_NAME: Final = 150  # characters
_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK: Final = 1024 * 1024
_GROUP: Final = 64  # files between two records of what was copied


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator wants of an import: where to read, whether to copy mail, to keep passwords for CRAM-MD5."""

    source: Source
    mail: bool = False
    reversible: bool = False


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of a step; `error` is "" when it was done, else what is wrong and what to do."""

    step: Step
    error: str = ""


class EpostImport:
    """One import into one installation; make a plan, show it, then carry it out."""

    def __init__(self, directory: Directory, config: Config, wish: Wish) -> None:
        """Work with an open directory."""
        self._directory = directory
        self._config = config
        self._wish = wish

    @classmethod
    @contextmanager
    def open(cls, config: Config, wish: Wish) -> Iterator[Self]:
        """With the directory that the configuration names, made and migrated as needed; raises StorageError."""
        with open_directory(config) as directory:
            yield cls(directory, config, wish)

    def plan(self) -> Plan:
        """What there is to do; changes nothing. Raises NoInstallation and StorageError."""
        default_domain = self._directory.domains.default() or ""
        installation = read_installation(replace(self._wish.source, default_domain=default_domain))
        return make_plan(installation, self._directory, self._to_copy if self._wish.mail else None)

    def carry_out(self, plan: Plan) -> Iterator[StepResult]:
        """Do the steps one by one; one that fails keeps none of the others from being done. Raises StorageError."""
        for step in plan.steps:
            try:
                self._do(step)
            except DirectoryError as error:
                yield StepResult(step, str(error))
            else:
                yield StepResult(step)

    def _do(self, step: Step) -> None:
        directory = self._directory
        match step:
            case AddDomain(name):
                directory.domains.add(name)
            case AddAccount(account):
                self._add_account(account)
            case CompleteAccount(address, name, password):
                self._complete_account(address, name, password)
            case AddAlias(alias):
                directory.aliases.add(alias.address, alias.target)
            case StoreDocument(document):
                owner = None if document.account is None else directory.accounts.show(document.account)
                directory.documents.store(document.name, owner, document.text.encode(), AUTHOR)
            case RaiseMessageNumbers(minimum):
                directory.raise_message_numbers(minimum)
            case CopyMail(address, files):
                self._copy(address, files)
            case never:
                assert_never(never)

    def _add_account(self, account: FoundAccount) -> None:
        password = account.password or None
        self._directory.accounts.add(
            account.address, account.name, password, account.quota, reversible=self._wish.reversible
        )

    def _complete_account(self, address: Mailbox, name: str, password: str) -> None:
        self._directory.accounts.set(address, name=name or UNCHANGED)
        if password:
            self._directory.accounts.passwd(address, password, reversible=self._wish.reversible)

    def _to_copy(self, mail: FoundMail) -> tuple[Path, ...]:
        maildir = self._maildir(mail.address)
        copied = {*_recorded(maildir), *_present(maildir)}
        return tuple(path for path in mail.files if _name_of(path) not in copied)

    def _copy(self, address: Mailbox, files: tuple[Path, ...]) -> None:
        """Copy files durably, each once; raises NotCopied with the first one that cannot be, all before it are."""
        maildir = self._maildir(address)
        for start in range(0, len(files), _GROUP):
            group = files[start : start + _GROUP]
            items = [_delivery(path, maildir) for path in group]
            outcomes = deliver_batch(items, _ORIGIN)
            done = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Delivered)]
            for index in done:
                _set_time(items[index])
            _record(maildir, [_name_of(group[index]) for index in done])
            for path, outcome in zip(group, outcomes, strict=True):
                if not isinstance(outcome, Delivered):
                    raise NotCopied(f"{path} is not copied: {outcome.reason}; set it right, and run again")

    def _maildir(self, address: Mailbox) -> Path:
        return maildir_path(self._config.delivery.maildir, self._config.home, address)


class NotCopied(DirectoryError):
    """A file of mail could not be copied; those before it were."""


def _name_of(path: Path) -> str:
    """What tells a file from the others of its folder, fit for the name of another file."""
    name = quote(os.fsencode(path.name), safe="")
    return name if len(name) <= _MOST_IN_NAME else hashlib.sha256(name.encode()).hexdigest()


def _delivery(path: Path, maildir: Path) -> LocalDelivery:
    try:
        status = path.stat()
    except OSError as error:
        raise NotCopied(f"{path} cannot be read: {error.strerror}; set it right, and run again") from error
    return LocalDelivery(
        message_id=_name_of(path),
        recipient_number=0,
        accepted_at=datetime.fromtimestamp(int(status.st_mtime), UTC),
        maildir=maildir,
        fields=b"",
        content=partial(_blocks, path),
        size=status.st_size,
        first_attempt=True,  # what an earlier import copied is not in the plan
    )


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _set_time(item: LocalDelivery) -> None:
    """Let the copy be as old as the mail; readers take its time for the time of arrival."""
    moment = item.accepted_at.timestamp()
    with suppress(OSError):
        os.utime(item.maildir / "new" / file_name(item, _ORIGIN), (moment, moment))


def _present(maildir: Path) -> Iterator[str]:
    """The files whose copies lie in a Maildir."""
    for folder in (maildir / "new", maildir / "cur"):
        for name in _names(folder):
            stem = name.partition(":")[0].partition(",")[0].partition(".")[2]
            if stem.endswith(_COPY):
                yield stem.removesuffix(_COPY)


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise NotCopied(f"{folder} cannot be listed: {error.strerror}; set it right, and run again") from error


def _recorded(maildir: Path) -> list[str]:
    try:
        return (maildir / COPIED).read_text("utf-8").split("\n")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise NotCopied(f"{maildir / COPIED} cannot be read: {error}; set it right, and run again") from error


def _record(maildir: Path, names: list[str]) -> None:
    with translated(str(maildir)):
        descriptor = os.open(maildir / COPIED, _APPEND, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write("".join(f"{name}\n" for name in names).encode())
            file.flush()
            os.fsync(file.fileno())
