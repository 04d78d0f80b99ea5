# SPDX-License-Identifier: Apache-2.0
"""Where a recipient's mail goes, found anew at each attempt, so that a corrected directory frees what is stuck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkan.delivery.local import maildir_path
from genkan.directory.directory import Local, Unknown
from genkan.directory.resolution import MailingList

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.directory.directory import Directory
    from genkan.smtp.address import Mailbox


@dataclass(frozen=True, slots=True)
class LocalRoute:
    """Into this Maildir."""

    maildir: Path


@dataclass(frozen=True, slots=True)
class HandoffRoute:
    """To the delivery service of an E-POST server, in this folder of its."""

    folder: Path


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Nowhere for now; the mail waits, and `reason` says for what."""

    reason: str


Route = LocalRoute | HandoffRoute | NoRoute


class Router:
    """Finds routes."""

    def __init__(self, directory: Directory, maildir: str, home: Path, handoff: Path | None = None) -> None:
        """`maildir` is the setting `delivery.maildir`, relative to `home`; `handoff` the folder of `delivery.handoff`."""
        self._directory = directory
        self._maildir = maildir
        self._home = home
        self._handoff = None if handoff is None else HandoffRoute(handoff)

    def route(self, mailbox: Mailbox) -> Route:
        """The route of a recipient's mailbox. Raises `StorageError` when the directory cannot be asked.

        Where mail is handed off all of it is, also to addresses nobody here has: the other server knows what to do.
        """
        if self._handoff is not None:
            return self._handoff
        self._directory.renew()
        match self._directory.resolve(mailbox):
            case Local(account):
                return LocalRoute(maildir_path(self._maildir, self._home, account.address))
            case Unknown():
                return NoRoute(
                    f"{mailbox} is not known any more: add the account or an alias again, or remove the mail"
                )
            case MailingList():
                return NoRoute(f"{mailbox} is a mailing list that leads to nobody: add members and send the mail again")
            case _:
                return NoRoute(f"no route to {mailbox.domain}: this server delivers to its own domains only")
