# SPDX-License-Identifier: Apache-2.0
"""Automatic replies: what accounts answer by themselves, to whom, and who was answered lately (RFC 3834; RFC 5230)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from unicodedata import category

from genkan.directory import sender_patterns
from genkan.directory.accounts import NO_TEXT
from genkan.directory.errors import InvalidValue, NotFound
from genkan.directory.moments import loaded, stored

if TYPE_CHECKING:
    from genkan.directory.accounts import Account
    from genkan.directory.store import Store
    from genkan.smtp.address import Mailbox

EVERY: Final = timedelta(days=7)  # RFC 5230, 4.1
LEAST_EVERY: Final = timedelta(hours=1)
MOST_EVERY: Final = timedelta(days=366)
MAX_TEXT: Final = 16 * 1024  # octets
MAX_SUBJECT: Final = 200  # characters
MAX_REMEMBERED: Final = 10_000  # senders of one account

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class AutoReply:
    """What an account answers; the subject "" is that of the mail, behind `Re: `.

    It answers from `since` until `until`, where those are given, each sender once in `every`. With `senders` only they are
    answered, those in `excepted` never; both are patterns as in `sender_patterns`.
    """

    text: str = field(repr=False)
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    every: timedelta = EVERY
    senders: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()

    def answers(self, sender: Mailbox, now: datetime) -> bool:
        """Whether mail of this reverse-path is answered at that moment, so far as the account has a say in it."""
        if (self.since is not None and now < self.since) or (self.until is not None and now >= self.until):
            return False
        wanted = not self.senders or sender_patterns.matches(self.senders, sender)
        return wanted and not sender_patterns.matches(self.excepted, sender)


class AutoReplies:
    """The tables of automatic replies, and the cached answers about them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = store.queries
        self._by_account: dict[int, AutoReply | None] = store.cache()

    def find(self, account: int) -> AutoReply | None:
        """The automatic reply of the account with this id, cached, or `None`."""
        try:
            return self._by_account[account]
        except KeyError:
            row = self._store.row(self._queries.auto_reply, account)
            return self._store.remember(self._by_account, account, None if row is None else _auto_reply(row))

    def set(self, account: Account, reply: AutoReply) -> AutoReply:
        """Answer so from now on; who was answered already stays remembered. Raises InvalidValue."""
        kept = replace(
            reply,
            text=_checked_text(reply.text),
            senders=sender_patterns.parse_patterns(reply.senders),
            excepted=sender_patterns.parse_patterns(reply.excepted),
        )
        _check_subject(kept.subject)
        _check_times(kept)
        with self._store.change():
            self._store.rows(self._queries.auto_reply_set, account.id, *_columns(kept))
        return kept

    def remove(self, account: Account) -> None:
        """Answer nothing any more, and forget who was answered; raises NotFound."""
        with self._store.change():
            if not self._store.rows(self._queries.auto_reply_remove, account.id):
                raise NotFound(f"{account.address} has no automatic reply; see: genkan account reply {account.address}")

    def claim(self, account: int, sender: Mailbox, now: datetime) -> bool:
        """Note that `sender` is answered now; false when that was done less than `every` ago, or there is no reply any more.

        Writes to the disk, so not for the event loop: any thread may call it with a directory of its own, and of several that
        ask at once one is told true. Of 10,000 senders the oldest is forgotten, and may then be answered once more.
        """
        with self._store.quick_transaction():
            values = (account, str(sender.folded()), stored(now))
            claimed = bool(self._store.rows(self._queries.auto_reply_claim, *values))
            if claimed:
                self._store.rows(self._queries.auto_reply_trim, account, MAX_REMEMBERED)
        return claimed


def _checked_text(text: str) -> str:
    """The text with line feeds between its lines and one at its end."""
    lines = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").split("\n")).strip("\n") + "\n"
    if not lines.strip():
        raise InvalidValue("the automatic reply has no text; give one with --text or --text-file")
    if any(category(character) in NO_TEXT and character not in "\n\t" for character in lines):
        raise InvalidValue("the text holds control characters; give plain text, in UTF-8")
    if len(lines.encode()) > MAX_TEXT:
        raise InvalidValue(f"the text is longer than {MAX_TEXT} octets; shorten it, or link to a page")
    return lines


def _check_subject(subject: str) -> None:
    if len(subject) > MAX_SUBJECT or any(category(character) in NO_TEXT for character in subject):
        raise InvalidValue(f"the subject is not usable: give at most {MAX_SUBJECT} characters on one line")


def _check_times(reply: AutoReply) -> None:
    if reply.since is not None and reply.until is not None and reply.until <= reply.since:
        raise InvalidValue("the reply ends before it begins: give an --until that is later than --since")
    if not LEAST_EVERY <= reply.every <= MOST_EVERY:
        raise InvalidValue("a sender can be answered once in 1h at the least and in 366d at the most; 7d is usual")


def _columns(reply: AutoReply) -> tuple[object, ...]:
    since, until = (None if moment is None else stored(moment) for moment in (reply.since, reply.until))
    patterns = sender_patterns.stored(reply.senders), sender_patterns.stored(reply.excepted)
    return (reply.subject, reply.text, since, until, reply.every // _MICROSECOND, *patterns)


def _auto_reply(row: tuple[Any, ...]) -> AutoReply:
    subject, text, since, until, every, senders, excepted = row
    return AutoReply(
        text,
        subject,
        None if since is None else loaded(since),
        None if until is None else loaded(until),
        every * _MICROSECOND,
        sender_patterns.loaded(senders),
        sender_patterns.loaded(excepted),
    )
