# SPDX-License-Identifier: Apache-2.0
"""What an operator can do with rule documents, once: the operations behind `genkan rules`. A text is judged only here."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.admin.live_locks import NAME as LOCK_DOCUMENT
from genkan.admin.live_locks import with_locks, without_locks
from genkan.admin.rule_folder import path_in, read_folder, write_file
from genkan.directory import DirectoryError, InvalidValue, NotFound
from genkan.findings import Level
from genkan.rules.document import Document, decode_text
from genkan.rules.effect import EffectRules
from genkan.rules.effect_findings import effect_findings
from genkan.rules.effect_relaying import RelaySettings, relay_conditions
from genkan.rules.kinds import KINDS, DocumentKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from genkan.config import Config
    from genkan.directory import Account, Directory, DocumentEntry, Revision, StoredDocument
    from genkan.findings import Finding
    from genkan.rules.kinds import Ruleset
    from genkan.smtp.address import Mailbox

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class Place(NamedTuple):
    """Which document: its kind, and whose it is; `None` for the server's own."""

    kind: DocumentKind
    account: Account | None

    def __str__(self) -> str:
        """As people name it."""
        return self.kind.name if self.account is None else f"{self.kind.name} of {self.account.address}"

    def command(self, verb: str, argument: str = "") -> str:
        """What to type about it."""
        owner = "" if self.account is None else f" --account {self.account.address}"
        return f"genkan rules {verb} {self.kind.name}{argument}{owner}"


class Remark(NamedTuple):
    """Who makes a change, and why."""

    author: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class RuleText:
    """A text of a document: revision 0 is what the program ships, a negative one is a shadow."""

    place: Place
    revision: int
    octets: bytes
    author: str = ""
    created: datetime | None = None
    comment: str = ""

    @property
    def text(self) -> str:
        """The octets as people read them."""
        return decode_text(self.octets)

    def lines(self) -> list[str]:
        """The lines of the text, without their ends; only CRLF, LF and CR end one."""
        lines = _LINE_END.split(self.text)
        return lines if lines[-1] else lines[:-1]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a text that came in; `changed` is false when it was the current one already."""

    stored: RuleText
    changed: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What `check` found, and the sentences that say under which conditions this server relays."""

    findings: tuple[Finding, ...]
    relaying: tuple[str, ...]


class FaultyRules(InvalidValue):
    """Texts with lines that do not work were not stored, as the operator wished; the message names the lines."""


class ChangedMeanwhile(DirectoryError):
    """Somebody else has changed a document while it was in an editor; nothing was stored."""


def relay_settings(config: Config) -> RelaySettings:
    """The settings that have a say in who may relay."""
    auth = config.auth
    return RelaySettings(auth.mode == "on", auth.unauthenticated_accounts, auth.sender_trust)


class RuleOperations:
    """One operator's hand on the rule documents."""

    def __init__(self, directory: Directory) -> None:
        """Work with an open directory."""
        self._directory = directory
        self._documents = directory.documents

    def place(self, name: str, address: Mailbox | None = None) -> Place:
        """The document of that name, of an account or the server; raises InvalidValue, NotFound for no such account."""
        kind = KINDS.get(name)
        if kind is None:
            raise InvalidValue(f"{name!r} is no rule document; there are: {', '.join(KINDS)}")
        if address is None:
            return Place(kind, None)
        if not kind.per_account:
            own = ", ".join(kind.name for kind in KINDS.values() if kind.per_account)
            raise InvalidValue(f"{name} is the server's only; leave --account out, or name one of {own}")
        return Place(kind, self._directory.accounts.show(address))

    def places(self, owner: Account | None, *, everybody: bool = False) -> tuple[Place, ...]:
        """The documents that an account has, or the server, or `everybody`."""
        return tuple(
            Place(KINDS[entry.name], entry.account)
            for entry in self._documents.list()
            if entry.name in KINDS and entry.current is not None and (everybody or entry.account == owner)
        )

    def to_check(self, address: Mailbox | None, *, everybody: bool = False) -> tuple[Place, ...]:
        """The documents of an account, or the server's, whether they are there or not; with `everybody` all others too."""
        if address is not None:
            return self.places(self._directory.accounts.show(address))
        own = tuple(Place(kind, None) for kind in KINDS.values())
        others = self.places(None, everybody=True) if everybody else ()
        return (*own, *(place for place in others if place.account is not None))

    def list_documents(self) -> tuple[DocumentEntry, ...]:
        """All documents that have a text or a shadow, the server's own first."""
        return self._documents.list()

    def show(self, place: Place, now: datetime, number: int | None = None) -> RuleText:
        """The current text, with the live locks where it has such, or that of a revision; raises NotFound."""
        if number is not None:
            return self._revision(place, number)
        current = self._current(place)
        if place.kind.name == LOCK_DOCUMENT:
            locks = self._directory.locks.list(now)
            if locks or current is not None:
                current = current or _shipped(place)
                return replace(current, octets=with_locks(current.octets, locks))
        if current is None and (place.account is not None or not place.kind.shipped):
            raise NotFound(f"{place} is not there; make it with: {place.command('import', ' FILE')}")
        return current or _shipped(place)

    def store(self, place: Place, octets: bytes, remark: Remark, now: datetime, *, strict: bool = False) -> Change:
        """Make a text the current one, whatever is wrong with it; `strict` raises FaultyRules for lines that are."""
        (change,) = self._store([(place, octets)], remark, now, strict=strict)
        return change

    def to_edit(self, place: Place) -> RuleText:
        """The text to begin with in an editor, without live locks; raises InvalidValue for one that is not text."""
        current = self._current(place) or _shipped(place)
        if "\ufffd" in current.text:
            raise InvalidValue(
                f"{place} holds octets that are neither UTF-8 nor CP932, which an editor would lose; correct a copy: "
                f"{place.command('export', ' FILE')}, then {place.command('import', ' FILE')}"
            )
        return current

    def store_edited(self, base: RuleText, octets: bytes, remark: Remark, now: datetime) -> Change:
        """Store what became of `base` in an editor; lines that the server has put behind it meanwhile are kept.

        Raises ChangedMeanwhile when the document was changed otherwise.
        """
        self._directory.refresh()  # an editor stays open for long
        place = base.place
        edited = self._without_locks(place, octets, now)
        stored = self._documents.edit(
            place.kind.name,
            place.account,
            lambda current: _merged(base, current, edited),
            *remark,
            absent=_shipped(place).octets,
        )
        return self._change(_rule_text(place, stored), base)

    def history(self, place: Place) -> tuple[Revision, ...]:
        """The revisions, newest first; raises NotFound when there never was one."""
        found = self._documents.history(place.kind.name, place.account)
        if not found:
            raise NotFound(f"{place} was never stored; make it with: {place.command('import', ' FILE')}")
        return found

    def rollback(self, place: Place, number: int, author: str) -> Change:
        """Make an earlier text the current one again; raises NotFound."""
        before = self._current(place)
        return self._change(
            _rule_text(place, self._documents.rollback(place.kind.name, place.account, number, author)), before
        )

    def remove(self, place: Place, remark: Remark) -> None:
        """Let there be no such document; raises NotFound."""
        self._documents.remove(place.kind.name, place.account, *remark)

    def diff(self, place: Place, older: int | None = None, newer: int | None = None) -> list[str]:
        """The lines that differ between two revisions, as a unified diff; raises NotFound.

        Without numbers: the current text and the one before it. Revision 0 is what the program ships.
        """
        numbers = [revision.number for revision in self.history(place) if revision.size is not None]
        newer = max(numbers, default=0) if newer is None else newer
        older = next((number for number in numbers if number < newer), 0) if older is None else older
        return _unified(self._revision(place, older), self._revision(place, newer))

    def diff_shadow(self, place: Place) -> list[str]:
        """The lines that promoting the shadow would change, as a unified diff; raises NotFound without one."""
        shadow = self._documents.shadow(place.kind.name, place.account)
        if shadow is None:
            raise NotFound(f"{place} has no shadow; put a text on trial with: {place.command('shadow', ' FILE')}")
        return _unified(self._current(place) or _shipped(place), _rule_text(place, shadow))

    def shadow(self, place: Place, octets: bytes, remark: Remark) -> Change:
        """Put a text on trial: mail is judged by it, and it decides nothing."""
        stored = self._documents.store_shadow(place.kind.name, place.account, octets, *remark)
        return self._change(_rule_text(place, stored), None)

    def drop_shadow(self, place: Place) -> None:
        """End a trial; raises NotFound without one."""
        self._documents.drop_shadow(place.kind.name, place.account)

    def promote(self, place: Place, author: str) -> Change:
        """Make the shadow the current text; raises NotFound without one."""
        before = self._current(place)
        return self._change(_rule_text(place, self._documents.promote(place.kind.name, place.account, author)), before)

    def check(self, places: Sequence[Place], settings: RelaySettings) -> Judgement:
        """What is wrong, dangerous or without effect in the current texts, and when this server relays."""
        findings: list[Finding] = []
        relaying: list[str] = []
        for place in places:
            rules = _parse(self._current(place) or _shipped(place))
            findings += self._findings(rules)
            if isinstance(rules, EffectRules) and place.account is None:
                relaying = relay_conditions(rules, self._directory.domains.list(), settings)
        return Judgement(tuple(findings), tuple(relaying))

    def export_all(self, folder: Path, now: datetime) -> tuple[RuleText, ...]:
        """Write every document into a folder, see `rule_folder`; raises StorageError."""
        places = self.places(None, everybody=True)
        locks = self.place(LOCK_DOCUMENT)
        if locks not in places and self._directory.locks.list(now):
            places = (*places, locks)
        texts = tuple(self.show(place, now) for place in places)
        for text in texts:
            account = text.place.account
            write_file(path_in(folder, text.place.kind.name, str(account.address) if account else ""), text.octets)
        return texts

    def import_all(self, folder: Path, remark: Remark, now: datetime, *, strict: bool = False) -> tuple[Change, ...]:
        """Store every document of a folder, all or none; those that it does not hold stay as they are.

        Raises InvalidValue, NotFound for an account that is not there, FaultyRules, StorageError.
        """
        found = [(self.place(document.name, document.account), document.octets) for document in read_folder(folder)]
        return self._store(found, remark, now, strict=strict)

    def _store(
        self, texts: Sequence[tuple[Place, bytes]], remark: Remark, now: datetime, *, strict: bool
    ) -> tuple[Change, ...]:
        if strict:
            self._refuse_errors(texts)
        before = [self._current(place) for place, _ in texts]
        plain = [(place.kind.name, place.account, self._without_locks(place, octets, now)) for place, octets in texts]
        stored = self._documents.store_all(plain, *remark)
        # Findings are about the text that came in, whose line numbers the operator sees.
        return tuple(
            self._change(replace(_rule_text(place, new), octets=octets), old)
            for (place, octets), new, old in zip(texts, stored, before, strict=True)
        )

    def _refuse_errors(self, texts: Sequence[tuple[Place, bytes]]) -> None:
        errors = [
            finding
            for place, octets in texts
            for finding in self._findings(_parse(RuleText(place, 0, octets)))
            if finding.level is Level.ERROR
        ]
        if errors:
            advice = "nothing was stored; correct these lines, or leave --strict out:"
            raise FaultyRules("\n".join([advice, *map(str, errors)]))

    def _without_locks(self, place: Place, octets: bytes, now: datetime) -> bytes:
        """What of a text is the operator's own; what of it locks for a time goes into the table of locks."""
        if place.kind.name != LOCK_DOCUMENT:
            return octets
        current = self._current(place)
        parted = without_locks(octets, b"" if current is None else current.octets, self._directory.locks.list(now), now)
        for lock in parted.locks:
            self._directory.locks.extend(lock)
        return parted.document

    def _change(self, stored: RuleText, before: RuleText | None) -> Change:
        changed = before is None or before.revision != stored.revision
        return Change(stored, changed, self._findings(_parse(stored)))

    def _findings(self, rules: Ruleset) -> tuple[Finding, ...]:
        if isinstance(rules, EffectRules):
            return (*rules.findings, *effect_findings(rules, self._directory.domains.list()))
        return rules.findings

    def _current(self, place: Place) -> RuleText | None:
        found = self._documents.current(place.kind.name, place.account)
        return None if found is None else _rule_text(place, found)

    def _revision(self, place: Place, number: int) -> RuleText:
        if number == 0:
            return _shipped(place)
        return _rule_text(place, self._documents.revision(place.kind.name, place.account, number))


def has_errors(findings: Sequence[Finding]) -> bool:
    """Whether any line does not work."""
    return any(finding.level is Level.ERROR for finding in findings)


def _rule_text(place: Place, stored: StoredDocument) -> RuleText:
    return RuleText(place, stored.revision, stored.octets, stored.author, stored.created, stored.comment)


def _shipped(place: Place) -> RuleText:
    """Revision 0: nothing, but for those of the server's own that come with the program."""
    return RuleText(place, 0, b"" if place.account else place.kind.shipped.encode())


def _parse(text: RuleText) -> Ruleset:
    account = text.place.account
    owner = "" if account is None else str(account.address)
    return text.place.kind.parse(Document(text.place.kind.name, owner, text.revision, text.text))


def _merged(base: RuleText, current: bytes, edited: bytes) -> bytes:
    if current == base.octets:
        return edited
    now, before, wanted = decode_text(current), base.text, decode_text(edited)
    if not now.startswith(before):
        place = base.place
        raise ChangedMeanwhile(f"{place} was changed by somebody else meanwhile; see: {place.command('diff')}")
    gap = "" if not wanted or wanted.endswith(("\r", "\n")) else "\n"
    added = now.removeprefix(before).lstrip("\r\n")
    return f"{wanted}{gap}{added}".encode()


def _unified(older: RuleText, newer: RuleText) -> list[str]:
    before, after = (f"{text.place} {_named(text)}" for text in (older, newer))
    return list(difflib.unified_diff(older.lines(), newer.lines(), before, after, lineterm=""))


def _named(text: RuleText) -> str:
    return "shadow" if text.revision < 0 else f"revision {text.revision}"
