# SPDX-License-Identifier: Apache-2.0
"""Where a recipient's mail goes, found anew at each attempt, so that a corrected directory or route frees what is stuck.

The order: what the operator has named for this mail; the route of the account's address; its forward; the route of its
domain, else its Maildir. Elsewhere: the route of the domain, gateway.dat, the smarthost, the MX hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkan.delivery.local import maildir_path
from genkan.delivery.onward import Onward
from genkan.delivery.outcome import Deferred, Failed
from genkan.directory.destination import DmarcReports, Maildir, parse_destination
from genkan.directory.directory import Elsewhere, External, Local, Unknown
from genkan.directory.errors import InvalidValue
from genkan.directory.resolution import ListRole, MailingList
from genkan.spool.changing import FAIL

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.delivery.ways import Way, Ways
    from genkan.directory.accounts import Account
    from genkan.directory.auto_replies import AutoReply
    from genkan.directory.destination import Destination
    from genkan.directory.directory import Directory
    from genkan.directory.forwards import Forward
    from genkan.smtp.address import Mailbox
    from genkan.spool.queue import Leased


@dataclass(frozen=True, slots=True)
class LocalRoute:
    """Into this Maildir, which is that of `mailbox`."""

    maildir: Path
    mailbox: Mailbox


@dataclass(frozen=True, slots=True)
class HandoffRoute:
    """To the delivery service of an E-POST server, in this folder of its."""

    folder: Path


@dataclass(frozen=True, slots=True)
class HopRoute:
    """To a next hop, where the recipient is called `mailbox`. `is_external`: not to an address of ours."""

    way: Way
    mailbox: Mailbox
    is_external: bool


@dataclass(frozen=True, slots=True)
class ReportsRoute:
    """To whoever reads DMARC reports; mail that is none goes into the account's Maildir, where a person finds it."""

    reader: HopRoute
    otherwise: LocalRoute


@dataclass(frozen=True, slots=True)
class AccountRoute:
    """To an account that forwards, or answers by itself; `end` is where its mail lies."""

    account: Account
    end: LocalRoute | HopRoute | ReportsRoute
    forward: Forward | None
    reply: AutoReply | None


@dataclass(frozen=True, slots=True)
class ListRoute:
    """To the members of a list."""

    mailing_list: MailingList


@dataclass(frozen=True, slots=True)
class RoleRoute:
    """To whoever looks after a list, or to the list's own housekeeping."""

    role: ListRole


Route = LocalRoute | HandoffRoute | HopRoute | ReportsRoute | AccountRoute | ListRoute | RoleRoute | Deferred | Failed


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """The settings of `delivery`: the template of Maildirs below `home`, the folder of a hand-off, the smarthost."""

    maildir: str
    home: Path
    handoff: Path | None = None
    smarthost: str = ""


class Router:
    """Finds routes."""

    def __init__(self, directory: Directory, settings: RouterSettings, ways: Ways) -> None:
        """`ways` lead to the destinations that routes name."""
        self._directory = directory
        self._settings = settings
        self._handoff = None if settings.handoff is None else HandoffRoute(settings.handoff)
        self._onward = Onward(directory, settings.smarthost)
        self._ways = ways

    def route(self, leased: Leased) -> Route:
        """The route of a recipient. Raises `StorageError` when the directory cannot be asked.

        Where mail is handed off all of it is, also to addresses nobody here has: the other server knows what to do.
        """
        recipient = leased.recipient
        if recipient.route.startswith(FAIL):
            return Failed(recipient.route.removeprefix(FAIL))
        if self._handoff is not None:
            return self._handoff
        self._directory.renew()
        return self._resolved(leased, recipient.mailbox)

    def _resolved(self, leased: Leased, mailbox: Mailbox) -> Route:
        match self._directory.resolve(mailbox):
            case Local(account):
                return self._to_account(leased, account)
            case Unknown():
                reason = f"{mailbox} is not known any more: add the account or an alias again, or remove the mail"
                return Deferred(reason, status="4.1.1")
            case MailingList() as mailing_list:
                return ListRoute(mailing_list)
            case ListRole() as role:
                return RoleRoute(role)
            case Elsewhere(elsewhere):
                return self._outside(leased, elsewhere)
            case External():
                return self._outside(leased, mailbox)

    def _to_account(self, leased: Leased, account: Account) -> Route:
        directory, address = self._directory, account.address
        named = self._named(leased)
        if named is None and (own := directory.routes.of_address(address)) is not None:
            named = own.destination
        if named is not None:
            return self._account_end(leased, address, named)
        domain = directory.routes.of_domain(address.domain)
        end = self._account_end(leased, address, Maildir() if domain is None else domain.destination)
        forward, reply = directory.forwards.find(account.id), directory.auto_replies.find(account.id)
        return end if forward is None and reply is None else AccountRoute(account, end, forward, reply)

    def _account_end(
        self, leased: Leased, address: Mailbox, destination: Destination
    ) -> LocalRoute | HopRoute | ReportsRoute:
        maildir = maildir_path(self._settings.maildir, self._settings.home, address)
        local = LocalRoute(maildir, leased.recipient.mailbox)
        if isinstance(destination, Maildir):
            return local
        way = self._ways.to(destination, address.domain, requiretls=leased.envelope.requiretls)
        hop = HopRoute(way, address, is_external=False)
        return ReportsRoute(hop, local) if isinstance(destination, DmarcReports) else hop

    def _outside(self, leased: Leased, mailbox: Mailbox) -> Route:
        destination = self._named(leased) or self._onward.way(mailbox.domain)[0]
        if isinstance(destination, Maildir):
            reason = f"{mailbox} is not an account here, and has no Maildir: name another route for it"
            return Deferred(reason, status="4.3.5")
        way = self._ways.to(destination, mailbox.domain, requiretls=leased.envelope.requiretls)
        return HopRoute(way, mailbox, is_external=True)

    def _named(self, leased: Leased) -> Destination | None:
        """The destination that the operator has named for this mail."""
        text = leased.recipient.route
        try:
            return parse_destination(text) if text else None
        except InvalidValue:  # stored by a newer version
            return None
