# SPDX-License-Identifier: Apache-2.0
"""The rule documents there are, by name: whose they are, what the program ships, how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from genkan.rules import effect
from genkan.rules.approval import parse_approval_addresses, parse_approval_subjects
from genkan.rules.document import Document
from genkan.rules.effect import parse_effect
from genkan.rules.gateway import parse_gateway
from genkan.rules.mail import parse_mail
from genkan.rules.ordb import parse_ordb
from genkan.rules.rejectsmtpip import parse_rejectsmtpip
from genkan.rules.sender import parse_sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.findings import Finding


class Ruleset(Protocol):
    """What every format's parser gives, beside the rules themselves."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, dangerous or superfluous in the document."""


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A document by its name; `shipped` is the text of revision 0 of the server's own."""

    name: str
    parse: Callable[[Document], Ruleset]
    per_account: bool = False
    shipped: str = ""

    def shipped_document(self) -> Document:
        """Revision 0, what holds before anybody wrote anything."""
        return Document(self.name, "", 0, self.shipped)


_ALL: Final = (
    DocumentKind("effect.dat", parse_effect, per_account=True, shipped=effect.SHIPPED),
    DocumentKind("sender.dat", parse_sender, per_account=True),
    DocumentKind("mail.dat", parse_mail, per_account=True),
    DocumentKind("ordb.dat", parse_ordb),
    DocumentKind("rejectsmtpip.dat", parse_rejectsmtpip),
    DocumentKind("gateway.dat", parse_gateway),
    DocumentKind("approval-addresses.dat", parse_approval_addresses),
    DocumentKind("approval-subjects.dat", parse_approval_subjects),
)

KINDS: Final = {kind.name: kind for kind in _ALL}
