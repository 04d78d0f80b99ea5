# SPDX-License-Identifier: Apache-2.0
"""What is there: reads work folder, program folder and exports of an E-POST installation into one value.

Nothing is written, and nothing is asked of our own directory. What cannot be carried over is a finding in `losses`, what
must not be in `refused`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.epost.aliases import AliasCollection, FoundAlias
from genkan.epost.counters import highest_message_number
from genkan.epost.documents import DocumentCollection, FoundDocument
from genkan.epost.mailboxes import MailboxFolder, read_mailboxes
from genkan.epost.people import FoundAccount, People
from genkan.epost.places import check_work_folder, find_exports, find_program_beside, find_program_folders
from genkan.epost.settings import (
    Setting,
    is_domain,
    local_domains,
    mailbox_folder,
    mailbox_quota,
    read_settings,
    settings_for,
)
from genkan.epost.tables import parse_accounts, parse_aliases
from genkan.epost.tree import Tree
from genkan.findings import Finding, note, warning
from genkan.smtp.address import Mailbox, fold_domain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LISTS: Final = frozenset({"list", "lists", "ml", "mlist", "mailinglist", "mailinglists"})


@dataclass(frozen=True, slots=True)
class Source:
    """What to read. `program` is `None` to look for it; exports named here are read in place of those found.

    `default_domain` completes accounts where the installation names no domain.
    """

    work: Path
    program: Path | None = None
    accounts: tuple[Path, ...] = ()
    aliases: tuple[Path, ...] = ()
    default_domain: str = ""


class FoundMail(NamedTuple):
    """The mail in an account's folder, one file a message."""

    address: Mailbox
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Installation:
    """All that was found. The first domain is the default one; `message_number` is the highest ever used, 0 for none."""

    domains: tuple[str, ...] = ()
    accounts: tuple[FoundAccount, ...] = ()
    aliases: tuple[FoundAlias, ...] = ()
    documents: tuple[FoundDocument, ...] = ()
    mail: tuple[FoundMail, ...] = ()
    settings: tuple[Setting, ...] = ()
    message_number: int = 0
    losses: tuple[Finding, ...] = ()
    refused: tuple[Finding, ...] = ()


class _File(NamedTuple):
    """A file or folder, and the tree it is read through."""

    tree: Tree
    path: Path

    def title(self) -> str:
        return self.tree.title(self.path)


def read_installation(source: Source) -> Installation:
    """Read all of it; raises NoInstallation when there is none."""
    tree = Tree(source.work)
    check_work_folder(tree)
    return _Reading(source, tree).read()


class _Reading:
    """Goes through an installation part by part; later parts need what earlier ones found."""

    def __init__(self, source: Source, tree: Tree) -> None:
        self._source = source
        self._work = tree
        self._losses: list[Finding] = []
        self._settings = read_settings(tree, tree.root)
        self._programs = _program_folders(source, tree)
        self._exports = _exports(source, [_File(tree, tree.root), *self._programs])
        self._domains: dict[str, None] = {}
        self._documents = DocumentCollection()

    def read(self) -> Installation:
        self._add_domains(*local_domains(self._settings), *_domains_of_indexes(self._programs))
        folders = self._mailbox_folders()
        self._add_domains(*(folder.domain for folder in folders))
        for program in self._programs:
            self._documents.add_program_folder(program.tree, program.path)
        people = self._people(folders)
        self._documents.add_folders(people.folders, self._work)
        self._add_domains(*(account.address.domain for account in people.accounts))
        aliases = self._aliases(people)
        self._say_what_is_not_read()
        lines = settings_for(self._settings)
        number = highest_message_number(self._work, self._settings, self._names_of_messages(folders))
        self._losses += [*self._settings.findings, *people.losses, *aliases.losses, *self._documents.losses]
        self._losses += [finding for tree in self._trees() for finding in tree.findings]
        return Installation(
            domains=tuple(self._domains),
            accounts=people.accounts,
            aliases=aliases.aliases,
            documents=tuple(self._documents.found),
            mail=tuple(FoundMail(address, folder.messages) for address, folder in people.folders if folder.messages),
            settings=lines,
            message_number=number,
            losses=tuple(self._losses),
            refused=(*aliases.refused, *self._documents.refused),
        )

    def _add_domains(self, *names: str) -> None:
        self._domains |= dict.fromkeys(fold_domain(name) for name in names if name)

    def _default_domain(self) -> str:
        return next(iter(self._domains), self._source.default_domain)

    def _mailbox_folders(self) -> list[MailboxFolder]:
        inbox = self._work.folder(self._work.root, mailbox_folder(self._settings))
        return [] if inbox is None else read_mailboxes(self._work, inbox, self._domains)

    def _people(self, folders: list[MailboxFolder]) -> People:
        people = People(self._default_domain(), mailbox_quota(self._settings))
        known = None if self._source.accounts else {*self._domains, fold_domain(self._default_domain())}
        for file in self._exports[0]:
            text = file.tree.text(file.path)
            rows, findings = parse_accounts(file.title(), text or "")
            self._losses += findings
            people.add_accounts(file.title(), rows, self._domain_of(file.path), known)
        people.add_folders((self._work.title(folder.path), folder) for folder in folders)
        return people

    def _aliases(self, people: People) -> AliasCollection:
        collection = AliasCollection(tuple(self._domains), people.accounts, self._documents.gateway())
        for file in self._exports[1]:
            rows, findings = parse_aliases(file.title(), file.tree.text(file.path) or "")
            self._losses += findings
            collection.add(file.title(), rows)
        collection.add_shared()
        collection.drop_loops()
        return collection

    def _domain_of(self, export: Path) -> str:
        """The domain that an export's name tells, "" for none: `in.test.txt`, `accounts-in.test.txt`."""
        stem = export.stem.lower()
        known = [domain for domain in self._domains if domain in stem]
        return max(known, key=len) if known else stem if is_domain(stem) else ""

    def _names_of_messages(self, folders: list[MailboxFolder]) -> Iterator[str]:
        incoming = self._work.folder(self._work.root, "incoming")
        yield from () if incoming is None else self._work.names(incoming)
        yield from (path.name for folder in folders for path in folder.messages)

    def _trees(self) -> list[Tree]:
        files = [*self._programs, *self._exports[0], *self._exports[1]]
        return list({id(tree): tree for tree in (self._work, *(file.tree for file in files))}.values())

    def _say_what_is_not_read(self) -> None:
        advice = "name it with --program DIR"
        if not self._programs:
            self._losses.append(
                warning(self._work.root, "no program folder is found, so no rules of the server", advice)
            )
        if not self._exports[0]:
            self._losses.append(
                warning(
                    "accounts",
                    "no export of accounts is found, so there are no full names and no passwords",
                    "export them with the admin tool, and name the file with --accounts FILE",
                )
            )
        if not self._exports[1]:
            self._losses.append(
                note("aliases", "no export of aliases is found", "if there are any, name the file with --aliases FILE")
            )
        self._say_what_waits()
        self._losses += _lists(self._work)

    def _say_what_waits(self) -> None:
        incoming = self._work.folder(self._work.root, "incoming")
        waiting = [] if incoming is None else [name for name in self._work.names(incoming) if name.endswith(".rcp")]
        if waiting:
            sentence = f"{len(waiting)} messages wait for the old server's delivery and are not taken over"
            self._losses.append(warning("incoming", sentence, "let the old server deliver them before it is stopped"))


def _program_folders(source: Source, tree: Tree) -> list[_File]:
    if source.program is not None:
        return [_File(Tree(source.program), source.program)]
    inside = find_program_folders(tree)
    if inside:
        return [_File(tree, path) for path in inside]
    beside = find_program_beside(source.work.absolute())
    return [] if beside is None else [_File(Tree(beside), beside)]


def _exports(source: Source, places: list[_File]) -> tuple[list[_File], list[_File]]:
    """The exports of accounts and of aliases: those named, else those found."""
    accounts = [_File(Tree(path.parent), path) for path in source.accounts]
    aliases = [_File(Tree(path.parent), path) for path in source.aliases]
    named = bool(accounts), bool(aliases)
    for tree, folder in dict.fromkeys(places):
        found = find_exports(tree, folder) if not all(named) else ([], [])
        if not named[0]:
            accounts += [_File(tree, path) for path in found[0]]
        if not named[1]:
            aliases += [_File(tree, path) for path in found[1]]
    return accounts, aliases


def _domains_of_indexes(programs: list[_File]) -> list[str]:
    """The product keeps the accounts of a domain in `<domain>.idx`; only the name can be read (its page faq10-75)."""
    stems = [
        name.removesuffix(".idx") for tree, folder in programs for name in tree.names(folder) if name.endswith(".idx")
    ]
    return [stem for stem in stems if is_domain(stem)]


def _lists(tree: Tree) -> list[Finding]:
    return [
        warning(
            tree.title(path),
            "looks like mailing lists, whose format is not known; they are not taken over",
            "make them: genkan list add LIST, genkan list member add LIST ADDRESS",
        )
        for name, path in tree.folders(tree.root).items()
        if name in _LISTS
    ]
