# SPDX-License-Identifier: Apache-2.0
"""Hands a judged message to the spool as the rules want it: whole, marked, in parts for different recipients, held, copied.

All parts are asked of the spool together, and are one batch there; the client is told 250 when every one of them is durable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from genkan.directory.directory import Local
from genkan.message.envelope import Envelope, Recipient
from genkan.message.marking import marked
from genkan.message.notice import notices_for
from genkan.policy.handling import AS_IT_IS, Handling
from genkan.spool.hold import Hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.listener.house import House
    from genkan.listener.intake import Intake
    from genkan.message.notice import NoticeLinks
    from genkan.policy.handling import Handlings, Holding
    from genkan.smtp.address import Mailbox
    from genkan.spool.hold import Choice
    from genkan.spool.spool import Draft
    from genkan.storage.engine import StorageError

    Done = Callable[["StorageError | None"], None]


class _Parts:
    """Waits for several acceptances; the first error counts for all."""

    def __init__(self, number: int, done: Done) -> None:
        self._left = number
        self._error: StorageError | None = None
        self._done = done

    def finished(self, error: StorageError | None) -> None:
        self._left -= 1
        self._error = self._error or error
        if not self._left:
            self._done(self._error)


class HandingOver:
    """Carries out what the rules want done with one message."""

    def __init__(self, house: House, envelope: Envelope, intake: Intake, handlings: Handlings) -> None:
        """`envelope` has all accepted recipients."""
        self._house = house
        self._envelope = envelope
        self._intake = intake
        self._handlings = handlings
        self.notices: list[tuple[Mailbox, bytes]] = []
        """Mail to those who are to decide about the message."""

    def accept(self, done: Done) -> None:
        """Hand over every part and every copy; `done` is called once all are durable."""
        parts: dict[Handling, list[Recipient]] = {}
        for recipient in self._envelope.recipients:
            parts.setdefault(self._handlings.of(recipient.mailbox), []).append(recipient)
        handlings = [*parts, *(Handling(holding=copy) for copy in self._handlings.copies)]
        recipients = [*map(tuple, parts.values()), *(self._envelope.recipients for _ in self._handlings.copies)]
        waiting = _Parts(len(handlings), done)
        drafts = self._drafts(len(handlings))
        for number, (handling, mailboxes) in enumerate(zip(handlings, recipients, strict=True)):
            message_id = self._house.message_ids.next() if number else self._envelope.message_id
            envelope = self._envelope._replace(message_id=message_id, recipients=mailboxes)
            self._hand_over(envelope, drafts[number], handling, waiting.finished)

    def keep_copies(self, done: Done) -> None:
        """The message is refused: only its copies go into the quarantine, the first under the message's own id."""
        copies = self._handlings.copies
        waiting = _Parts(len(copies), done)
        drafts = self._drafts(len(copies))
        for number, copy in enumerate(copies):
            message_id = self._house.message_ids.next() if number else self._envelope.message_id
            envelope = self._envelope._replace(message_id=message_id)
            self._hand_over(envelope, drafts[number], Handling(holding=copy), waiting.finished)

    def send_notices(self) -> None:
        """Tell the approvers; should that fail, the log says so, and the held message is in the list all the same."""
        for approver, octets in self.notices:
            self._send(approver, octets)

    def _drafts(self, number: int) -> list[Draft]:
        spool, draft = self._house.spool, self._intake.draft
        return [draft, *(spool.copy(draft) for _ in range(number - 1))]

    def _hand_over(self, envelope: Envelope, draft: Draft, handling: Handling, done: Done) -> None:
        if handling.tag or handling.fields:
            header = self._intake.header_section()
            start = self._intake.trace + marked(header, handling.tag, handling.fields)
            draft.replace_start(len(self._intake.trace) + len(header), start)
        if handling.forward is not None:
            envelope = envelope._replace(recipients=(self._recipient(handling.forward),))
        hold = None if handling.holding is None else self._hold(envelope, handling.holding)
        self._house.spool.accept(envelope, draft, done, hold)

    def _recipient(self, mailbox: Mailbox) -> Recipient:
        match self._house.directory.resolve(mailbox):
            case Local(account):
                return Recipient(mailbox, account.address)
            case _:
                return Recipient(mailbox, mailbox)

    def _hold(self, envelope: Envelope, holding: Holding) -> Hold:
        rules = self._house.rules
        is_approval = holding.kind == "approval"
        deadline = holding.deadline or (rules.hold_deadline if is_approval else rules.quarantine)
        rule, owner = holding.rule, f" of {holding.rule.account}" if holding.rule.account else ""
        hold = Hold(
            kind=holding.kind,
            reason=holding.reason,
            rule=f"{rule.document}{owner}:{rule.line}",
            warning=holding.warning,
            approvers=holding.approvers,
            deadline=envelope.accepted_at + deadline,
            verdict=cast("Choice", holding.verdict or (rules.hold_verdict if is_approval else "reject")),
        )
        if is_approval and rules.notify:
            self.notices += notices_for(
                envelope, hold, self._intake.header_start(), self._house.hostname, self._links(envelope, hold)
            )
        return hold

    def _links(self, envelope: Envelope, hold: Hold) -> Callable[[str], NoticeLinks] | None:
        links = self._house.links
        return None if links is None else lambda approver: links(envelope.message_id, hold, approver)

    def _send(self, approver: Mailbox, octets: bytes) -> None:
        house = self._house
        draft = house.spool.begin()
        draft.append(octets)
        envelope = Envelope(
            message_id=house.message_ids.next(),
            accepted_at=house.clock.now(),
            reverse_path=None,
            recipients=(self._recipient(approver),),
            client_address=self._envelope.client_address,
            hello_domain=house.hostname,
            protocol="notice",
        )

        def sent(error: StorageError | None) -> None:
            if error is not None:
                house.log.server("an approver was not told", approver=str(approver), error=str(error))

        house.spool.accept(envelope, draft, sent)


def is_plain(handlings: Handlings) -> bool:
    """Whether the message goes on as it is, in one piece."""
    return handlings.hold is None and not handlings.accounts and not handlings.copies and handlings.message is AS_IT_IS
