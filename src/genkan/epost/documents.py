# SPDX-License-Identifier: Apache-2.0
"""The rule documents of an installation: what is taken over, what the parsers say of it, what must not be taken over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from genkan.epost.filters import without_destroying_blocks
from genkan.findings import Finding, Level, note, warning
from genkan.rules.document import MAX_DOCUMENT, Document
from genkan.rules.gateway import GatewayRules, parse_gateway
from genkan.rules.kinds import KINDS
from genkan.rules.rejectsmtpip import parse_rejectsmtpip

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from genkan.epost.mailboxes import MailboxFolder
    from genkan.epost.tree import Tree
    from genkan.smtp.address import Mailbox

_NOT_TAKEN: Final = {
    "virus.dat": ("is not taken over", "put its blocks in mail.dat, or set filter.scanner"),
    "usetime.dat": ("is not taken over: there are no hours of use", "nothing is to be done"),
    "ccdisableip.dat": (
        "is not taken over: mail is forwarded whichever client it came from",
        "name the senders whose mail is forwarded: genkan account forward ADDRESS --from PATTERN",
    ),
}


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A document as it will be stored; `account` is `None` for the server's own, `source` the file it comes from."""

    name: str
    account: Mailbox | None
    text: str = field(repr=False)
    source: str


class DocumentCollection:
    """Collects them, the server's own and those of accounts."""

    def __init__(self) -> None:
        self.found: list[FoundDocument] = []
        self.losses: list[Finding] = []
        self.refused: list[Finding] = []

    def add_program_folder(self, tree: Tree, folder: Path) -> None:
        """The server's own documents; those of a folder that was added before stay."""
        names = tree.names(folder)
        there = {document.name for document in self.found}
        for name in KINDS:
            text = tree.text(names[name]) if name in names and name not in there else None
            if text is not None:
                self._add(Document(name, "", 0, text), None, tree.title(names[name]))
        for name, (sentence, remedy) in _NOT_TAKEN.items():
            if name in names:
                self.losses.append(warning(tree.title(names[name]), sentence, remedy))

    def add_folders(self, folders: Iterable[tuple[Mailbox, MailboxFolder]], tree: Tree) -> None:
        """The documents of accounts."""
        for address, folder in folders:
            for name, text in folder.texts.items():
                self._add(Document(name, str(address), 0, text), address, f"{tree.title(folder.path)}/{name}")

    def gateway(self) -> GatewayRules:
        """The rules of gateway.dat, none without one."""
        text = next((document.text for document in self.found if document.name == "gateway.dat"), "")
        return parse_gateway(Document("gateway.dat", "", 0, text))

    def _add(self, document: Document, account: Mailbox | None, source: str) -> None:
        text = document.text
        if document.name == "mail.dat":
            text, refused = without_destroying_blocks(document)
            self.refused += refused
        elif document.name == "rejectsmtpip.dat":
            text = self._without_temporary_locks(document, source)
        kind = KINDS[document.name]
        findings = kind.parse(Document(document.name, document.account, 0, text)).findings
        self.losses += [finding for finding in findings if finding.level is not Level.NOTE]
        if len(text.encode()) > MAX_DOCUMENT:
            self.losses.append(warning(source, "is too large in UTF-8 and is not taken over", "shorten it"))
            return
        self.found.append(FoundDocument(document.name, account, text, source))

    def _without_temporary_locks(self, document: Document, source: str) -> str:
        """The lines that do not end by themselves; how the product counts the time of the others is not known."""
        rules = parse_rejectsmtpip(document).rules
        temporary = {rule.origin.line for rule in rules if rule.until is not None}
        if not temporary:
            return document.text
        sentence = f"{len(temporary)} temporary locks are not taken over"
        self.losses.append(note(source, sentence, "whoever deserves it is locked anew"))
        return "\n".join(text for number, text in document.all_lines() if number not in temporary)
