# SPDX-License-Identifier: Apache-2.0
"""Where the parts of an installation lie: work folder, program folder, folder of mailboxes, exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.epost.settings import is_domain
from genkan.epost.tables import kind_of
from genkan.rules.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from genkan.epost.tree import Tree

PROGRAM_FILES: Final = frozenset(KINDS) | {"virus.dat", "usetime.dat", "ccdisableip.dat"}
EXPORTS: Final = (".txt", ".tsv", ".tab", ".csv")

_MAIL_AND_LOGS: Final = frozenset(
    {
        "inbox",
        "incoming",
        "domains",
        "holding",
        "cluster",
        "reg",
        "acceptlog",
        "inlog",
        "receivelog",
        "outlog",
        "viruslog",
    }
)
_PROGRAM_FOLDERS: Final = (
    "bin",
    "ms",
    "mta",
    "epost",
    "program",
    "program files",
    "program files (x86)",
    "local",
    "usr",
)
_WORK_MARKS: Final = frozenset({"inbox", "incoming", "reg", "cluster"})
_DEPTH: Final = 4
_MOST_FOLDERS: Final = 1000


class NoInstallation(Exception):
    """The folder that was named holds nothing of the product; the text says what to name instead."""


def check_work_folder(tree: Tree) -> None:
    """Raise NoInstallation unless something in the folder looks like the product's."""
    names = tree.names(tree.root) if tree.root.is_dir() else {}
    if not _WORK_MARKS & set(names) and not _is_program_folder(names):
        raise NoInstallation(
            f"{tree.root} is no E-POST work folder: there is no inbox, incoming, reg, cluster or .dat file in it; "
            "name the folder that the admin tool calls the work folder"
        )


def find_program_folders(tree: Tree) -> list[Path]:
    """The folders in the work folder that hold the product's files, itself included; the nearest first."""
    found: list[Path] = []
    level, seen = [tree.root], 0
    for _ in range(_DEPTH):
        below: list[Path] = []
        for folder in level:
            seen += 1
            names = tree.names(folder) if seen <= _MOST_FOLDERS else {}
            if _is_program_folder(names):
                found.append(folder)
            below += [path for name, path in names.items() if name not in _MAIL_AND_LOGS and path.is_dir()]
        level = below
    return found


def find_program_beside(work: Path) -> Path | None:
    """The program folder beside the work folder, by the names it has on Windows and BSD; `None` without one."""
    level = [work.parent]
    for _ in range(_DEPTH):
        below = [path for folder in level for path in _candidates(folder) if path != work]
        for folder in below:
            if _is_program_folder(path.name.lower() for path in _entries(folder)):
                return folder
        level = below
    return None


def _candidates(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.name.lower() in _PROGRAM_FOLDERS and path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.is_symlink())
    except OSError:
        return []


def _is_program_folder(names: Iterable[str]) -> bool:
    return any(name in PROGRAM_FILES or (name.endswith(".idx") and is_domain(name[:-4])) for name in names)


def find_exports(tree: Tree, folder: Path) -> tuple[list[Path], list[Path]]:
    """The exports of accounts and of aliases that lie in a folder, known by what is in them."""
    accounts: list[Path] = []
    aliases: list[Path] = []
    for name, path in tree.names(folder).items():
        if not name.endswith(EXPORTS) or not path.is_file():
            continue
        text = tree.text(path)
        match None if text is None else kind_of(text):
            case "accounts":
                accounts.append(path)
            case "aliases":
                aliases.append(path)
            case _:
                pass
    return accounts, aliases
