# SPDX-License-Identifier: Apache-2.0
"""What can be done about held mail, once: a command line or a page only shows what this returns.

Decisions are recorded here, with their entry in the audit trail, and carried out by the server. Errors are those of
`Operations`; their texts say what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.admin.approval_links import SECRET, Approval, make_link
from genkan.admin.operations import Operations
from genkan.admin.operator import operator_name
from genkan.admin.queue_operations import DELETED
from genkan.directory import Directory, InvalidValue, NotFound
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox
from genkan.spool.deciding import decide
from genkan.spool.hold import Decision
from genkan.spool.reading import find_message, list_held

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from genkan.config import Config
    from genkan.directory import AuditEntry
    from genkan.spool.hold import Choice, Held, Kind
    from genkan.spool.reading import QueuedMessage

ACTIONS: Final = ("approve", "reject", DELETED)  # in the audit trail


class Links(NamedTuple):
    """The two links of one approver for one message, and when they end."""

    approve: str
    reject: str
    expires: datetime


class Approvals:
    """An operator's hand on held mail. Safe beside a running server."""

    def __init__(self, directory: Directory, config: Config) -> None:
        """Work with an open directory."""
        self._directory = directory
        self._storage = config.storage_folder
        self._url = config.approval.url
        self.operations = Operations(directory, config.storage_folder)

    def list(self, now: datetime, kind: Kind | None = None, approver: Mailbox | None = None) -> Iterator[QueuedMessage]:
        """What is held, of one kind and for one approver if those are given, in the order of acceptance."""
        for message in list_held(self._storage, now):
            held = message.held
            if held is None or (kind is not None and held.hold.kind != kind):
                continue
            if approver is None or _named(held, approver) is not None:
                yield message

    def show(self, message_id: str, now: datetime) -> QueuedMessage:
        """One held message; raises `NotFound` when it is not held, or was never there."""
        return self._held(message_id, now)[0]

    def decide(
        self, message_ids: Sequence[str], verdict: Choice, now: datetime, by: Mailbox | None = None, comment: str = ""
    ) -> tuple[tuple[str, Decision], ...]:
        """Decide about held messages, as the approver `by`, or as the operator; all of them or, after an error, none.

        Deciding the same again changes nothing. Gives each message's decision that counts. Raises `NotFound`; `InvalidValue`
        for who may not decide about all of them, and for what was decided otherwise.
        """
        found = [self._held(message_id, now) for message_id in dict.fromkeys(message_ids)]
        names = [operator_name() if by is None else _approver(message, held, by) for message, held in found]
        for message, held in found:
            if held.decision is not None:
                _check_agrees(message.message_id, held.decision, verdict)
        decided = []
        for (message, held), name in zip(found, names, strict=True):
            decision = self._decide(message, held, Decision(verdict, name, now, " ".join(comment.split())))
            decided.append((message.message_id, decision))
        return tuple(decided)

    def links(self, message_id: str, approver: Mailbox, now: datetime) -> Links:
        """The signed links that let an approver decide about a message before its deadline."""
        message, held = self._held(message_id, now)
        if not self._url:
            raise InvalidValue("there is no page for links to lead to: set approval.url in the configuration")
        expires, name = held.hold.deadline, _approver(message, held, approver)
        if expires <= now:
            raise InvalidValue(f"the deadline of {message_id} has passed; decide with: genkan approval approve|reject")
        secret = self._directory.secret(SECRET)
        choices: tuple[Choice, Choice] = ("approve", "reject")
        approve, reject = (
            make_link(self._url, Approval(message.message_id, name, choice, expires), secret) for choice in choices
        )
        return Links(approve, reject, expires)

    def log(self, message_id: str | None = None) -> tuple[AuditEntry, ...]:
        """Who decided what, oldest first: all decisions about held mail, or those about one message."""
        entries = self._directory.audit.list(subject=message_id)
        return tuple(entry for entry in entries if entry.action in ACTIONS)

    def _held(self, message_id: str, now: datetime) -> tuple[QueuedMessage, Held]:
        try:
            message = find_message(self._storage, message_id, now)
        except ValueError as error:
            raise NotFound(f"{error}; see: genkan approval list") from None
        if message is None or message.held is None:
            raise _not_held(message_id)
        return message, message.held

    def _decide(self, message: QueuedMessage, held: Held, decision: Decision) -> Decision:
        def keep() -> None:
            detail = _detail(message, held, decision.comment)
            self._directory.audit.add(decision.at, decision.by, decision.verdict, message.message_id, detail)

        counts = decide(message, decision, keep)
        if counts is None or counts.decision is None:
            raise _not_held(message.message_id)
        _check_agrees(message.message_id, counts.decision, decision.verdict)
        return counts.decision


def _named(held: Held, approver: Mailbox) -> str | None:
    """The approver as the hold names it, in whatever writing it is given."""
    wanted = approver.folded()
    for name in held.hold.approvers:
        try:
            if parse_mailbox(name).folded() == wanted:
                return name
        except AddressError:
            continue
    return None


def _approver(message: QueuedMessage, held: Held, approver: Mailbox) -> str:
    name = _named(held, approver)
    if name is None:
        named = ", ".join(held.hold.approvers) or "nobody: leave the approver out"
        raise InvalidValue(f"{approver} may not decide about {message.message_id}; its hold names {named}")
    return name


def _check_agrees(message_id: str, decision: Decision, verdict: Choice) -> None:
    if decision.verdict != verdict:
        raise InvalidValue(f"{message_id} was decided already: {decision.verdict} by {decision.by}")


def _not_held(message_id: str) -> NotFound:
    return NotFound(f"{message_id} is not held; see what was decided: genkan approval log {message_id}")


def _detail(message: QueuedMessage, held: Held, comment: str) -> str:
    """What the audit trail keeps of a message that may be gone soon; of many recipients the first ones."""
    shown = [f"<{recipient.forward_path}>" for recipient in message.recipients[:10]]
    more = f" and {len(message.recipients) - 10} more" if len(message.recipients) > 10 else ""
    to = f"{', '.join(shown)}{more}"
    about = f"{held.hold.kind}, {held.hold.rule}: from <{message.reverse_path}> to {to}"
    return f"{about}; {comment}" if comment else about
