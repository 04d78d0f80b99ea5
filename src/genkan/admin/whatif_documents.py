# SPDX-License-Identifier: Apache-2.0
"""The rule documents of a folder in the place of those in force, for `genkan whatif`: what they change, what they look at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from genkan.admin.live_locks import NAME as LOCK_DOCUMENT
from genkan.admin.live_locks import without_locks
from genkan.admin.rule_folder import read_folder
from genkan.admin.rule_operations import FaultyRules, Place, RuleOperations
from genkan.directory import InvalidValue, StoredDocument
from genkan.directory.documents import MAX_DOCUMENT
from genkan.findings import Finding, Level
from genkan.policy.filter import LISTED
from genkan.rules.document import Document
from genkan.rules.effect import EffectRules
from genkan.rules.effect_findings import effect_findings
from genkan.rules.mail import parse_mail
from genkan.rules.mail_block import HostList, MailBlock
from genkan.rules.mail_match import MailMatcher
from genkan.smtp.address import AddressError, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from genkan.directory import Account, Directory
    from genkan.policy.replay import RecordedText
    from genkan.record.entry import TransactionEntry

IN_FOLDER: Final = -1  # the revision of a text that is none yet
_SOME_LIST: Final = HostList(0, "", "", True, (), "")  # noqa: FBT003  (its fields in order)


class ChangedDocuments:
    """The documents of a folder where they differ, and those in force for the rest."""

    def __init__(self, directory: Directory, folder: Path, now: datetime) -> None:
        """Raises InvalidValue, NotFound, StorageError for a folder that cannot be read as `genkan rules export` writes it."""
        self._directory = directory
        self._texts: dict[tuple[str, int], StoredDocument] = {}
        self._readers: dict[StoredDocument, _BodyReader | None] = {}
        self.changed: list[Place] = []
        self.findings: tuple[Finding, ...] = ()
        found = read_folder(folder)
        if not found:
            raise InvalidValue(f"{folder} holds no rule document; fill it with: genkan rules export --all {folder}")
        places = RuleOperations(directory)
        for document in found:
            self._add(places.place(document.name, document.account), document.octets, now)

    def _add(self, place: Place, octets: bytes, now: datetime) -> None:
        name, account = place.kind.name, place.account
        if len(octets) > MAX_DOCUMENT:
            raise InvalidValue(f"{place} has more than {MAX_DOCUMENT} octets; shorten it")
        current = self._directory.documents.current(name, account)
        before = place.kind.shipped.encode() if current is None and account is None else b""
        before = before if current is None else current.octets
        if name == LOCK_DOCUMENT:
            octets = without_locks(octets, before, self._directory.locks.list(now), now).document
        if octets == before:
            return
        owner = "" if account is None else str(account.address)
        self._texts[_key(name, account)] = StoredDocument(name, owner, IN_FOLDER, octets, "", now, "")
        self.changed.append(place)
        rules = place.kind.parse(Document.decode(name, octets, owner, IN_FOLDER))
        self.findings += rules.findings
        if isinstance(rules, EffectRules):
            self.findings += effect_findings(rules, self._directory.domains.list())

    def refuse_errors(self) -> None:
        """Raise FaultyRules when a changed document has a line that does not work."""
        errors = [finding for finding in self.findings if finding.level is Level.ERROR]
        if errors:
            raise FaultyRules("\n".join(["correct these lines, or leave --strict out:", *map(str, errors)]))

    def current(self, name: str, account: Account | None = None) -> StoredDocument | None:
        """The text that would count."""
        return self._texts.get(_key(name, account)) or self._directory.documents.current(name, account)

    @property
    def looks_at_header(self) -> bool:
        """Whether a changed document is about header fields."""
        return any(place.kind.name in ("mail.dat", "approval-subjects.dat") for place in self.changed)

    def new_zones(self) -> list[str]:
        """Lists of hosts that only a changed mail.dat asks."""
        changed = [place.account for place in self.changed if place.kind.name == "mail.dat"]
        before = {
            zone for account in changed for zone in _zones(self._directory.documents.current("mail.dat", account))
        }
        after = {zone for account in changed for zone in _zones(self.current("mail.dat", account))}
        return sorted(after - before)

    def may_look_at_body(self, entry: TransactionEntry, text: RecordedText, *, everywhere: bool) -> bool:
        """Whether a mail.dat, a changed one or with `everywhere` any, might decide by what the record has not."""
        documents = [document for document in self._mail_documents(entry, everywhere=everywhere) if document]
        readers = [reader for document in documents if (reader := self._reader(document))]
        if not readers or entry.content is None:
            return False
        asked = LISTED in entry.content.facts
        return any(reader.may_decide(text, asked=asked) for reader in readers)

    def _mail_documents(self, entry: TransactionEntry, *, everywhere: bool) -> Iterator[StoredDocument | None]:
        if not everywhere and not any(place.kind.name == "mail.dat" for place in self.changed):
            return
        for account in (None, *self._receivers(entry)):
            if everywhere or _key("mail.dat", account) in self._texts:
                yield self._directory.documents.current("mail.dat", account)
                yield self._texts.get(_key("mail.dat", account))

    def _receivers(self, entry: TransactionEntry) -> Iterator[Account]:
        for rcpt in entry.rcpts:
            account = _account(self._directory, rcpt.mailbox) if rcpt.mailbox else None
            if account is not None:
                yield account

    def _reader(self, document: StoredDocument) -> _BodyReader | None:
        if document not in self._readers:
            blocks = _blocks(document)
            self._readers[document] = _BodyReader(blocks) if any(map(_needs_body, blocks)) else None
        return self._readers[document]


class _BodyReader:
    """The blocks of a mail.dat without their conditions on the body: what they match, the whole blocks might match."""

    def __init__(self, blocks: tuple[MailBlock, ...]) -> None:
        self._of_body = {block.origin.line for block in blocks if _asks_body(block)}
        self._matcher = MailMatcher([_without_body(block) if _asks_body(block) else block for block in blocks])

    def may_decide(self, text: RecordedText, *, asked: bool) -> bool:
        """Whether such a block comes before the first that decides for certain; `asked`: its hosts were looked up then."""
        candidates = (candidate.block for candidate in self._matcher.candidates(text))
        return any(block.origin.line in self._of_body or (block.lists and not asked) for block in candidates)


def _without_body(block: MailBlock) -> MailBlock:
    """With a list at least, so that the blocks behind it are looked at as well."""
    conditions = tuple(condition for condition in block.conditions if condition.header)
    return replace(block, conditions=conditions, lists=block.lists or (_SOME_LIST,))


def _asks_body(block: MailBlock) -> bool:
    return any(
        not condition.header and not all(token.is_any for token in condition.tokens) for condition in block.conditions
    )


def _needs_body(block: MailBlock) -> bool:
    return bool(block.lists) or _asks_body(block)


def _blocks(document: StoredDocument | None) -> tuple[MailBlock, ...]:
    if document is None:
        return ()
    return parse_mail(Document.decode(document.name, document.octets, document.account, document.revision)).blocks


def _zones(document: StoredDocument | None) -> Iterator[str]:
    return (hosts.zone for block in _blocks(document) for hosts in block.lists)


def _key(name: str, account: Account | None) -> tuple[str, int]:
    return name, 0 if account is None else account.id


def _account(directory: Directory, mailbox: str) -> Account | None:
    try:
        return directory.account(parse_mailbox(mailbox))
    except AddressError:
        return None
