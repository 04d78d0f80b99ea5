# SPDX-License-Identifier: Apache-2.0
"""A folder of rule documents, for git and for `genkan whatif`: the server's own as NAME, others as accounts/ADDRESS/NAME."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.directory import InvalidValue
from genkan.directory.documents import MAX_DOCUMENT
from genkan.rules.kinds import KINDS
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox
from genkan.storage.engine import translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNTS: Final = "accounts"


class FoundDocument(NamedTuple):
    """A document in a folder; `account` is the address that its folder is named after, `None` for the server's own."""

    name: str
    account: Mailbox | None
    octets: bytes


def read_folder(folder: Path) -> tuple[FoundDocument, ...]:
    """The documents of a folder, the server's first; files that do not end in .dat are left alone.

    Raises InvalidValue for a .dat file of an unknown name or a folder not named after an address, StorageError for what
    cannot be read.
    """
    with translated(str(folder)):
        own = sorted(folder.iterdir())
        accounts = (
            [path for path in sorted((folder / ACCOUNTS).iterdir()) if path.is_dir()] if _has_accounts(own) else []
        )
    found = list(_documents(own, None))
    for path in accounts:
        with translated(str(path)):
            files = sorted(path.iterdir())
        found += _documents(files, _address(path))
    return tuple(found)


def write_file(path: Path, octets: bytes) -> None:
    """Write a file, its folders made as needed; raises StorageError."""
    with translated(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)


def path_in(folder: Path, name: str, account: str) -> Path:
    """Where a document lies in a folder; `account` is "" for the server's own."""
    return folder / ACCOUNTS / account / name if account else folder / name


def _has_accounts(paths: list[Path]) -> bool:
    return any(path.name == ACCOUNTS and path.is_dir() for path in paths)


def _documents(paths: list[Path], account: Mailbox | None) -> Iterator[FoundDocument]:
    for path in paths:
        if path.name in KINDS:
            yield FoundDocument(path.name, account, _read(path))
        elif path.suffix == ".dat":
            raise InvalidValue(f"{path} is no rule document; rename it to one of {', '.join(KINDS)}, or move it away")


def _read(path: Path) -> bytes:
    with translated(str(path)), path.open("rb") as file:
        return file.read(MAX_DOCUMENT + 1)  # so that one too long is refused, and not cut


def _address(path: Path) -> Mailbox:
    try:
        return parse_mailbox(path.name)
    except AddressError as error:
        raise InvalidValue(f"{path} is not named after an account: {error}; rename it as in ann@in.test") from None
