# SPDX-License-Identifier: Apache-2.0
"""What other rule documents would have said to the recorded traffic, for `genkan whatif`; and what shadows did say.

Both sides are asked about the same recorded facts, so that a change is the documents' alone. Memory holds the documents and
the groups of changes, however long the record is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from string import Formatter
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.policy.replay import Outcome, RecordedText, Replay, differences, is_cut, recorded, recorded_greeting
from genkan.policy.rulebook import Rulebook
from genkan.record.entry import ConnectionEntry, TransactionEntry
from genkan.smtp import replies
from genkan.smtp.replies import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from genkan.admin.whatif_documents import ChangedDocuments
    from genkan.config import Config
    from genkan.directory import Directory
    from genkan.record.entry import Entry, Stage
    from genkan.smtp.reply import ReplyRow, Wordbook

MOST_GROUPS: Final = 1000
_OTHERWISE: Final = ("something else is done with it",)  # a recorded shadow tells objections only
_UNKNOWN: Final = "..."  # stands for a field of a reply that is not known

_ACCEPTED: Final[dict[Stage, ReplyRow]] = {
    "connect": replies.GREETING,
    "mail": replies.SENDER_OK,
    "rcpt": replies.RECIPIENT_OK,
    "content": replies.MESSAGE_RECEIVED,
}


class Said(NamedTuple):
    """What one set of documents says: the reply's name (or "accepted", "cut off"), what is done to the message, the rule."""

    reply: str
    actions: tuple[str, ...]
    rule: str


class Change(NamedTuple):
    """A verdict that would change: where, and the words on the wire on both sides, "" for none.

    `reverse_path` is `None` for the null one, and at the greeting.
    """

    at: datetime
    session: str
    message_id: str
    client: str
    reverse_path: str | None
    forward_path: str
    before: str
    after: str


@dataclass(slots=True)
class Group:
    """Equal changes: how many, and the youngest of them."""

    stage: Stage
    before: Said
    after: Said
    youngest: deque[Change]
    count: int = 0


@dataclass(slots=True)
class Counts:
    """What was gone through, and what of it could not be tried for certain.

    `stale`: recorded verdicts that today's documents would not give. `unseen`: messages whose text a changed mail.dat would
    have had to look at; `cut`: those of whose header section only the start was kept; `unasked`: verdicts for which nobody had
    asked the DNS or looked into the mailbox; `rcpts`: RCPTs that the record only counts.
    """

    transactions: int = 0
    connections: int = 0
    changes: int = 0
    ungrouped: int = 0
    stale: int = 0
    unseen: int = 0
    cut: int = 0
    unasked: int = 0
    rcpts: int = 0


@dataclass(slots=True)
class Tally:
    """Changes in groups, the largest first; each keeps its youngest `limit`."""

    limit: int
    words: Words
    counts: Counts = field(default_factory=Counts)
    _groups: dict[tuple[Stage, Said, Said], Group] = field(default_factory=dict)

    @property
    def groups(self) -> list[Group]:
        """All groups."""
        return sorted(self._groups.values(), key=lambda group: -group.count)

    def add(self, entry: Entry, before: Outcome, after: Outcome) -> None:
        """Note one change."""
        self.counts.changes += 1
        key = (after.stage, _said(before), _said(after))
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= MOST_GROUPS:
                self.counts.ungrouped += 1
                return
            group = self._groups[key] = Group(*key, deque(maxlen=self.limit))
        group.count += 1
        group.youngest.append(self.words.change(entry, before, after))


class Words:
    """Finds the words on the wire for a change."""

    def __init__(self, wordbook: Wordbook, hostname: str, banner: str) -> None:
        """Profile and names are the server's."""
        self._wordbook = wordbook
        self._names = {"fqdn": hostname, "banner": banner}

    def change(self, entry: Entry, before: Outcome, after: Outcome) -> Change:
        """The change of one outcome in an entry."""
        transaction = entry if isinstance(entry, TransactionEntry) else None
        known = {
            **self._names,
            "client_address": entry.client,
            "forward_path": after.forward_path,
            "reverse_path": "" if transaction is None else transaction.reverse_path or "",
        }
        return Change(
            datetime.fromtimestamp(entry.at, UTC),
            entry.session,
            "" if transaction is None else transaction.message_id,
            entry.client,
            None if transaction is None else transaction.reverse_path,
            after.forward_path,
            self._reply(before, known),
            self._reply(after, known),
        )

    def _reply(self, outcome: Outcome, known: Mapping[str, str]) -> str:
        decision = outcome.decision
        row = _ACCEPTED[outcome.stage] if decision is None else CATALOGUE.get(decision.reply)
        if row is None:
            return ""
        given = {**known, **({} if decision is None else decision.fields)}
        names = [name for _, name, _, _ in Formatter().parse(row.in_profile(self._wordbook.profile).text) if name]
        return self._wordbook.reply_utf8(row, **{name: given.get(name, _UNKNOWN) for name in names}).text


class Comparison:
    """The documents in force beside changed ones."""

    def __init__(self, config: Config, directory: Directory, changed: ChangedDocuments, tally: Tally) -> None:
        """Settings and directory are those of today."""
        self._hostname = config.hostname
        self._directory = directory
        self._changed = changed
        self._tally = tally
        current = directory.documents.current
        self._rulebooks = [Rulebook(source, directory.new_cache()) for source in (current, changed.current)]
        self._before, self._after = (Replay(config, directory, rulebook) for rulebook in self._rulebooks)

    def go_through(self, entries: Iterable[Entry]) -> None:
        """Put every change into the tally."""
        for entry in entries:
            if isinstance(entry, TransactionEntry):
                self._transaction(entry)
            else:
                self._connection(entry)

    def new_zones(self) -> list[str]:
        """Block lists that only the changed ordb.dat names; what they would have said is not known."""
        before, after = ([zone.name for zone in rulebook.ordb().zones] for rulebook in self._rulebooks)
        return [zone for zone in after if zone not in before]

    def _connection(self, entry: ConnectionEntry) -> None:
        then = recorded_greeting(entry)
        if then is None:
            return
        self._tally.counts.connections += 1
        before, after = self._before.connection(entry), self._after.connection(entry)
        self._compare(entry, [before], [after])
        self._tally.counts.stale += before.said != then.said

    def _transaction(self, entry: TransactionEntry) -> None:
        counts = self._tally.counts
        counts.transactions += 1
        counts.rcpts += entry.more_rcpts
        text = None if entry.content is None else RecordedText(entry.content, self._hostname)
        before, after = self._before.transaction(entry, text), self._after.transaction(entry, text)
        self._compare(entry, before, after)
        stale = differences(before, recorded(entry))
        if text is not None and "content" in (before[-1].stage, after[-1].stage):
            self._limits_of_content(entry, text)
            if (
                stale
                and stale[-1][0].stage == "content"
                and self._changed.may_look_at_body(entry, text, everywhere=True)
            ):
                stale.pop()
        counts.stale += bool(stale)

    def _compare(self, entry: Entry, before: list[Outcome], after: list[Outcome]) -> None:
        for pair in differences(before, after):
            self._tally.add(entry, *pair)
        self._tally.counts.unasked += any(outcome.unknown for outcome in after)

    def _limits_of_content(self, entry: TransactionEntry, text: RecordedText) -> None:
        """Count a message about which the record does not tell all that the changed documents want to know."""
        counts = self._tally.counts
        if self._changed.may_look_at_body(entry, text, everywhere=False):
            counts.unseen += self._before.chain.filters(self._before.facts_of(entry))
        if self._changed.looks_at_header and entry.content is not None and is_cut(entry.content):
            counts.cut += 1


def shadowed(entries: Iterable[Entry], tally: Tally) -> None:
    """Put into the tally where shadow documents said something else, as it was recorded at that time."""
    for entry in entries:
        if isinstance(entry, ConnectionEntry):
            tally.counts.connections += 1
            then = [Outcome("connect", "", entry.decision, (), tuple(entry.rules))]
        else:
            tally.counts.transactions += 1
            then = recorded(entry)
        for before, after in _shadows(entry, then):
            tally.add(entry, before, after)


def _shadows(entry: Entry, then: list[Outcome]) -> Iterator[tuple[Outcome, Outcome]]:
    for shadow in entry.shadow:
        place = (shadow.stage, shadow.forward_path)
        before = next((outcome for outcome in then if (outcome.stage, outcome.forward_path) == place), None)
        if before is not None:
            actions = _OTHERWISE if shadow.decision is None and before.decision is None else ()
            yield before, Outcome(*place, shadow.decision, actions)


def _said(outcome: Outcome) -> Said:
    reply, actions = outcome.said
    rule = outcome.rules[-1] if outcome.rules else None
    if outcome.decision is not None:
        rule = outcome.decision.rule
    return Said(reply, actions, "" if rule is None else str(rule))
