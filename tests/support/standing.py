# SPDX-License-Identifier: Apache-2.0
"""The installation in which all transcripts take place: its accounts, its certificate, its listeners."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from genkan.admin.init import self_signed
from genkan.directory import Directory, ListSettings
from genkan.smtp.address import parse_mailbox
from tests.support.server import configuration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from genkan.config import Config

PASSWORD: Final = "ann's secret 1"
LISTS: Final = {
    "team": ListSettings("authenticated"),
    "news": ListSettings(),
    "club": ListSettings("members"),
    "slow": ListSettings(moderated=True),
}
FULL: Final = 2000  # octets in the mailbox of full@in.test, whose quota is half of that

_LISTENER: Final = '[[listener]]\naddress = "127.0.0.1:0"\nrole = "{role}"\nproxy_protocol = ["127.0.0.0/8"]\n'
_TLS: Final = {"tls.certificate": '"tls/cert.pem"', "tls.key": '"tls/key.pem"'}


def make_standing(home: Path) -> None:
    """Domains, accounts, aliases and lists; made once, since hashing a password takes its time, and then copied."""
    (home / "data").mkdir(parents=True)
    with Directory.open(home / "data") as directory:
        directory.domains.add("in.test")
        directory.domains.add("in2.test")
        add = directory.accounts.add
        add(parse_mailbox("ann@in.test"), "Ann Example", PASSWORD, reversible=True)
        add(parse_mailbox("bob@in.test"), "Bob Example")
        add(parse_mailbox("full@in.test"), "Full Example", quota=FULL // 2)
        add(parse_mailbox("kai@in2.test"), "Kai Example")
        directory.aliases.add(parse_mailbox("sales@in.test"), parse_mailbox("ann@in.test"))
        for name, settings in LISTS.items():
            mailing_list = directory.lists.add(parse_mailbox(f"{name}@in.test"), settings)
            for member in ("ann@in.test", "bob@in.test"):
                directory.lists.add_member(mailing_list.address, parse_mailbox(member))
    _make_certificate(home / "tls")
    _make_maildir(home / "mail/in.test/full")


def standing_configuration(template: Path, home: Path, settings: Mapping[str, str]) -> Config:
    """A copy of the installation in `home`, with one listener of each role and `settings` (dotted keys, TOML text)."""
    if not home.exists():
        shutil.copytree(template, home)
    chosen = _TLS | dict(settings)
    roles = ["smtp", "submission"] if chosen["tls.certificate"] == '""' else ["smtp", "submission", "submissions"]
    text = "\n".join(f"{key} = {value}" for key, value in chosen.items())
    return configuration(home, text, "".join(_LISTENER.format(role=role) for role in roles))


def place_rules(config: Config, rules: Mapping[tuple[str, str], bytes]) -> None:
    """Make these the rule documents, by name and account; "" for the server's own."""
    with Directory.open(config.storage_folder) as directory:
        for (name, address), octets in rules.items():
            account = directory.account(parse_mailbox(address)) if address else None
            assert (account is None) == (not address), f"there is no account {address}"
            directory.documents.store(name, account, octets, "operator")


def _make_certificate(folder: Path) -> None:
    certificate, key = self_signed("mx.in.test", datetime.now(UTC))
    folder.mkdir()
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)


def _make_maildir(folder: Path) -> None:
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "new" / f"1.full,S={FULL}").write_bytes(bytes(FULL))
