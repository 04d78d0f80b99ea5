# SPDX-License-Identifier: Apache-2.0
"""Hands a judged message to the spool as the rules want it: whole, marked, in parts for different recipients, held, copied.

All parts are asked of the spool together, and are one batch there; the client is told 250 when every one of them is durable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from genkan.directory.directory import Local
from genkan.directory.errors import DirectoryError
from genkan.directory.resolution import MailingList
from genkan.message.envelope import Envelope, Recipient
from genkan.message.notice import notices_for
from genkan.policy.handling import Handling
from genkan.spool.hold import Hold
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.listener.house import House
    from genkan.listener.intake import Intake
    from genkan.message.notice import NoticeLinks
    from genkan.policy.handling import Handlings, Holding
    from genkan.smtp.address import Mailbox
    from genkan.spool.hold import Choice
    from genkan.spool.spool import Draft

    Done = Callable[[StorageError | None], None]


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
        copies = [(Handling(holding=copy), self._kept_for(copy)) for copy in self._handlings.copies]
        self._hand_over([*((handling, tuple(found)) for handling, found in parts.items()), *copies], done)

    def keep_copies(self, done: Done) -> None:
        """The message is refused: only its copies go into the quarantine, the first under the message's own id."""
        recipients = self._envelope.recipients
        self._hand_over([(Handling(holding=copy), recipients) for copy in self._handlings.copies], done)

    def send_notices(self) -> None:
        """Tell the approvers; should that fail, the log says so, and the held message is in the list all the same."""
        for approver, octets in self.notices:
            try:
                self._send(approver, octets)
            except (DirectoryError, StorageError) as error:
                self._not_told(approver, error)

    def _kept_for(self, copy: Holding) -> tuple[Recipient, ...]:
        """Whom a copy is for beside a message that goes on: a copy that an account's rule wants is for that account alone."""
        accounts, owner = self._intake.transaction.accounts, copy.rule.account
        owned = {mailbox for mailbox, account in accounts.items() if str(account.address) == owner}
        return tuple(one for one in self._envelope.recipients if not owner or one.mailbox in owned)

    def _drafts(self, number: int) -> list[Draft]:
        spool, draft = self._house.spool, self._intake.draft
        return [draft, *(spool.copy(draft) for _ in range(number - 1))]

    def _hand_over(self, parts: list[tuple[Handling, tuple[Recipient, ...]]], done: Done) -> None:
        """Nothing is handed over before everything is ready: what fails on the way leaves no part behind."""
        waiting = _Parts(len(parts), done)
        drafts = self._drafts(len(parts))
        ready = []
        for number, (handling, recipients) in enumerate(parts):
            envelope, draft = self._addressed(number, handling, recipients), drafts[number]
            self._intake.begin_as(draft, handling)
            hold = None if handling.holding is None else self._hold(envelope, handling.holding)
            ready.append((envelope, draft, hold))
        for envelope, draft, hold in ready:
            self._house.spool.accept(envelope, draft, waiting.finished, hold)

    def _addressed(self, number: int, handling: Handling, recipients: tuple[Recipient, ...]) -> Envelope:
        """The envelope of a part; the first has the message's own id."""
        message_id = self._house.message_ids.next() if number else self._envelope.message_id
        if handling.forward is not None:
            recipients = self._recipients(handling.forward)
        return self._envelope._replace(message_id=message_id, recipients=recipients)

    def _recipients(self, mailbox: Mailbox) -> tuple[Recipient, ...]:
        """Where mail that we ourselves address goes; a list stands for its members."""
        directory = self._house.directory
        mailboxes: tuple[Mailbox, ...] = ()
        match directory.resolve(mailbox):
            case Local(account):
                mailboxes = (account.address,)
            case MailingList() as found:
                mailboxes = directory.lists.expand(found)
        return tuple(Recipient(mailbox, each) for each in mailboxes or (mailbox,))

    def _hold(self, envelope: Envelope, holding: Holding) -> Hold:
        rules = self._house.rules
        is_approval = holding.kind == "approval"
        deadline = holding.deadline or (rules.hold_deadline if is_approval else rules.quarantine)
        hold = Hold(
            kind=holding.kind,
            reason=holding.reason,
            rule=holding.rule.place,
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
        house, recipients = self._house, self._recipients(approver)
        draft = house.spool.begin()
        draft.append(octets)
        envelope = Envelope(
            message_id=house.message_ids.next(),
            accepted_at=house.clock.now(),
            reverse_path=None,
            recipients=recipients,
            client_address=self._envelope.client_address,
            hello_domain=house.hostname,
            protocol="notice",
        )

        def sent(error: StorageError | None) -> None:
            if error is not None:
                self._not_told(approver, error)

        house.spool.accept(envelope, draft, sent)

    def _not_told(self, approver: Mailbox, error: Exception) -> None:
        self._house.log.server("an approver was not told", approver=str(approver), error=str(error))
