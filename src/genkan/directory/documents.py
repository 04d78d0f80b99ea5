# SPDX-License-Identifier: Apache-2.0
"""Rule documents: the operator's texts, the server's own or an account's, each with its revisions. Only octets, no parsing.

To remove a document is a revision too, so a revision's number always means the same text. A shadow is a text on trial
beside the current one. Times are those of the database's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from unicodedata import category

from genkan.directory.accounts import NO_TEXT
from genkan.directory.errors import InvalidValue, NotFound
from genkan.directory.moments import loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from genkan.directory.accounts import Account, Accounts
    from genkan.directory.store import Store

MAX_DOCUMENT: Final = 8 * 1024 * 1024  # octets
MAX_REVISIONS: Final = 1000  # of one document; older ones are forgotten
MAX_HISTORY: Final = 64 * 1024 * 1024  # octets of all revisions of one document; the newest stays in any case
MAX_REMARK: Final = 500  # characters of an author or a comment


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One text of a document. `account` is "" for the server's own; a shadow has a negative `revision` of its own."""

    name: str
    account: str
    revision: int
    octets: bytes
    author: str
    created: datetime
    comment: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One line of a document's history; `size` in octets, `None` where the document was removed."""

    number: int
    author: str
    created: datetime
    comment: str
    size: int | None


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """A document that is there, or has a shadow at least; `account` is `None` for the server's own."""

    name: str
    account: Account | None
    current: Revision | None
    has_shadow: bool


class Documents:
    """The tables of documents and their revisions; a document belongs to an account, or to the server (`None`)."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._queries = store.queries
        self._accounts = accounts
        self._current: dict[tuple[str, int], StoredDocument | None] = store.cache()
        self._shadows: dict[tuple[str, int], StoredDocument | None] = store.cache()
        self._any_shadow: dict[None, bool] = store.cache()

    def current(self, name: str, account: Account | None = None) -> StoredDocument | None:
        """The text that counts, `None` without one. Cached: the same object until the directory changes."""
        key = (name, 0 if account is None else account.id)
        try:
            return self._current[key]
        except KeyError:
            return self._store.remember(self._current, key, self._read_current(name, account))

    def revision(self, name: str, account: Account | None, number: int) -> StoredDocument:
        """The text of one revision; raises NotFound when it is none, or was forgotten, or removed the document."""
        row = self._store.row(self._queries.document_revision, name, _id(account), number)
        if row is None:
            raise NotFound(f"{_title(name, account)} has no revision {number}; see: {_command('log', name, account)}")
        found = _document(name, account, row)
        if found is None:
            raise NotFound(
                f"revision {number} of {_title(name, account)} removed it and has no text; "
                f"see: {_command('log', name, account)}"
            )
        return found

    def history(self, name: str, account: Account | None = None) -> tuple[Revision, ...]:
        """The revisions that are kept, newest first, without their texts."""
        rows = self._store.rows(self._queries.document_history, name, _id(account))
        return tuple(
            Revision(number, author, loaded(created), comment, size) for number, author, created, comment, size in rows
        )

    def list(self) -> tuple[DocumentEntry, ...]:
        """All documents that have a text or a shadow: the server's own first, then account by account."""
        return tuple(self._entry(row) for row in self._store.rows(self._queries.document_list))

    def accounts_with(self, name: str) -> tuple[Account, ...]:
        """The accounts that have a document of this name, ordered by address."""
        found = (self._accounts.by_id(number) for (number,) in self._store.rows(self._queries.document_accounts, name))
        return tuple(account for account in found if account is not None)

    def store(
        self, name: str, account: Account | None, octets: bytes, author: str, comment: str = ""
    ) -> StoredDocument:
        """Make `octets` the current text, as a new revision unless they are it already; raises InvalidValue, NotFound."""
        (stored,) = self.store_all([(name, account, octets)], author, comment)
        return stored

    def store_all(
        self, texts: Iterable[tuple[str, Account | None, bytes]], author: str, comment: str = ""
    ) -> tuple[StoredDocument, ...]:
        """As `store` for several documents, all or none of them."""
        with self._store.transaction():
            return tuple(self._write(name, account, octets, author, comment) for name, account, octets in texts)

    def edit(
        self,
        name: str,
        account: Account | None,
        change: Callable[[bytes], bytes],
        author: str,
        comment: str = "",
        absent: bytes = b"",
    ) -> StoredDocument:
        """Make what `change` gives for the current octets the current text, with nobody writing in between.

        A document that is not there counts as `absent`. What `change` raises leaves this method, nothing is changed then.
        """
        with self._store.transaction():
            current = self._read_current(name, account)
            octets = change(absent if current is None else current.octets)
            return self._write(name, account, octets, author, comment)

    def rollback(self, name: str, account: Account | None, number: int, author: str) -> StoredDocument:
        """Make the text of an earlier revision the current one again, as a new revision; raises NotFound."""
        with self._store.transaction():
            octets = self.revision(name, account, number).octets
            return self._write(name, account, octets, author, f"back to revision {number}")

    def remove(self, name: str, account: Account | None, author: str, comment: str = "") -> None:
        """Let there be no such document; its revisions stay for `rollback`. Raises NotFound when there is none."""
        with self._store.transaction():
            if self._read_current(name, account) is None:
                raise NotFound(f"{_title(name, account)} is not there; see: genkan rules list")
            self._add_revision(name, account, None, author, comment)

    def has_shadows(self) -> bool:
        """Whether any document has a shadow. Cached."""
        known = self._any_shadow.get(None)
        if known is None:
            [(found,)] = self._store.rows(self._queries.document_any_shadow)
            known = self._store.remember(self._any_shadow, None, bool(found))
        return known

    def shadow(self, name: str, account: Account | None = None) -> StoredDocument | None:
        """The text on trial, `None` without one. Cached as `current` is; no two texts share a `revision`."""
        key = (name, 0 if account is None else account.id)
        try:
            return self._shadows[key]
        except KeyError:
            return self._store.remember(self._shadows, key, self._read_shadow(name, account))

    def on_trial(self, name: str, account: Account | None = None) -> StoredDocument | None:
        """The text that would count if every trial ended well: the shadow, or the current text where there is none."""
        return self.shadow(name, account) or self.current(name, account)

    def store_shadow(
        self, name: str, account: Account | None, octets: bytes, author: str, comment: str = ""
    ) -> StoredDocument:
        """Put a text on trial, in place of any shadow before it; raises InvalidValue, NotFound."""
        _check(octets, author, comment)
        with self._store.change():
            document = self._document_id(name, account)
            values = (document, author, comment, octets)
            [(number, created)] = self._store.rows(self._queries.document_shadow_set, *values)
        return StoredDocument(name, _address(account), number, octets, author, loaded(created), comment)

    def drop_shadow(self, name: str, account: Account | None = None) -> None:
        """End the trial of a text; raises NotFound without one."""
        with self._store.change():
            self._take_shadow(name, account)

    def promote(self, name: str, account: Account | None, author: str) -> StoredDocument:
        """Make the shadow the current text, with its comment; raises NotFound without one."""
        with self._store.change():
            shadow = self._take_shadow(name, account)
            return self._write(name, account, shadow.octets, author, shadow.comment)

    def _read_current(self, name: str, account: Account | None) -> StoredDocument | None:
        row = self._store.row(self._queries.document_current, name, _id(account))
        return None if row is None else _document(name, account, row)

    def _read_shadow(self, name: str, account: Account | None) -> StoredDocument | None:
        row = self._store.row(self._queries.document_shadow, name, _id(account))
        return None if row is None else _document(name, account, row)

    def _take_shadow(self, name: str, account: Account | None) -> StoredDocument:
        shadow = self._read_shadow(name, account)
        if shadow is None:
            put = _command("shadow", f"{name} FILE", account)
            raise NotFound(f"{_title(name, account)} has no shadow; put a text on trial with: {put}")
        self._store.rows(self._queries.document_shadow_drop, name, _id(account))
        return shadow

    def _write(self, name: str, account: Account | None, octets: bytes, author: str, comment: str) -> StoredDocument:
        current = self._read_current(name, account)
        if current is not None and current.octets == octets:
            return current
        number, created = self._add_revision(name, account, octets, author, comment)
        return StoredDocument(name, _address(account), number, octets, author, created, comment)

    def _add_revision(
        self, name: str, account: Account | None, octets: bytes | None, author: str, comment: str
    ) -> tuple[int, datetime]:
        _check(octets, author, comment)
        self._store.mark_changed()
        document = self._document_id(name, account)
        [(number, created)] = self._store.rows(self._queries.document_write, document, author, comment, octets)
        self._store.rows(self._queries.document_trim, document, MAX_REVISIONS, MAX_HISTORY)
        return number, loaded(created)

    def _document_id(self, name: str, account: Account | None) -> int:
        row = self._store.row(self._queries.document, name, _id(account))
        if row is None:
            if account is not None and self._accounts.by_id(account.id) is None:
                raise NotFound(f"account {account.address} is not there any more; see: genkan account list")
            row = self._store.rows(self._queries.document_add, name, _id(account))[0]
        return int(row[0])

    def _entry(self, row: tuple[Any, ...]) -> DocumentEntry:
        name, account, number, author, created, comment, size, has_shadow = row
        current = None if size is None else Revision(number, author, loaded(created), comment, size)
        owner = None if account is None else self._accounts.by_id(account)
        return DocumentEntry(name, owner, current, bool(has_shadow))


def _id(account: Account | None) -> int | None:
    return None if account is None else account.id


def _address(account: Account | None) -> str:
    return "" if account is None else str(account.address)


def _document(name: str, account: Account | None, row: tuple[Any, ...]) -> StoredDocument | None:
    number, octets, author, created, comment = row
    if octets is None:
        return None
    return StoredDocument(name, _address(account), number, octets, author, loaded(created), comment)


def _check(octets: bytes | None, author: str, comment: str) -> None:
    if octets is not None and len(octets) > MAX_DOCUMENT:
        raise InvalidValue(f"the document has {len(octets)} octets; give one of at most {MAX_DOCUMENT}")
    for role, text in (("author", author), ("comment", comment)):
        if len(text) > MAX_REMARK or any(category(character) in NO_TEXT for character in text):
            raise InvalidValue(f"the {role} is not usable: give at most {MAX_REMARK} characters on one line")


def _title(name: str, account: Account | None) -> str:
    return name if account is None else f"{name} of {account.address}"


def _command(verb: str, name: str, account: Account | None) -> str:
    owner = "" if account is None else f" --account {account.address}"
    return f"genkan rules {verb} {name}{owner}"
