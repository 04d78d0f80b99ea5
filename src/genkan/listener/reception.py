# SPDX-License-Identifier: Apache-2.0
"""Answers a session's questions: asks policy and directory, hands content to the spool, finds the words.

No socket here; `connection.py` has that. An answer is a reply, or something to wait for.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from typing import TYPE_CHECKING

from genkan.directory.accounts import Account
from genkan.listener.authentication import Authentication
from genkan.listener.client_name import ClientName
from genkan.listener.handing_over import HandingOver
from genkan.listener.intake import Intake
from genkan.listener.journal import Journal
from genkan.message.envelope import Envelope
from genkan.message.trace import Hop, protocol_name, received_field
from genkan.policy.facts import RcptFacts, TransactionFacts
from genkan.policy.recipient import add_recipient
from genkan.policy.verdict import Verdict
from genkan.record.entry import Decision
from genkan.smtp import replies
from genkan.smtp.address import AddressError, parse_mailbox
from genkan.smtp.reply import Reply, ReplyRow
from genkan.storage.engine import StorageFull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from genkan.directory.directory import Directory
    from genkan.listener.house import House
    from genkan.listener.intake import Behind
    from genkan.policy.facts import ConnectionFacts, ContentFacts
    from genkan.record.entry import End
    from genkan.smtp import events
    from genkan.smtp.session import Session
    from genkan.storage.engine import StorageError

    AuthResult = bytes | Account | ReplyRow
    Answer = Reply | Awaitable[Reply]


class Reception:
    """Receives the mail of one connection."""

    __slots__ = (
        "_accepting",
        "_hop",
        "_house",
        "_intake",
        "_session",
        "_unknown",
        "authentication",
        "facts",
        "journal",
        "last",
        "last_id",
        "locked",
        "name",
        "transaction",
    )

    def __init__(self, house: House, session: Session, facts: ConnectionFacts, before: Reception | None = None) -> None:
        """One for each session; a new one after STARTTLS goes on with journal and name of the one `before`."""
        self._house = house
        self._session = session
        self.facts = facts
        self.name: ClientName = ClientName() if before is None else before.name
        self.journal: Journal | None = None if before is None else before.journal
        if before is None and house.recorder is not None:
            self.journal = Journal(house, house.recorder, facts, self.name)
        self.transaction: TransactionFacts | None = None
        self.last: TransactionFacts | None = None
        self.last_id = ""
        self.authentication: Authentication | None = None
        self.locked = False
        self._unknown = 0
        self._accepting = False
        self._intake: Intake | None = None
        self._hop: Hop | None = None

    # The mail transaction.

    def mail(self, event: events.MailRequested) -> Answer:
        """May this reverse-path send?"""
        house = self._house
        house.directory.renew()
        begun, hello_domain = house.clock.monotonic(), self._session.hello_domain
        facts = TransactionFacts(self.facts, begun, event.reverse_path, event.blank, event.parameters, hello_domain)
        verdict = house.chain.mail.decide(facts)
        if verdict is None or isinstance(verdict, Verdict):
            return self._mail_decided(facts, verdict)
        return self._later(verdict, lambda decided: self._mail_decided(facts, decided))

    def _mail_decided(self, facts: TransactionFacts, verdict: Verdict | None) -> Reply:
        path = "" if facts.reverse_path is None else str(facts.reverse_path)
        self.last = facts
        if self.journal is not None:
            self.journal.mail(self._session, facts, verdict)
        if verdict is not None:
            return self._refusal(verdict, reverse_path=path)
        self.transaction = facts
        return self._say(replies.SENDER_OK, reverse_path=path)

    def rcpt(self, event: events.RcptRequested) -> Answer:
        """Will mail for this forward-path be taken?"""
        house = self._house
        house.directory.renew()
        facts = RcptFacts(self._open(), event.forward_path, event.parameters)
        verdict = house.chain.rcpt.decide(facts)
        if verdict is None or isinstance(verdict, Verdict):
            return self._rcpt_decided(facts, verdict)
        return self._later(verdict, lambda decided: self._rcpt_decided(facts, decided))

    def _rcpt_decided(self, facts: RcptFacts, verdict: Verdict | None) -> Reply:
        path = str(facts.forward_path)
        if self.journal is not None:
            self.journal.rcpt(facts, verdict)
        if verdict is not None:
            return self._refusal(verdict, forward_path=path)
        add_recipient(facts)
        return self._say(replies.RECIPIENT_OK, forward_path=path)

    def data(self) -> Answer:
        """The content may come; it begins with our trace field, which waits for the client's name."""
        return self._begin_content() if self.name.asking is None else self._named(self.name.asking)

    async def _named(self, asking: Awaitable[None]) -> Reply:
        await asking
        if self.transaction is None:  # the client has gone meanwhile, and hears nothing of this
            return self._say(replies.NEED_RCPT)
        return self._begin_content()

    def _begin_content(self) -> Reply:
        house, transaction = self._house, self._open()
        message_id = self.last_id = house.message_ids.next()
        paths = [recipient.forward_path for recipient in transaction.recipients.values()]
        only = paths[0] if len(paths) == 1 and paths[0].domain else None
        trace = received_field(self._current_hop(), message_id, only, house.clock.now())
        self._intake = Intake(house, transaction, message_id, trace)
        return self._say(replies.START_MAIL_INPUT, message_id=message_id)

    def content(self, octets: bytes) -> Behind | None:
        """The next octets of the content; who does not keep up with them, if anybody."""
        if self._intake is None:
            return None
        self._intake.feed(octets)
        return self._intake.behind()

    def ended(self, event: events.ContentEnded, done: Callable[[Reply], None]) -> Awaitable[None] | None:
        """The content is complete. `done` gets the reply, a positive one only when the message would survive a crash.

        What is returned has to be run for that, when the checks wait for somebody.
        """
        assert self._intake is not None
        facts = self._intake.ended(event)
        verdict = self._house.chain.content.decide(facts)
        if verdict is None or isinstance(verdict, Verdict):
            self._content_decided(facts, verdict, done)
            return None
        return self._content_later(facts, verdict, done)

    async def _content_later(
        self, facts: ContentFacts, verdict: Awaitable[Verdict | None], done: Callable[[Reply], None]
    ) -> None:
        decided = await verdict
        if self._intake is not None:  # else the client has gone meanwhile, and the content with it
            self._content_decided(facts, decided, done)

    def _content_decided(self, facts: ContentFacts, verdict: Verdict | None, done: Callable[[Reply], None]) -> None:
        house, intake = self._house, self._intake
        assert intake is not None
        if self.journal is not None:
            self.journal.content(facts, intake.message_id, verdict)
        if facts.judged is not None:
            house.dmarc_tally.count(facts.transaction, facts.judged)
        if facts.handlings.refuse_client:
            house.refuse_client(self.facts.client_address)
        intake.results = facts.results
        if verdict is None:
            self._accept(facts, done)
            return
        reply = self._refusal(verdict)
        if facts.handlings.copies and reply.code >= 500:  # what is only put off comes again
            self._keep_copies(facts, reply, done)
            return
        self.abort("refused")
        done(reply)

    def _accept(self, facts: ContentFacts, done: Callable[[Reply], None]) -> None:
        house, intake, journal, envelope = self._house, self._intake, self.journal, self._envelope()
        assert intake is not None
        self.transaction = None
        self._accepting = True

        def finished(error: StorageError | None) -> None:
            failed = None if error is None else self.failed(error)
            self._intake = None
            self._accepting = False
            if journal is not None:
                journal.ended("accepted" if failed is None else "refused")
            if failed is not None:
                done(failed)
                return
            house.log.accepted(envelope, facts.size, self.name.domain)
            house.product_logs.accepted(envelope)
            done(self._say(replies.MESSAGE_RECEIVED))

        if facts.handlings.is_plain:
            intake.begin_as(intake.draft)
            house.spool.accept(envelope, intake.draft, finished)
            return
        handing_over = HandingOver(house, envelope, intake, facts.handlings)

        def handed_over(error: StorageError | None) -> None:
            if error is None:
                handing_over.send_notices()
            finished(error)

        handing_over.accept(handed_over)

    def _keep_copies(self, facts: ContentFacts, reply: Reply, done: Callable[[Reply], None]) -> None:
        """The message is refused, and a copy of it goes into the quarantine; should that fail, it is refused all the same."""
        assert self._intake is not None
        envelope, intake = self._envelope(), self._intake
        intake.stop_scan()
        self._intake = None

        def kept(error: StorageError | None) -> None:
            if error is not None:
                self._house.log.failure(intake.message_id, error, client=self.facts.client_address)
            self.abort("refused")
            done(reply)

        HandingOver(self._house, envelope, intake, facts.handlings).keep_copies(kept)

    def _envelope(self) -> Envelope:
        transaction, session, intake = self._open(), self._session, self._intake
        assert intake is not None
        account, parameters = self.facts.account, transaction.parameters
        return Envelope(
            message_id=intake.message_id,
            accepted_at=self._house.clock.now(),
            reverse_path=transaction.reverse_path,
            recipients=tuple(transaction.recipients.values()),
            client_address=self.facts.client_address,
            hello_domain=session.hello_domain,
            account="" if account is None else str(account.address),
            protocol=self._protocol(),
            body=parameters.body,
            smtputf8=parameters.smtputf8,
            ret=parameters.ret,
            envid=parameters.envid,
            requiretls=parameters.requiretls,
        )

    def abort(self, end: End = "reset") -> None:
        """The transaction is over without a message, unless its acceptance is under way."""
        if self._accepting:
            return
        if self._intake is not None:
            self._intake.discard()
            self._intake = None
        self.transaction = None
        if self.journal is not None:
            self.journal.ended(end)

    def overdue(self, moment: float) -> bool:
        """Whether the open transaction has lasted longer than the setting `limits.transaction_time`."""
        return self.transaction is not None and moment - self.transaction.begun > self._house.rules.transaction_time

    # AUTH.

    def authenticate(self, event: events.AuthRequested) -> Answer:
        """AUTH begins."""
        house = self._house
        house.directory.renew()
        self.authentication = Authentication(event.mechanism, house.hostname, house.directory, house.passwords)
        return self._auth_step(self.authentication.start(event.initial))

    def auth_response(self, octets: bytes) -> Answer:
        """AUTH goes on."""
        assert self.authentication is not None
        return self._auth_step(self.authentication.next(octets))

    def _auth_step(self, result: AuthResult | Awaitable[AuthResult]) -> Answer:
        if isinstance(result, bytes | Account | ReplyRow):
            return self._auth_result(result)
        return self._auth_later(result)

    async def _auth_later(self, result: Awaitable[AuthResult]) -> Reply:
        return self._auth_result(await result)

    def _auth_result(self, result: AuthResult) -> Reply:
        if isinstance(result, bytes):
            return self._say(replies.AUTH_CHALLENGE, challenge=b64encode(result).decode())
        authentication, self.authentication = self.authentication, None
        assert authentication is not None
        if isinstance(result, ReplyRow):
            return self._auth_refused(result, authentication)
        if self._is_locked():  # by failures on other connections, while this one was asking
            self.locked = True
            return self._auth_refused(replies.AUTH_FAILED, authentication)
        return self._authenticated(result, authentication.mechanism)

    def _authenticated(self, account: Account, mechanism: str) -> Reply:
        house, client = self._house, self.facts.client_address
        self.facts.account = account
        self.facts.auth_failed = False
        house.directory.locks.record_success(client, house.clock.now())
        house.log.authenticated(client, str(account.address), mechanism)
        if self.journal is not None:
            self.journal.authenticated(mechanism, str(account.address), None)
        return self._say(replies.AUTH_OK)

    def _auth_refused(self, row: ReplyRow, authentication: Authentication) -> Reply:
        mechanism, login = authentication.mechanism, self._shown(authentication.login)
        fields = {}
        if row is replies.AUTH_UNAVAILABLE:
            fields["id"] = new_error_id()
        else:
            self.auth_failed()
        verdict = Verdict("authentication", row, fields, f"{mechanism} for {login}")
        if self.journal is not None:
            self.journal.authenticated(mechanism, login, verdict)
        return self._refusal(verdict)

    def auth_failed(self) -> None:
        """Count a failure; at the limit the client's address is locked, and this connection is its last."""
        house = self._house
        self.authentication = None
        self.facts.auth_failed = True
        locks, client, now = house.directory.locks, self.facts.client_address, house.clock.now()
        locked = locks.record_failure(client, now, house.rules.lockout_failures, house.rules.lockout_time)
        self.locked = locked or self._is_locked()

    def auth_aborted(self, row: ReplyRow) -> None:
        """The client has cancelled the dialogue, or said what is no base64: that is a failure too."""
        self.authentication = None
        if row is replies.AUTH_NOT_BASE64:
            self.auth_failed()
        self.refused(row, "AUTH")

    @property
    def is_guessing(self) -> bool:
        """Whether the client has named as many unknown addresses as one session may (`limits.unknown_recipients`)."""
        return 0 < self._house.rules.unknown_recipients <= self._unknown

    def _is_locked(self) -> bool:
        house = self._house
        return house.directory.locks.locked_until(self.facts.client_address, house.clock.now()) is not None

    def _shown(self, login: str) -> str:
        """A login as the log may show it: people type their password there."""
        directory, (_, at, domain) = self._house.directory, login.rpartition("@")
        known = (at and directory.is_local_domain(domain)) or directory.account_for_login(login) is not None
        return login if known else "an unknown name"

    # VRFY and EXPN, where they are switched on.

    def vrfy(self, argument: str) -> Reply:
        """Whose mailbox is it?"""
        return self._look_up(replies.VRFY_OK, argument)

    def expn(self, argument: str) -> Reply:
        """Who is behind the name? An alias shows the account it leads to."""
        return self._look_up(replies.EXPN_OK, argument)

    def _look_up(self, row: ReplyRow, argument: str) -> Reply:
        directory = self._house.directory
        directory.renew()
        account = directory.account_for_login(argument) or _account_behind(directory, argument)
        if account is None:
            verdict = Verdict("directory", replies.USER_UNKNOWN, {"forward_path": argument})
            return self._refusal(verdict)
        name = account.name if account.name.isascii() else account.address.local_part
        return self._say(row, account=account.address.local_part, name=name, mailbox=str(account.address))

    # Words.

    def failed(self, error: BaseException) -> Reply:
        """The reply for a failure of ours: temporary, with an id that the log explains."""
        row = replies.STORAGE_FULL if isinstance(error, StorageFull) else replies.LOCAL_ERROR
        return self._failure(row, error)

    def _failure(self, row: ReplyRow, error: BaseException) -> Reply:
        error_id = new_error_id() if self._intake is None else self._intake.message_id
        client, log = self.facts.client_address, self._house.log
        if row is replies.STORAGE_FULL:
            log.refused(client, row.name, "storage", id=error_id, detail=str(error))
        else:
            log.failure(error_id, error, client=client, reply=row.name)
        if self.journal is not None:
            check = "storage" if row is replies.STORAGE_FULL else "failure"
            self.journal.failed(Decision(row.name, check, fields={"id": error_id}))
        return self._say(row, id=error_id)

    def refused(self, row: ReplyRow, line: str) -> None:
        """The session itself refused a command: only log and record are to be told."""
        self._house.log.refused(self.facts.client_address, row.name, "session", line=line)
        if self.journal is not None:
            self.journal.refused(line, row.name)

    async def _later(self, verdict: Awaitable[Verdict | None], decided: Callable[[Verdict | None], Reply]) -> Reply:
        return decided(await verdict)

    def _refusal(self, verdict: Verdict, **seen: object) -> Reply:
        """The words of an objection, and the line of the log: with the envelope as far as it is known, and what was `seen`."""
        assert verdict.row is not None
        self._unknown += verdict.row is replies.USER_UNKNOWN
        reply = self._say(verdict.row, **verdict.fields)
        transaction = self.transaction
        reverse_path = None if transaction is None else str(transaction.reverse_path or "")
        details: dict[str, object] = {
            "client_domain": self.name.domain,
            "detail": verdict.detail,
            "reverse_path": reverse_path,
            "id": None if self._intake is None else self._intake.message_id,
        }
        if verdict.rule is not None:
            details["rule"] = str(verdict.rule)
        self._house.log.refused(
            self.facts.client_address, reply.name, verdict.check, **(details | verdict.fields | seen)
        )
        return reply

    def _say(self, row: ReplyRow, **fields: str) -> Reply:
        wordbook = self._house.wordbook
        return wordbook.reply_utf8(row, **fields) if self._session.utf8 else wordbook.reply(row, **fields)

    def _open(self) -> TransactionFacts:
        assert self.transaction is not None
        return self.transaction

    def _protocol(self) -> str:
        session = self._session
        return protocol_name(
            extended=session.esmtp, tls=session.tls_active, authenticated=session.authenticated, smtputf8=session.utf8
        )

    def _current_hop(self) -> Hop:
        """The trace field's part that stays the same until the client says EHLO or AUTH again."""
        house, session = self._house, self._session
        hop, protocol, domain = self._hop, self._protocol(), self.name.domain
        if hop is None or (hop.hello_domain, hop.client_domain, hop.protocol) != (
            session.hello_domain,
            domain,
            protocol,
        ):
            address = self.facts.client_address
            hop = self._hop = Hop(session.hello_domain, domain, address, house.hostname, house.banner, protocol)
        return hop


def _account_behind(directory: Directory, argument: str) -> Account | None:
    """The account that an alias leads to; the argument may stand in angle brackets."""
    try:
        return directory.sender_account(parse_mailbox(argument.strip("<>")))
    except AddressError:
        return None


def new_error_id() -> str:
    """An id for the client and the log when there is no message id."""
    return f"E{secrets.token_hex(6)}"
