# SPDX-License-Identifier: Apache-2.0
"""The plan of an import: what is to be done so that our directory holds what the installation has, step by step.

Only what is missing is a step; what is there already, and differs, stays as it is and is named. So the second run has
nothing to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from genkan.findings import Finding, warning
from genkan.message.message_id import format_message_id
from genkan.rules.document import decode_text
from genkan.rules.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from genkan.directory import Account, Directory
    from genkan.epost.aliases import FoundAlias
    from genkan.epost.documents import FoundDocument
    from genkan.epost.installation import FoundMail, Installation
    from genkan.epost.people import FoundAccount
    from genkan.epost.settings import Setting
    from genkan.smtp.address import Mailbox


@dataclass(frozen=True, slots=True)
class AddDomain:
    """Make a domain local."""

    kind: ClassVar = "domain"
    name: str

    def __str__(self) -> str:
        return f"add domain {self.name}"


@dataclass(frozen=True, slots=True)
class AddAccount:
    """Make an account."""

    kind: ClassVar = "account"
    account: FoundAccount

    def __str__(self) -> str:
        account = self.account
        name = f" ({account.name})" if account.name else ""
        quota = "no quota" if account.quota is None else f"quota of {account.quota} octets"
        return f"add account {account.address}{name}, {'its' if account.password else 'no'} password, {quota}"


@dataclass(frozen=True, slots=True)
class CompleteAccount:
    """Give an account that is there what it lacks: a full name, a password; "" for what stays as it is."""

    kind: ClassVar = "account"
    address: Mailbox
    name: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        parts = [f"the name {self.name}"] * bool(self.name) + ["its password of the export"] * bool(self.password)
        return f"give account {self.address} {' and '.join(parts)}"


@dataclass(frozen=True, slots=True)
class AddAlias:
    """Make an alias."""

    kind: ClassVar = "alias"
    alias: FoundAlias

    def __str__(self) -> str:
        return f"add alias {self.alias.address} -> {self.alias.target}"


@dataclass(frozen=True, slots=True)
class StoreDocument:
    """Store a rule document."""

    kind: ClassVar = "document"
    document: FoundDocument

    def __str__(self) -> str:
        document = self.document
        owner = "" if document.account is None else f" of {document.account}"
        return f"store {document.name}{owner}, from {document.source}"


@dataclass(frozen=True, slots=True)
class RaiseMessageNumbers:
    """Let message ids go on behind those of the product."""

    kind: ClassVar = "message ids"
    minimum: int

    def __str__(self) -> str:
        return f"let message ids begin at {format_message_id(self.minimum)}"


@dataclass(frozen=True, slots=True)
class CopyMail:
    """Copy files of mail into an account's Maildir."""

    kind: ClassVar = "mail"
    address: Mailbox
    files: tuple[Path, ...]

    def __str__(self) -> str:
        return f"copy {len(self.files)} messages into the Maildir of {self.address}"


Step: TypeAlias = AddDomain | AddAccount | CompleteAccount | AddAlias | StoreDocument | RaiseMessageNumbers | CopyMail


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in their order, lines for genkan.toml, and what is lost or refused."""

    steps: tuple[Step, ...]
    settings: tuple[Setting, ...]
    losses: tuple[Finding, ...]
    refused: tuple[Finding, ...]


def make_plan(
    installation: Installation, directory: Directory, to_copy: Callable[[FoundMail], tuple[Path, ...]] | None
) -> Plan:
    """Compare an installation with the directory. `to_copy` tells which mail is not copied yet, `None`: copy none."""
    planning = _Planning(directory)
    steps: list[Step] = [*planning.domains(installation), *planning.accounts(installation)]
    steps += planning.aliases(installation)
    steps += planning.documents(installation)
    first_free = installation.message_number + 1
    if directory.next_message_number() < first_free:
        steps.append(RaiseMessageNumbers(first_free))
    if to_copy is not None:
        copies = (CopyMail(mail.address, to_copy(mail)) for mail in installation.mail)
        steps += (copy for copy in copies if copy.files)
    refused = (*installation.refused, *planning.refused)
    return Plan(tuple(steps), installation.settings, installation.losses, refused)


class _Planning:
    """Compares part by part."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._aliases = {alias.address.folded(): alias.target for alias in directory.aliases.list()}
        self.refused: list[Finding] = []

    def domains(self, installation: Installation) -> Iterator[Step]:
        there = self._directory.domains.list()
        return (AddDomain(name) for name in installation.domains if name not in there)

    def accounts(self, installation: Installation) -> Iterator[Step]:
        for found in installation.accounts:
            account = self._directory.accounts.find(found.address.folded())
            if account is not None:
                name = found.name if not account.name else ""
                password = found.password if not account.can_authenticate else ""
                if name or password:
                    yield CompleteAccount(account.address, name, password)
            elif found.address.folded() in self._aliases:
                self._refuse(
                    f"account {found.address}", "is an alias here", f"see: genkan alias remove {found.address}"
                )
            else:
                yield AddAccount(found)

    def aliases(self, installation: Installation) -> Iterator[Step]:
        for alias in installation.aliases:
            there = self._aliases.get(alias.address.folded())
            if there is None:
                if self._directory.accounts.find(alias.address.folded()) is None:
                    yield AddAlias(alias)
                else:
                    self._refuse(f"alias {alias.address}", "is an account here", "remove the account first")
            elif there.folded() != alias.target.folded():
                self._refuse(
                    f"alias {alias.address}",
                    f"leads to {there} here, and would lead to {alias.target}",
                    f"remove it first: genkan alias remove {alias.address}",
                )

    def documents(self, installation: Installation) -> Iterator[Step]:
        for found in installation.documents:
            if self._is_to_be_stored(found):
                yield StoreDocument(found)

    def _is_to_be_stored(self, found: FoundDocument) -> bool:
        owner: Account | None = None
        if found.account is not None:
            owner = self._directory.accounts.find(found.account.folded())
            if owner is None:
                return bool(found.text.strip())
        current = self._directory.documents.current(found.name, owner)
        if current is None:
            shipped = KINDS[found.name].shipped if owner is None else ""
            return _lines(found.text) != _lines(shipped)
        if _lines(decode_text(current.octets)) != _lines(found.text):
            self._refuse(
                found.source,
                f"differs from revision {current.revision} of {found.name}, which stays as it is",
                f"to replace it: genkan rules import {found.name} FILE",
            )
        return False

    def _refuse(self, subject: str, sentence: str, remedy: str) -> None:
        self.refused.append(warning(subject, sentence, remedy))


def _lines(text: str) -> list[str]:
    """The lines of a document as far as they matter."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
