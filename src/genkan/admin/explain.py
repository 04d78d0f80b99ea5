# SPDX-License-Identifier: Apache-2.0
"""Finds sessions in the record by message id, client, sender or recipient, for `genkan explain`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, ip_address
from typing import TYPE_CHECKING, Final

import msgspec

from genkan.admin.story import Session
from genkan.record.entry import ConnectionEntry, Entry, TransactionEntry
from genkan.record.reader import Wanted
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genkan.config_values import Network
    from genkan.record.entry import Decision
    from genkan.record.reader import RecordReader
    from genkan.spool.reading import QueuedMessage

NULL: Final = Mailbox("", "")
"""Stands for the null reverse-path in a search."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; all that is given must be true of an entry.

    `id` is that of a message, of a session, or of a failure that a client was told. `forward_path` may also be the mailbox
    that the directory sent it to. Addresses are compared as the directory does it.
    """

    id: str = ""
    client: Network | None = None
    reverse_path: Mailbox | None = None
    forward_path: Mailbox | None = None
    since: datetime | None = None

    def wanted(self) -> Wanted:
        """The search, as the record understands it."""
        return Wanted(self.since, self._in_line(), self._in_entry)

    def _in_line(self) -> Callable[[bytes], bool]:
        exact = [word for word in (self.id.encode(), self._client_word()) if word]
        paths = [_address_word(path) for path in (self.reverse_path, self.forward_path) if path not in (None, NULL)]

        def may_be(line: bytes) -> bool:
            if not all(word in line for word in exact):
                return False
            # Beyond ASCII one address has several spellings.
            return not paths or not line.isascii() or all(word in line.lower() for word in paths)

        return may_be

    def _client_word(self) -> bytes:
        """How one IPv4 client is written; an IPv6 one might be written in several ways."""
        client = self.client
        return f'"{client[0]}"'.encode() if isinstance(client, IPv4Network) and client.prefixlen == 32 else b""

    def _in_entry(self, entry: Entry) -> bool:
        if self.client is not None and not _is_in(entry.client, self.client):
            return False
        if isinstance(entry, TransactionEntry):
            return self._in_transaction(entry)
        return self._in_connection(entry)

    def _in_transaction(self, entry: TransactionEntry) -> bool:
        if self.id and self.id not in _ids_of_transaction(entry):
            return False
        if self.reverse_path is not None and not _is_from(entry, self.reverse_path):
            return False
        wanted = self.forward_path
        return wanted is None or any(wanted == _folded(path) for path in _paths_to(entry))

    def _in_connection(self, entry: ConnectionEntry) -> bool:
        """Only what its transactions would not show: it had none, or the protocol refused a command."""
        if self.id and self.id not in _ids_of_connection(entry):
            return False
        lines = [refusal.line.lower() for refusal in entry.refusals]
        for verb, path in (("mail", self.reverse_path), ("rcpt", self.forward_path)):
            if path is not None and not any(line.startswith(verb) and f"<{path}>" in line for line in lines):
                return False
        return bool(lines) or not entry.transactions


def find_sessions(
    reader: RecordReader, search: Search, limit: int, queued: Callable[[str], QueuedMessage | None]
) -> list[Session]:
    """The sessions of the youngest `limit` entries that fit, the youngest session first.

    `queued` finds a message in the queue by its id.
    """
    found = reader.newest(search.wanted(), limit)
    if not found:
        return []
    transactions: dict[str, list[TransactionEntry]] = {entry.session: [] for entry in found}
    connections = {entry.session: entry for entry in found if isinstance(entry, ConnectionEntry)}
    for entry in reversed(found):
        if isinstance(entry, TransactionEntry):
            transactions[entry.session].append(entry)
    missing = transactions.keys() - connections.keys()
    connections |= _connections(reader, missing, min(entry.at for entry in found))
    return [
        Session(session, connections.get(session), tuple(entries), _queued(entries, queued))
        for session, entries in transactions.items()
    ]


def _connections(reader: RecordReader, sessions: set[str], since: float) -> dict[str, ConnectionEntry]:
    """The connections of these sessions, which ended after `since`, as far as they are recorded."""
    words = [f'"{session}"'.encode() for session in sessions]
    wanted = Wanted(
        datetime.fromtimestamp(since, UTC),
        lambda line: line.startswith(b'{"type":"connection"') and any(word in line for word in words),
        lambda entry: entry.session in sessions,
    )
    found: dict[str, ConnectionEntry] = {}
    if not sessions:
        return found
    for entry in reader.oldest_first(wanted):
        if isinstance(entry, ConnectionEntry):
            found[entry.session] = entry
        if len(found) == len(sessions):
            break
    return found


def _queued(entries: list[TransactionEntry], queued: Callable[[str], QueuedMessage | None]) -> dict[str, QueuedMessage]:
    accepted = [entry.message_id for entry in entries if entry.end == "accepted" and entry.message_id]
    found = ((message_id, queued(message_id)) for message_id in accepted)
    return {message_id: message for message_id, message in found if message is not None}


def _is_in(client: str, network: Network) -> bool:
    try:
        return ip_address(client) in network
    except ValueError:
        return False


def _address_word(path: Mailbox | None) -> bytes:
    """How an address is written in a line of ASCII that was put into lower case."""
    return msgspec.json.encode(str(path).lower())[1:-1]


def _is_from(entry: TransactionEntry, wanted: Mailbox) -> bool:
    if wanted == NULL:
        return entry.reverse_path is None and not entry.blank
    return entry.reverse_path is not None and _folded(entry.reverse_path) == wanted


def _paths_to(entry: TransactionEntry) -> Iterator[str]:
    for rcpt in entry.rcpts:
        yield rcpt.forward_path
        if rcpt.mailbox:
            yield rcpt.mailbox


def _folded(path: str) -> Mailbox:
    try:
        return parse_mailbox(path).folded()
    except AddressError:
        return Mailbox(path.lower(), "")  # <postmaster>


def _ids_of_transaction(entry: TransactionEntry) -> set[str]:
    decisions = [entry.decision, *(rcpt.decision for rcpt in entry.rcpts)]
    if entry.content is not None:
        decisions.append(entry.content.decision)
    return {entry.session, entry.message_id, *_ids_told(decisions)}


def _ids_of_connection(entry: ConnectionEntry) -> set[str]:
    decisions = [
        entry.decision,
        *(auth.decision for auth in entry.auths),
        *(refusal.decision for refusal in entry.refusals),
    ]
    return {entry.session, *_ids_told(decisions)}


def _ids_told(decisions: list[Decision | None]) -> Iterator[str]:
    return (decision.fields["id"] for decision in decisions if decision is not None and "id" in decision.fields)
