# SPDX-License-Identifier: Apache-2.0
"""Carries mail over one connection to an SMTP or LMTP server: a consignment is a mail transaction (RFC 5321, 3.3; RFC 2033)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from genkan.delivery.carrier import CarrierLost
from genkan.delivery.outcome import Deferred, Delivered, Failed, words_of
from genkan.delivery.whole import whole_content, whole_size
from genkan.smtp.client import Step, Transaction
from genkan.smtp.client_commands import RSET, needs_smtputf8
from genkan.smtp.client_replies import ProtocolError
from genkan.smtp.command import Mail, MailParameters, Rcpt, RcptParameters

if TYPE_CHECKING:
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome, Success
    from genkan.delivery.smtp_connection import SmtpConnection
    from genkan.smtp.client_extensions import ServerExtensions
    from genkan.smtp.client_replies import ServerReply

_WORTH_A_WRITE: Final = 32 * 1024  # octets
_IN_ONE_GO: Final = 64 * 1024  # octets of content that are sent before anything is accepted, where BDAT allows it
_MOST_SAID: Final = 1000  # characters of a reply that are kept for each recipient


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for a reply or a block of content, and for the reply to the end of the content (RFC 5321, 4.5.3.2).

    And for a whole transaction, however promptly each reply comes; its last replies have their time nevertheless.
    """

    reply: float
    final: float
    transaction: float = 3600.0


class SmtpCarrier:
    """See `Carrier`."""

    def __init__(
        self,
        connection: SmtpConnection,
        server: str,
        extensions: ServerExtensions,
        patience: Patience,
        *,
        lmtp: bool,
        messages: int,
    ) -> None:
        """`server` is its name for reports, `messages` how many may be carried."""
        self._connection = connection
        self._server = server
        self._extensions = extensions
        self._patience = patience
        self._lmtp = lmtp
        self._success: Success = "delivered" if lmtp else "nothing" if extensions.dsn else "relayed"
        self._left = messages
        self._needs_reset = False
        self._usable = True
        self._may_be_lost = False  # it was used, and nobody has spoken since

    @property
    def usable(self) -> bool:
        """See `Carrier`."""
        connection = self._connection
        return self._usable and self._left > 0 and not connection.is_lost and not connection.has_input

    async def carry(self, consignment: Consignment) -> list[Outcome]:
        """See `Carrier`."""
        try:
            obstacle = await self._obstacle(consignment)
        except OSError as error:
            obstacle = _unreadable(error)
        if obstacle is not None:
            return [obstacle] * len(consignment.leased)
        transaction = self._transaction(consignment)
        self._left -= 1
        self._usable = False  # nobody may go on where a transaction was broken off
        trouble: Deferred | None = None
        try:
            async with asyncio.timeout(self._patience.transaction) as end:
                await self._run(transaction, consignment, end)
            self._usable = transaction.usable
        except (OSError, ProtocolError, ValueError) as error:
            if self._may_be_lost and self._connection.is_lost:
                raise CarrierLost(str(error)) from error
            trouble = self._trouble(error)
        finally:
            if not self._usable:
                self._connection.abort()
        self._needs_reset = transaction.needs_reset
        self._may_be_lost = True
        return [self._outcome(reply, trouble) for reply in transaction.results]

    async def close(self) -> None:
        """See `Carrier`."""
        if self._usable and not self._connection.is_lost:
            await self._connection.leave()
        else:
            self._connection.abort()

    def _transaction(self, consignment: Consignment) -> Transaction:
        envelope, size = consignment.envelope, whole_size(consignment)
        parameters = MailParameters(
            size=size,
            body=envelope.body,
            smtputf8=envelope.smtputf8,
            ret=envelope.ret,
            envid=envelope.envid,
            requiretls=envelope.requiretls and (self._extensions.requiretls or not self._lmtp),
        )
        recipients = [leased.recipient for leased in consignment.leased]
        rcpts = [Rcpt(one.mailbox, RcptParameters(one.notify, one.original)) for one in recipients]
        mail = Mail(consignment.reverse_path, parameters)
        return Transaction(mail, rcpts, self._extensions, lmtp=self._lmtp, in_one_go=size <= _IN_ONE_GO)

    # The dialogue. All of it raises `OSError`, `TimeoutError`, `ProtocolError`, `CarrierLost`.

    async def _run(self, transaction: Transaction, consignment: Consignment, end: asyncio.Timeout) -> None:
        connection, patience = self._connection, self._patience
        if self._needs_reset:
            await self._reset()
        seconds = patience.reply
        while True:
            pending = transaction.data_to_send()
            match transaction.step:
                case Step.WRITE_CONTENT:
                    await self._write_content(transaction, consignment, pending)
                    seconds = patience.final
                    _extend(end, seconds)
                case Step.READ_REPLY:
                    connection.write(pending)
                    transaction.receive(await self._reply(seconds))
                case Step.DONE:
                    connection.write(pending)
                    return

    async def _write_content(self, transaction: Transaction, consignment: Consignment, pending: bytes) -> None:
        """Write the content as it comes; stop when the server says early that it will not have it.

        Small content leaves with the commands before it and the end behind it: each write costs a system call.
        """
        connection, seconds = self._connection, self._patience.reply
        async with aclosing(whole_content(consignment)) as blocks:
            async for block in blocks:
                if len(pending) > _WORTH_A_WRITE:
                    connection.write(pending)
                    pending = b""
                    await connection.drain(seconds)
                    if connection.has_input or connection.is_lost:
                        transaction.receive(await self._reply(seconds))
                        if transaction.step is Step.DONE:
                            return
                pending += transaction.content(block)
        connection.write(pending + transaction.end_of_content())

    async def _reply(self, seconds: float) -> ServerReply:
        reply = await self._connection.reply(seconds)
        if self._may_be_lost and reply.closes:  # it was closed while nothing was to do, and this is how they say so
            raise CarrierLost(str(reply))
        self._may_be_lost = False
        return reply

    async def _reset(self) -> None:
        """Forget the transaction before (RFC 5321, 4.1.1.5)."""
        self._connection.write(RSET)
        reply = await self._reply(self._patience.reply)
        if not reply.accepts:
            msg = f"the server would not forget the transaction before: {reply}"
            raise ProtocolError(msg)

    # Outcomes.

    async def _obstacle(self, consignment: Consignment) -> Deferred | Failed | None:
        """What this server cannot be given whatever it says, if this is such. Raises `OSError`."""
        extensions, envelope = self._extensions, consignment.envelope
        limit, size = extensions.size_limit, whole_size(consignment)
        if limit is not None and size > limit:
            return self._failed(f"takes at most {limit} octets, and this message has {size}", "5.3.4")
        if envelope.requiretls and not extensions.requiretls and not self._lmtp:
            return self._failed("does not offer REQUIRETLS, which this message requires", "5.7.30")
        if extensions.smtputf8:
            return None
        mailboxes = [leased.recipient.mailbox for leased in consignment.leased]
        path = consignment.reverse_path
        if any(map(needs_smtputf8, mailboxes if path is None else [path, *mailboxes])):
            return self._failed("does not take addresses beyond ASCII", "5.6.7")
        if envelope.smtputf8 and not await _has_ascii_header(consignment):
            return self._failed("does not take header fields beyond ASCII", "5.6.7")
        return None

    def _failed(self, what: str, status: str) -> Failed:
        return Failed(f"{self._server} {what}", status, self._server)

    def _trouble(self, error: Exception) -> Deferred:
        """What broke a transaction off."""
        if isinstance(error, ProtocolError):
            return Deferred(f"{self._server}: {error}", status="4.5.0", remote=self._server)
        if isinstance(error, TimeoutError):
            return Deferred(f"{self._server} did not answer in time", status="4.4.2", remote=self._server)
        if self._connection.is_lost:
            return Deferred(f"{self._server}: {words_of(error)}", status="4.4.2", remote=self._server)
        return _unreadable(error)

    def _outcome(self, reply: ServerReply | None, trouble: Deferred | None) -> Outcome:
        if reply is None:
            assert trouble is not None
            return trouble
        said = str(reply)[:_MOST_SAID]
        if reply.accepts:
            return Delivered(f"{self._server}: {said}", self._success)
        kind, code = (Failed, "5.0.0") if reply.refuses else (Deferred, "4.0.0")
        return kind(f"{self._server} said: {said}", status=reply.enhanced or code, remote=self._server, reply=said)


def _extend(end: asyncio.Timeout, seconds: float) -> None:
    """Wait so long in any case: the server may have the message already, and would get it again."""
    now, latest = asyncio.get_running_loop().time(), end.when()
    if latest is not None:
        end.reschedule(max(latest, now + seconds))


def _unreadable(error: Exception) -> Deferred:
    return Deferred(f"the content cannot be read: {words_of(error)}", status="4.3.0")


async def _has_ascii_header(consignment: Consignment) -> bool:
    """Whether the header section is in ASCII; what comes behind it is not read."""
    before = b"\r\n"  # as if of a line: the header section may be empty
    async with aclosing(whole_content(consignment)) as blocks:
        async for block in blocks:
            header, end, _ = (before + block).partition(b"\r\n\r\n")
            if end or not header.isascii():
                return header.isascii()
            before = header[-3:]
    return True
