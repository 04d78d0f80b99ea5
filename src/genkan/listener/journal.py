# SPDX-License-Identifier: Apache-2.0
"""Notes for the record what is decided in one session: each transaction with its verdicts, and the connection at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.policy.verdict import decision_of
from genkan.record.entry import (
    AuthEntry,
    ConnectionEntry,
    ContentEntry,
    Decision,
    RcptEntry,
    Refusal,
    TransactionEntry,
    cut,
)

if TYPE_CHECKING:
    from genkan.listener.client_name import ClientName
    from genkan.listener.house import House
    from genkan.policy.facts import ConnectionFacts, ContentFacts, RcptFacts, TransactionFacts
    from genkan.policy.verdict import Verdict
    from genkan.record.entry import End
    from genkan.record.writer import Recorder
    from genkan.smtp.session import Session


class Journal:
    """The record of one session."""

    __slots__ = ("_connection", "_content", "_house", "_name", "_recorder", "_transaction", "session_id")

    def __init__(self, house: House, recorder: Recorder, facts: ConnectionFacts, name: ClientName) -> None:
        """Begin with the connection; `name` may become known later."""
        self._house = house
        self._recorder = recorder
        self._name = name
        self.session_id = recorder.session_id()
        self._connection = ConnectionEntry(0.0, self.session_id, facts.client_address, facts.role)
        self._transaction: TransactionEntry | None = None
        self._content: ContentFacts | None = None

    # The connection.

    def greeted(self, facts: ConnectionFacts, verdict: Verdict | None) -> None:
        """What was decided before the greeting."""
        entry = self._connection
        entry.decision = decision_of(verdict)
        entry.rules, entry.facts = facts.rules, facts.facts

    def refused(self, line: str, reply: str) -> None:
        """The protocol itself refused a command."""
        self._connection.add_refusal(Refusal(cut(line), Decision(reply, "session")))

    def failed(self, decision: Decision) -> None:
        """The open transaction has failed by no fault of the client."""
        if self._transaction is not None:
            content = self._transaction.content = self._transaction.content or ContentEntry()
            content.decision = decision

    def authenticated(self, mechanism: str, login: str, verdict: Verdict | None) -> None:
        """An AUTH has ended."""
        self._connection.add_auth(AuthEntry(mechanism, cut(login), decision_of(verdict)))

    def closed(self, session: Session, facts: ConnectionFacts, reason: str, seconds: float) -> None:
        """The connection is over, and no transaction is open any more."""
        entry = self._connection
        entry.at = self._house.clock.now().timestamp()
        entry.client_domain = self._name.domain
        entry.reason, entry.seconds = cut(reason), seconds
        entry.hello, entry.esmtp = cut(session.hello_domain), session.esmtp
        entry.tls = "yes" if session.tls_active else ""
        entry.account = "" if facts.account is None else str(facts.account.address)
        self._house.trials.judge_connection(entry)
        self._recorder.write(entry)

    # The transaction.

    def mail(self, session: Session, facts: TransactionFacts, verdict: Verdict | None) -> None:
        """MAIL was answered; a refused one is a transaction of its own."""
        self.ended("reset")
        connection, parameters = facts.connection, facts.parameters
        account, path = connection.account, facts.reverse_path
        self._transaction = TransactionEntry(
            at=0.0,
            session=self.session_id,
            client=connection.client_address,
            role=connection.role,
            hello=cut(session.hello_domain),
            esmtp=session.esmtp,
            tls="yes" if session.tls_active else "",
            account="" if account is None else str(account.address),
            auth_failed=connection.auth_failed,
            reverse_path=None if path is None else str(path),
            blank=facts.blank,
            declared=parameters.size,
            body=parameters.body,
            smtputf8=parameters.smtputf8,
            rules=facts.rules,
            facts=facts.facts,
        )
        if verdict is not None:
            self._transaction.decision = decision_of(verdict)
            self.ended("refused")

    def rcpt(self, facts: RcptFacts, verdict: Verdict | None) -> None:
        """RCPT was answered."""
        if self._transaction is not None:
            mailbox = "" if facts.mailbox is None else str(facts.mailbox)
            entry = RcptEntry(str(facts.forward_path), mailbox, decision_of(verdict), facts.rules, facts.facts)
            self._transaction.add_rcpt(entry)

    def content(self, facts: ContentFacts, message_id: str, verdict: Verdict | None) -> None:
        """The content was judged."""
        transaction, header = self._transaction, facts.header
        if transaction is None:
            return
        self._content = facts
        transaction.message_id = message_id
        transaction.content = ContentEntry(
            size=facts.size,
            fault="" if facts.fault is None else facts.fault.name,
            received=header.received,
            from_field=cut(header.from_field.decode("utf-8", "replace")),
            header=header.start(self._house.rules.kept_header).decode("latin-1"),
            decision=decision_of(verdict),
            rules=facts.rules,
            actions=facts.handlings.said(),
            facts=facts.facts,
        )

    def ended(self, end: End) -> None:
        """The open transaction, if there is one, has ended so."""
        transaction, self._transaction = self._transaction, None
        content, self._content = self._content, None
        if transaction is None:
            return
        transaction.at = self._house.clock.now().timestamp()
        transaction.client_domain = self._name.domain
        transaction.end = end
        self._connection.transactions += 1
        self._connection.messages += end == "accepted"
        self._house.trials.judge(transaction, None if content is None else content.text)
        self._recorder.write(transaction)
