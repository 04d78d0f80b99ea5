# SPDX-License-Identifier: Apache-2.0
"""What an operator can do with queued mail, once: the operations behind `genkan queue` that name a selection.

Errors are those of `Operations`; their texts say what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from genkan.admin.check_routes import end_findings
from genkan.admin.operator import operator_name
from genkan.directory import AuditEntry, Directory, NotFound
from genkan.directory.destination import parse_destination
from genkan.smtp.address import fold_domain
from genkan.spool.changing import Change, Changed, Delete, Hold, Release, Reroute, Retry, carry_out, preview
from genkan.spool.reading import choose, list_chosen
from genkan.spool.rows import moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from genkan.config import Config
    from genkan.findings import Finding
    from genkan.spool.reading import QueuedMessage
    from genkan.spool.selection import Selection, State

DELETED: Final = "delete"  # the action, in the audit trail, of mail that was deleted while it waited for approval
_QUEUE: Final = "queue "  # how the others begin
_BOUNCE: Final = "the operator of the mail server has returned it"


@dataclass(frozen=True, slots=True)
class DomainSummary:
    """How many recipients of a domain are in one state, and when the oldest of their messages was accepted."""

    domain: str
    state: State
    recipients: int
    oldest: datetime


class Done(NamedTuple):
    """What was done to which selection; or, of a dry run, what would be."""

    changed: Changed
    selection: Selection
    change: Change


class QueueOperations:
    """An operator's hand on the queue. Safe beside a running server."""

    def __init__(self, directory: Directory, config: Config) -> None:
        """Work with an open directory, which has the audit trail, and the spools of the storage folder."""
        self._directory = directory
        self._config = config
        self._storage = config.storage_folder

    def list(self, selection: Selection, now: datetime) -> Iterator[QueuedMessage]:
        """The messages with recipients that fit, read while they are asked for. Raises `NotFound` for what is no message id."""
        _check(selection, now)
        return list_chosen(self._storage, now, selection)

    def summary(self, selection: Selection, now: datetime) -> tuple[DomainSummary, ...]:
        """The recipients that fit, by domain and state, the largest number first. Raises `NotFound` as `list`."""
        _check(selection, now)
        found: dict[tuple[str, State], tuple[int, int]] = {}
        for recipient in choose(self._storage, now, selection):
            key = fold_domain(recipient.mailbox.rpartition("@")[2]), recipient.state
            count, oldest = found.get(key, (0, recipient.accepted_at))
            found[key] = count + 1, min(oldest, recipient.accepted_at)
        summaries = [DomainSummary(*key, count, moment(oldest)) for key, (count, oldest) in found.items()]
        return tuple(sorted(summaries, key=lambda one: (-one.recipients, one.domain, one.state)))

    def preview(self, selection: Selection, change: Change, now: datetime) -> Changed:
        """What `change` would do at this moment. Raises `NotFound` as `list`."""
        _check(selection, now)
        return preview(self._storage, selection, change, now)

    def change(self, selection: Selection, change: Change, now: datetime) -> Changed:
        """Change all that fits. The audit trail has it, but for a retry, before anything is changed. Raises `NotFound`."""
        _check(selection, now)
        actor = operator_name()
        if not isinstance(change, Retry):
            planned = preview(self._storage, selection, change, now)
            if not planned.recipients + planned.under_way:
                return planned
            detail = f"{amounts(planned)}{_detail(change)}"
            self._directory.audit.add(now, actor, _QUEUE + action_of(change), str(selection), detail)

        def note(message_ids: list[str]) -> None:
            detail = f"held for approval, deleted from the queue: {selection}"
            self._directory.audit.add_all(AuditEntry(now, actor, DELETED, one, detail) for one in message_ids)

        return carry_out(self._storage, selection, change, now, note)

    def findings(self, change: Change) -> tuple[Finding, ...]:
        """What is odd about a destination that mail is sent to, as of a route."""
        if not isinstance(change, Reroute) or not change.destination:
            return ()
        return tuple(end_findings("destination", parse_destination(change.destination), self._config))

    def log(self) -> tuple[AuditEntry, ...]:
        """Who has changed the queue, oldest first."""
        return tuple(entry for entry in self._directory.audit.list() if entry.action.startswith(_QUEUE))


def deletion(*, bounce: bool) -> Delete:
    """The change that forgets mail, and tells the sender so or nobody."""
    return Delete(_BOUNCE if bounce else "")


def rerouting(destination: str) -> Reroute:
    """The change that sends mail to a destination as the operator writes it, "" for where the routes say; raises InvalidValue."""
    return Reroute(str(parse_destination(destination)) if destination else "")


def action_of(change: Change) -> str:
    """The change in a word."""
    match change:
        case Retry():
            return "retry"
        case Hold():
            return "hold"
        case Release():
            return "release"
        case Reroute():
            return "reroute"
        case Delete(bounce):
            return "bounce" if bounce else "delete"
        case never:
            assert_never(never)


def amounts(changed: Changed) -> str:
    """How many recipients of how many messages, in words."""
    recipients = "1 recipient" if changed.recipients == 1 else f"{changed.recipients} recipients"
    return f"{recipients} of {'1 message' if changed.messages == 1 else f'{changed.messages} messages'}"


def _detail(change: Change) -> str:
    return f" to {change.destination or 'where the routes say'}" if isinstance(change, Reroute) else ""


def _check(selection: Selection, now: datetime) -> None:
    """Find out now, and not while the queue is read or changed, that something is no message id."""
    try:
        selection.parameters(now)
    except ValueError as error:
        raise NotFound(f"{error}; see: genkan queue list") from None
