# SPDX-License-Identifier: Apache-2.0
"""The product's file-based settings (`reg`, one small file a value) and what they are called in genkan.toml.

On Windows most of them lie in the registry, which is not read here; see docs/import-epost.md for what to look up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.findings import Finding, note, warning
from genkan.smtp.address import AddressError, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from genkan.epost.tree import Tree

MAX_VALUES: Final = 5000
MAX_DEPTH: Final = 8
MAX_VALUE: Final = 64 * 1024  # octets
MAX_NUMBER: Final = 2**62

_RECEIVER: Final = frozenset({"ims", "epost", "emwac", "software", "epst5rs", "epstrs"})
"""Folders of the settings tree whose values concern the receiver; any other one belongs to a sister service."""


class Value(NamedTuple):
    """One setting as its file has it; `source` is the file, for people."""

    name: str
    text: str
    source: str

    def number(self) -> int | None:
        """The value as a whole number, `None` when it is none."""
        text = self.text.strip()
        if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > MAX_NUMBER:
            return None
        return int(text)


@dataclass(frozen=True, slots=True)
class Setting:
    """A line for genkan.toml: key with its table, value as TOML, the file it comes from, and what differs."""

    key: str
    value: str
    source: str
    remark: str = ""


class Settings:
    """The values found, by name in any case, and how many belong to other services."""

    def __init__(self, values: dict[str, Value], foreign: int) -> None:
        self._values = values
        self.foreign = foreign
        self.findings: list[Finding] = []
        self._known: set[str] = set()

    def text(self, name: str) -> str:
        """A value's text without blanks around it, "" when it is not set."""
        value = self._take(name)
        return "" if value is None else value.text.strip()

    def number(self, name: str) -> int | None:
        """A value as a number; `None` when it is not set, or, with a finding, no number."""
        value = self._take(name)
        if value is None:
            return None
        number = value.number()
        if number is None:
            self.findings.append(
                warning(value.source, "holds no whole number and is not read", "look the setting up by hand")
            )
        return number

    def source(self, name: str) -> str:
        """The file of a value that is set."""
        return self._values[name.lower()].source

    def unknown(self) -> tuple[Value, ...]:
        """The values nobody has asked for."""
        return tuple(value for name, value in self._values.items() if name not in self._known)

    def _take(self, name: str) -> Value | None:
        self._known.add(name.lower())
        return self._values.get(name.lower())


def read_settings(tree: Tree, work: Path) -> Settings:
    """Read `work/reg`; the receiver's own subtree goes before what it shares with other services."""
    root = tree.folder(work, "reg")
    values: dict[str, Value] = {}
    foreign = 0
    for folders, path in () if root is None else _files(tree, root, ()):
        if not set(folders) <= _RECEIVER:
            foreign += 1
            continue
        name = re.sub(r"\.[0-9]+\Z", "", path.name)
        text = tree.text(path, MAX_VALUE)
        own = folders[-1:] in (("epst5rs",), ("epstrs",))
        if text is not None and (own or name.lower() not in values):
            values[name.lower()] = Value(name, text, tree.title(path))
        if len(values) + foreign >= MAX_VALUES:
            break
    return Settings(values, foreign)


def _files(tree: Tree, folder: Path, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Files with the folders they lie in; what is shared comes before what is special."""
    below = []
    for name, path in tree.names(folder).items():
        if path.is_dir():
            below.append((name, path))
        else:
            yield above, path
    if len(above) < MAX_DEPTH:
        for name, path in below:
            yield from _files(tree, path, (*above, name))


def local_domains(settings: Settings) -> tuple[str, ...]:
    """The domains in DomainNamesAreLocal, however they are separated."""
    words = re.split(r"[\s,;|]+", settings.text("DomainNamesAreLocal"))
    return tuple(word for word in words if is_domain(word))


def is_domain(word: str) -> bool:
    """Whether a word can be a domain with a dot in it."""
    try:
        return "." in word and not word.startswith("[") and bool(parse_mailbox(f"postmaster@{word}"))
    except AddressError:
        return False


def mailbox_quota(settings: Settings) -> int | None:
    """The quota of accounts without one of their own, in octets; `None` for no limit (the product's page bsd-10-95)."""
    high, low = settings.number("nMailInBoxSizeHigh") or 0, settings.number("nMailInBoxSize") or 0
    if low >= 2**32:
        return low
    return (high * 2**32 + low) or None


def mailbox_folder(settings: Settings) -> str:
    """The name of the folder of mailboxes below the work folder, from MailInBoxDir; "inbox" without it."""
    folders = re.split(r"[\\/]+", settings.text("MailInBoxDir"))
    before = [name for name in folders if name and "%" not in name and not name.endswith(":")]
    return before[-1] if before else "inbox"


def settings_for(settings: Settings) -> tuple[Setting, ...]:
    """The lines for genkan.toml, and in `settings.findings` what has no counterpart."""
    lines = [line for make in _LINES for line in make(settings)]
    settings.findings += [finding for name, tell in _REMARKS.items() if (finding := tell(settings, name)) is not None]
    for name in ("MailSpoolDir", "LastMsgId"):  # read elsewhere
        settings.text(name)
    settings.findings += [
        note(value.source, f"{value.name} has no known counterpart", "look it up in the old admin tool")
        for value in settings.unknown()
    ]
    if settings.foreign:
        settings.findings.append(
            note("reg", f"{settings.foreign} values of sister services are not read", "they do not concern reception")
        )
    return tuple(lines)


def _hops(settings: Settings) -> Iterator[Setting]:
    hops = settings.number("Received")
    if hops is not None:
        source = settings.source("Received")
        kept = min(max(hops, 1), 1000)
        yield Setting("limits.hops", str(kept), source, "" if kept == hops else f"was {hops}; 1 to 1000 can be set")


def _connection_limit(settings: Settings) -> Iterator[Setting]:
    """The product locks with the connection that reaches the number, Genkan with the one that exceeds it (faq17-09)."""
    number, window, lockout = map(settings.number, ("IPLockOut", "IPLockOutSPTime", "IPLockOutTime"))
    if not number:
        return
    source = settings.source("IPLockOut")
    yield Setting("limits.connections_per_client", str(max(number - 1, 1)), source, f"locked with connection {number}")
    for key, name, seconds in (
        ("limits.connection_window", "IPLockOutSPTime", window),
        ("limits.connection_lockout", "IPLockOutTime", lockout),
    ):
        if seconds:
            yield Setting(key, f'"{min(seconds, 10**8)}s"', settings.source(name), "taken as seconds")


_LINES: Final[tuple[Callable[[Settings], Iterator[Setting]], ...]] = (_hops, _connection_limit)


def _filter_note(settings: Settings, name: str) -> Finding | None:
    if settings.number(name) is None:
        return None
    return note(settings.source(name), "Comp:1 in mail.dat always works here", "nothing is to be done")


def _host_note(settings: Settings, name: str) -> Finding | None:
    if settings.number(name) is None:
        return None
    return note(settings.source(name), "the server's name is not looked up here", "set hostname in genkan.toml")


def _tls_note(settings: Settings, name: str) -> Finding | None:
    if not settings.text(name):
        return None
    return note(
        settings.source(name), "TLS versions and levels are those of the machine's OpenSSL", "set them in openssl.cnf"
    )


_REMARKS: Final[dict[str, Callable[[Settings, str], Finding | None]]] = {
    "MailFilterUp": _filter_note,
    "LISTENADDRPRI": _host_note,
    "SecureLayOption": _tls_note,
    "SecureLevel": _tls_note,
}


def settings_text(settings: tuple[Setting, ...]) -> str:
    """The lines as a fragment of TOML, table by table, with their origin beside each."""
    lines: list[str] = []
    table = ""
    for setting in sorted(settings, key=lambda setting: setting.key.rpartition(".")[0]):
        above, _, key = setting.key.rpartition(".")
        if above != table:
            table = above
            lines += [""] * bool(lines) + [f"[{table}]"]
        remark = f"; {setting.remark}" if setting.remark else ""
        lines.append(f"{key} = {setting.value}  # {_on_one_line(setting.source)}{remark}")
    return "".join(f"{line}\n" for line in lines)


def _on_one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
