# SPDX-License-Identifier: Apache-2.0
"""The folders of mailboxes: whose they are, which documents, quota and mail lie in them, and what is not carried over."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from genkan.epost.settings import is_domain
from genkan.findings import Finding, warning
from genkan.rules.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from genkan.epost.tree import Tree

AUTH_FILES: Final = ("apop.dat", "smtpauth.dat")
DELIVERY_FILES: Final = {
    "ims.ctl": "forwarding",
    "permitfrom.txt": "forwarding",
    "autoreply.txt": "automatic replies",
    "noreply.txt": "automatic replies",
    "usetime.dat": "hours of use",
}
"""What the product's delivery service reads in a mailbox folder, and what it does with it."""
_OF_THE_MAILBOX: Final = frozenset({*AUTH_FILES, *DELIVERY_FILES, "size.ctl", "replied.txt", *KINDS})

_MESSAGE: Final = ".msg"
_FOLDER_DEPTH: Final = 8
_MOST_FOLDERS: Final = 10_000


@dataclass(slots=True)
class MailboxFolder:
    """One account's folder. `domain` is "" where the folders of all domains lie together; `quota` is `None` if not set.

    `texts` are its rule documents by name, `messages` the files of mail in it, `deeper` the number of those in folders
    below.
    """

    path: Path
    user: str
    domain: str
    has_auth: bool = False
    quota: int | None = None
    texts: dict[str, str] = field(default_factory=dict)
    uses: list[str] = field(default_factory=list)
    messages: tuple[Path, ...] = ()
    deeper: int = 0


def read_mailboxes(tree: Tree, inbox: Path, domains: Collection[str]) -> list[MailboxFolder]:
    """All of them, ordered by name; `domains` tells folders of domains from folders of accounts."""
    found: list[MailboxFolder] = []
    for name, path in tree.folders(inbox).items():
        if name in domains or _is_domain_folder(tree, name, path):
            found += [_read(tree, folder, name) for folder in tree.folders(path).values()]
        else:
            found.append(_read(tree, path, ""))
    return found


def _is_domain_folder(tree: Tree, name: str, path: Path) -> bool:
    """Named like a domain, and with nothing but mailbox folders in it."""
    if not is_domain(name):
        return False
    names = tree.names(path)
    return bool(names) and all(entry.is_dir() for entry in names.values())


def _read(tree: Tree, path: Path, domain: str) -> MailboxFolder:
    names = tree.names(path)
    folder = MailboxFolder(path, path.name, domain)
    folder.has_auth = any(name in names for name in AUTH_FILES)
    folder.quota = _quota(tree, names.get("size.ctl"))
    folder.uses = sorted({use for name, use in DELIVERY_FILES.items() if name in names})
    for name, kind in KINDS.items():
        if kind.per_account and name in names:
            text = tree.text(names[name])
            if text is not None:
                folder.texts[name] = text
    folder.messages = tuple(entry for name, entry in names.items() if name.endswith(_MESSAGE) and entry.is_file())
    folder.deeper = sum(1 for _ in _messages_below(tree, names))
    return folder


def _messages_below(tree: Tree, names: dict[str, Path]) -> Iterator[Path]:
    level = [path for path in names.values() if path.is_dir()]
    for _ in range(_FOLDER_DEPTH):
        below: list[Path] = []
        for folder in level[:_MOST_FOLDERS]:
            for name, path in tree.names(folder).items():
                if path.is_dir():
                    below.append(path)
                elif name.endswith(_MESSAGE):
                    yield path
        level = below


def _quota(tree: Tree, path: Path | None) -> int | None:
    """The number in size.ctl, the only form of it that can be understood: octets, 0 for no limit."""
    if path is None:
        return None
    text = tree.text(path, 1024)
    if text is None:
        return None
    number = re.fullmatch(r"\s*([0-9]{1,18})\s*", text)
    if number is None:
        tree.findings.append(
            warning(
                tree.title(path),
                "is not one whole number, so the quota is not taken over",
                "set it: genkan account set ADDRESS --quota SIZE",
            )
        )
        return None
    return int(number[1])


def losses_of(address: str, folder: MailboxFolder, title: str) -> Iterator[Finding]:
    """What an account loses; `title` names the folder."""
    if folder.uses:
        yield warning(
            title,
            f"{' and '.join(folder.uses)} of {address} is not carried over",
            "ask its owner, and set it up again with: genkan account forward, genkan account reply",
        )
    if folder.deeper:
        yield warning(
            title,
            f"{folder.deeper} messages of {address} lie in IMAP folders and are not copied",
            "copy them by IMAP from the old server",
        )
