# SPDX-License-Identifier: Apache-2.0
"""The operator's rule documents, parsed: each once for a revision. A change in the directory is seen at the next question."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

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
    from genkan.rules.kinds import Ruleset
    from genkan.rules.mail_block import MailRules
    from genkan.rules.ordb import OrdbRules
    from genkan.rules.rejectsmtpip import RejectRules
    from genkan.rules.sender import SenderRules

    Current = Callable[[str, "Account | None"], "StoredDocument | None"]
    Parsed = Callable[["Document", "Ruleset"], None]

T = TypeVar("T")
R = TypeVar("R", bound="Ruleset")

MOST_PARSED: Final = 4096  # documents kept in their parsed form; accounts may be many
MOST_KNOWN: Final = 65536  # answers, most of them that an account has no such document


def as_it_is(rules: Any) -> Any:  # noqa: ANN401  (whatever a parser gives is ready for use)
    """Most documents are asked in the form in which they are parsed."""
    return rules


class Rulebook:
    """All rule documents. What an account has not, and a mail.dat in which no block applies, is `None`.

    Asked several times for each message: an answer is found with one look, until anything changes in the directory; then a
    document is parsed again only if it is another text.
    """

    def __init__(self, current: Current, cache: dict[Any, Any], parsed: Parsed | None = None) -> None:
        """`current` gives the text that counts; `cache` is emptied by its owner whenever that may give another one.

        `parsed` is told of each text that comes into force, with what its parser found in it.
        """
        self._current = current
        self._known = cache
        self._tell = parsed
        self._parsed: OrderedDict[tuple[str, int], tuple[StoredDocument | None, object]] = OrderedDict()

    def effect(self) -> EffectRules:
        """The server's effect.dat."""
        return self._rules("effect.dat", parse_effect, SHIPPED)

    def account_effect(self, account: Account) -> EffectRules | None:
        """The effect.dat of an account that receives."""
        return self._own("effect.dat", account, parse_effect)

    def sender(self, account: Account) -> SenderRules | None:
        """The sender.dat of an account that sends."""
        return self._own("sender.dat", account, parse_sender)

    def mail(self) -> MailMatcher | None:
        """The server's mail.dat."""
        return self._rules("mail.dat", parse_mail, finish=_matcher)

    def account_mail(self, account: Account) -> MailMatcher | None:
        """The mail.dat of an account that receives."""
        return self._own("mail.dat", account, parse_mail, _matcher)

    def ordb(self) -> OrdbRules:
        """ordb.dat."""
        return self._rules("ordb.dat", parse_ordb)

    def rejectsmtpip(self) -> RejectRules:
        """rejectsmtpip.dat, without the locks that the server itself has set."""
        return self._rules("rejectsmtpip.dat", parse_rejectsmtpip)

    def approval_addresses(self) -> ApprovalAddresses:
        """approval-addresses.dat."""
        return self._rules("approval-addresses.dat", parse_approval_addresses)

    def approval_subjects(self) -> ApprovalSubjects:
        """approval-subjects.dat."""
        return self._rules("approval-subjects.dat", parse_approval_subjects)

    def _rules(
        self, name: str, parse: Callable[[Document], R], shipped: str = "", finish: Callable[[R], T] = as_it_is
    ) -> T:
        try:
            known: T = self._known[name]
        except KeyError:
            known = self._known[name] = self._parse((name, 0), self._current(name, None), shipped, parse, finish)
        return known

    def _own(
        self, name: str, account: Account, parse: Callable[[Document], R], finish: Callable[[R], T] = as_it_is
    ) -> T | None:
        key = (name, account.id)
        try:
            known: T | None = self._known[key]
        except KeyError:
            stored = self._current(name, account)
            known = None if stored is None else self._parse(key, stored, "", parse, finish)
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            self._known[key] = known
        return known

    def _parse(
        self,
        key: tuple[str, int],
        stored: StoredDocument | None,
        shipped: str,
        parse: Callable[[Document], R],
        finish: Callable[[R], T],
    ) -> T:
        before = self._parsed.get(key)
        if before is not None and _is_same(before[0], stored):
            return cast("T", before[1])
        document = _document(key[0], stored, shipped)
        rules = parse(document)
        if self._tell is not None:
            self._tell(document, rules)
        finished = finish(rules)
        self._parsed[key] = (stored, finished)
        if len(self._parsed) > MOST_PARSED:
            self._parsed.popitem(last=False)
        return finished


def met(origin: Origin, text: object) -> Rule:
    """A rule as the record notes it."""
    return Rule(origin.document, origin.account, origin.revision, origin.line, str(text).replace("\t", "  ").rstrip())


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


def _matcher(rules: MailRules) -> MailMatcher | None:
    return MailMatcher(rules.blocks) if rules.blocks else None
