# SPDX-License-Identifier: Apache-2.0
"""Answers a session's questions: asks policy and directory, hands content to the spool, finds the words.

No socket here; `connection.py` has that. An answer is a reply, or something to wait for.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkan.directory.accounts import Account
from genkan.listener.authentication import Authentication
from genkan.message.content import HeaderScan
from genkan.message.envelope import Envelope, Recipient
from genkan.message.trace import Hop, protocol_name, received_field
from genkan.policy.facts import ConnectionFacts, ContentFacts, RcptFacts, TransactionFacts
from genkan.policy.verdict import Verdict
from genkan.smtp import replies
from genkan.smtp.address import AddressError, parse_mailbox
from genkan.smtp.reply import Reply, ReplyRow
from genkan.storage.engine import StorageFull

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from genkan.clock import Clock
    from genkan.directory.directory import Directory
    from genkan.listener.password_pool import PasswordPool
    from genkan.maillog import MailLog
    from genkan.policy.chain import Chain
    from genkan.smtp import events
    from genkan.smtp.reply import Wordbook
    from genkan.smtp.session import Session
    from genkan.spool.message_ids import MessageIds
    from genkan.spool.spool import Draft, Spool
    from genkan.storage.engine import StorageError

    AuthResult = bytes | Account | ReplyRow
    Answer = Reply | Awaitable[Reply]


@dataclass(frozen=True, slots=True)
class House:
    """What all connections of a worker share."""

    hostname: str
    banner: str
    wordbook: Wordbook
    directory: Directory
    chain: Chain
    spool: Spool
    message_ids: MessageIds
    log: MailLog
    clock: Clock
    passwords: PasswordPool
    loop: asyncio.AbstractEventLoop
    lockout_failures: int
    lockout_time: timedelta
    unknown_recipients: int
    transaction_time: float  # seconds


class Reception:
    """Receives the mail of one connection."""

    __slots__ = (
        "_draft",
        "_hop",
        "_house",
        "_message_id",
        "_scan",
        "_session",
        "_unknown",
        "authentication",
        "facts",
        "locked",
        "transaction",
    )

    def __init__(self, house: House, session: Session, facts: ConnectionFacts) -> None:
        """One for each session."""
        self._house = house
        self._session = session
        self.facts = facts
        self.transaction: TransactionFacts | None = None
        self.authentication: Authentication | None = None
        self.locked = False
        self._unknown = 0
        self._draft: Draft | None = None
        self._scan: HeaderScan | None = None
        self._message_id = ""
        self._hop: Hop | None = None

    # The mail transaction.

    def mail(self, event: events.MailRequested) -> Answer:
        """May this reverse-path send?"""
        house = self._house
        house.directory.renew()
        facts = TransactionFacts(self.facts, house.clock.monotonic(), event.reverse_path, event.blank, event.parameters)
        verdict = house.chain.mail.decide(facts)
        if verdict is None:
            return self._mail_accepted(facts)
        seen = {"reverse_path": "" if facts.reverse_path is None else str(facts.reverse_path)}
        return self._decide(verdict, lambda: self._mail_accepted(facts), seen)

    def _mail_accepted(self, facts: TransactionFacts) -> Reply:
        self.transaction = facts
        path = facts.reverse_path
        return self._say(replies.SENDER_OK, reverse_path="" if path is None else str(path))

    def rcpt(self, event: events.RcptRequested) -> Answer:
        """Will mail for this forward-path be taken?"""
        house = self._house
        house.directory.renew()
        facts = RcptFacts(self._open(), event.forward_path, event.parameters)
        verdict = house.chain.rcpt.decide(facts)
        if verdict is None:
            return self._rcpt_accepted(facts)
        return self._decide(verdict, lambda: self._rcpt_accepted(facts), {"forward_path": str(facts.forward_path)})

    def _rcpt_accepted(self, facts: RcptFacts) -> Reply:
        mailbox, parameters = facts.mailbox, facts.parameters
        assert mailbox is not None
        transaction = facts.transaction
        transaction.rcpt_count += 1
        # Two names of one mailbox get one copy (the product's page bsd-17-71).
        if mailbox not in transaction.recipients:
            recipient = Recipient(facts.forward_path, mailbox, parameters.notify, parameters.original)
            transaction.recipients[mailbox] = recipient
        return self._say(replies.RECIPIENT_OK, forward_path=str(facts.forward_path))

    def data(self) -> Reply:
        """The content may come; it begins with our trace field."""
        house, transaction = self._house, self._open()
        self._message_id = house.message_ids.next()
        self._draft = house.spool.begin()
        self._scan = HeaderScan()
        paths = [recipient.forward_path for recipient in transaction.recipients.values()]
        only = paths[0] if len(paths) == 1 and paths[0].domain else None
        self._draft.append(received_field(self._current_hop(), self._message_id, only, house.clock.now()))
        return self._say(replies.START_MAIL_INPUT, message_id=self._message_id)

    def content(self, octets: bytes) -> None:
        """The next octets of the content."""
        if self._scan is not None and self._draft is not None:
            self._scan.feed(octets)
            self._draft.append(octets)

    def ended(self, event: events.ContentEnded, done: Callable[[Reply], None]) -> None:
        """The content is complete. `done` gets the reply, a positive one only when the message would survive a crash."""
        scan = self._scan
        assert scan is not None
        facts = ContentFacts(self._open(), event.fault, event.size, scan)
        verdict = self._house.chain.content.decide(facts)
        assert verdict is None or isinstance(verdict, Verdict)
        if verdict is not None:
            reply = self._refusal(verdict)
            self.abort()
            done(reply)
            return
        self._accept(event.size, done)

    def _accept(self, size: int, done: Callable[[Reply], None]) -> None:
        house, draft, envelope = self._house, self._draft, self._envelope()
        assert draft is not None

        def finished(error: StorageError | None) -> None:
            failed = None if error is None else self.failed(error)
            self._message_id = ""
            if failed is not None:
                done(failed)
                return
            house.log.accepted(envelope, size)
            done(self._say(replies.MESSAGE_RECEIVED))

        self._draft = None
        self.transaction = None
        house.spool.accept(envelope, draft, finished)

    def _envelope(self) -> Envelope:
        transaction, session = self._open(), self._session
        account = self.facts.account
        return Envelope(
            message_id=self._message_id,
            accepted_at=self._house.clock.now(),
            reverse_path=transaction.reverse_path,
            recipients=tuple(transaction.recipients.values()),
            client_address=self.facts.client_address,
            hello_domain=session.hello_domain,
            account="" if account is None else str(account.address),
            protocol=self._protocol(),
            body=transaction.parameters.body,
            smtputf8=transaction.parameters.smtputf8,
            ret=transaction.parameters.ret,
            envid=transaction.parameters.envid,
        )

    def abort(self) -> None:
        """The transaction is over without a message."""
        if self._draft is not None:
            self._house.spool.discard(self._draft)
            self._draft = None
        self._scan = None
        self._message_id = ""
        self.transaction = None

    def overdue(self, moment: float) -> bool:
        """Whether the open transaction has lasted longer than the setting `limits.transaction_time`."""
        return self.transaction is not None and moment - self.transaction.begun > self._house.transaction_time

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
        self.facts.account = result
        self.facts.auth_failed = False
        self._house.log.authenticated(self.facts.client_address, str(result.address), authentication.mechanism)
        return self._say(replies.AUTH_OK)

    def _auth_refused(self, row: ReplyRow, authentication: Authentication) -> Reply:
        detail = f"{authentication.mechanism} for {self._shown(authentication.login)}"
        if row is replies.AUTH_UNAVAILABLE:
            return self._refusal(Verdict("authentication", row, {"id": self._house.message_ids.next()}, detail))
        self.auth_failed()
        return self._refusal(Verdict("authentication", row, {}, detail))

    def auth_failed(self) -> None:
        """Count a failure; at the limit the client's address is locked, and this connection is its last."""
        house = self._house
        self.authentication = None
        self.facts.auth_failed = True
        locks, client, now = house.directory.locks, self.facts.client_address, house.clock.now()
        locked = locks.record_failure(client, now, house.lockout_failures, house.lockout_time)
        self.locked = locked or self._is_locked()

    def auth_aborted(self, row: ReplyRow) -> None:
        """The client has cancelled the dialogue, or said what is no base64: that is a failure too."""
        self.authentication = None
        if row is replies.AUTH_NOT_BASE64:
            self.auth_failed()
        self._house.log.refused(self.facts.client_address, row.name, "session", line="AUTH")

    @property
    def is_guessing(self) -> bool:
        """Whether the client has named as many unknown addresses as one session may (`limits.unknown_recipients`)."""
        return 0 < self._house.unknown_recipients <= self._unknown

    def _is_locked(self) -> bool:
        house = self._house
        return house.directory.locks.locked_until(self.facts.client_address, house.clock.now()) is not None

    def _shown(self, login: str) -> str:
        """A login as the log may show it: people type their password there."""
        known = "@" in login or self._house.directory.account_for_login(login) is not None
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
        error_id = self._message_id or new_error_id()
        client, log = self.facts.client_address, self._house.log
        if row is replies.STORAGE_FULL:
            log.refused(client, row.name, "storage", id=error_id, detail=str(error))
        else:
            log.failure(error_id, error, client=client, reply=row.name)
        return self._say(row, id=error_id)

    def refused(self, row: ReplyRow, line: str) -> None:
        """The session itself refused a command: only the log is to be told."""
        self._house.log.refused(self.facts.client_address, row.name, "session", line=line)

    def _decide(
        self,
        verdict: Verdict | Awaitable[Verdict | None],
        accepted: Callable[[], Reply],
        seen: dict[str, str],
    ) -> Answer:
        if isinstance(verdict, Verdict):
            return self._refusal(verdict, **seen)
        return self._decide_later(verdict, accepted, seen)

    async def _decide_later(
        self, verdict: Awaitable[Verdict | None], accepted: Callable[[], Reply], seen: dict[str, str]
    ) -> Reply:
        decided = await verdict
        return accepted() if decided is None else self._refusal(decided, **seen)

    def _refusal(self, verdict: Verdict, **seen: object) -> Reply:
        """The words of an objection, and the line of the log: with the envelope as far as it is known, and what was `seen`."""
        assert verdict.row is not None
        self._unknown += verdict.row is replies.USER_UNKNOWN
        reply = self._say(verdict.row, **verdict.fields)
        transaction = self.transaction
        reverse_path = None if transaction is None else str(transaction.reverse_path or "")
        details = {"detail": verdict.detail, "reverse_path": reverse_path, "id": self._message_id or None}
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
        hop, protocol = self._hop, self._protocol()
        if hop is None or hop.protocol != protocol or hop.hello_domain != session.hello_domain:
            address = self.facts.client_address
            hop = self._hop = Hop(session.hello_domain, "", address, house.hostname, house.banner, protocol)
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
