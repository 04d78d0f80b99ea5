# SPDX-License-Identifier: Apache-2.0
"""The operator's rule documents, parsed: each once for a revision. A change in the directory is seen at the next question."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

from genkan.record.entry import Rule
from genkan.rules.approval import parse_approval_addresses, parse_approval_subjects
from genkan.rules.document import Document
from genkan.rules.effect import SHIPPED, parse_effect
from genkan.rules.mail import parse_mail
from genkan.rules.mail_match import MailMatcher
from genkan.rules.ordb import parse_ordb
from genkan.rules.rejectsmtpip import parse_rejectsmtpip
from genkan.rules.sender import parse_sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.directory.accounts import Account
    from genkan.directory.documents import StoredDocument
    from genkan.rules.approval import ApprovalAddresses, ApprovalSubjects
    from genkan.rules.document import Origin
    from genkan.rules.effect import EffectRules
    from genkan.rules.ordb import OrdbRules
    from genkan.rules.rejectsmtpip import RejectRules
    from genkan.rules.sender import SenderRules

    Current = Callable[[str, "Account | None"], "StoredDocument | None"]

T = TypeVar("T")

MOST_PARSED: Final = 4096  # documents kept in their parsed form; accounts may be many


class Rulebook:
    """All rule documents. What an account has not, and what has no rule in it, is `None` where that saves asking it."""

    def __init__(self, current: Current) -> None:
        """`current` gives the text that counts: the directory's, or another one on trial."""
        self._current = current
        self._parsed: OrderedDict[tuple[str, int], tuple[StoredDocument | None, object]] = OrderedDict()

    def effect(self) -> EffectRules:
        """The server's effect.dat."""
        return self._rules("effect.dat", None, parse_effect, SHIPPED)

    def account_effect(self, account: Account) -> EffectRules | None:
        """The effect.dat of an account that receives."""
        return self._own("effect.dat", account, parse_effect)

    def sender(self, account: Account) -> SenderRules | None:
        """The sender.dat of an account that sends."""
        return self._own("sender.dat", account, parse_sender)

    def mail(self) -> MailMatcher | None:
        """The server's mail.dat."""
        return self._rules("mail.dat", None, _matcher, "")

    def account_mail(self, account: Account) -> MailMatcher | None:
        """The mail.dat of an account that receives."""
        return self._own("mail.dat", account, _matcher)

    def ordb(self) -> OrdbRules:
        """ordb.dat."""
        return self._rules("ordb.dat", None, parse_ordb, "")

    def rejectsmtpip(self) -> RejectRules:
        """rejectsmtpip.dat, without the locks that the server itself has set."""
        return self._rules("rejectsmtpip.dat", None, parse_rejectsmtpip, "")

    def approval_addresses(self) -> ApprovalAddresses:
        """approval-addresses.dat."""
        return self._rules("approval-addresses.dat", None, parse_approval_addresses, "")

    def approval_subjects(self) -> ApprovalSubjects:
        """approval-subjects.dat."""
        return self._rules("approval-subjects.dat", None, parse_approval_subjects, "")

    def _own(self, name: str, account: Account, parse: Callable[[Document], T]) -> T | None:
        if self._current(name, account) is None:
            return None
        return self._rules(name, account, parse, "")

    def _rules(self, name: str, account: Account | None, parse: Callable[[Document], T], shipped: str) -> T:
        stored = self._current(name, account)
        key = (name, 0 if account is None else account.id)
        known = self._parsed.get(key)
        if known is None or not _is_same(known[0], stored):
            known = self._parsed[key] = (stored, parse(_document(name, stored, shipped)))
            if len(self._parsed) > MOST_PARSED:
                self._parsed.popitem(last=False)
        return known[1]  # type: ignore[return-value]  # a name is always parsed by the same function


def met(origin: Origin, text: object) -> Rule:
    """A rule as the record notes it."""
    return Rule(origin.document, origin.account, origin.revision, origin.line, str(text))


def _is_same(known: StoredDocument | None, stored: StoredDocument | None) -> bool:
    if known is stored:
        return True
    return (
        known is not None and stored is not None and known.octets == stored.octets and known.revision == stored.revision
    )


def _document(name: str, stored: StoredDocument | None, shipped: str) -> Document:
    if stored is None:
        return Document(name, "", 0, shipped)
    return Document.decode(name, stored.octets, stored.account, stored.revision)


def _matcher(document: Document) -> MailMatcher | None:
    blocks = parse_mail(document).blocks
    return MailMatcher(blocks) if blocks else None
