# SPDX-License-Identifier: Apache-2.0
"""An E-POST server's accounts and rules are taken over while this server runs, and from then on it decides by them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory.directory import Directory
from genkan.smtp.address import parse_mailbox
from tests.epost.installations import windows_installation
from tests.support.load import RECIPIENTS, Client
from tests.support.server import maildir, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.site import MakeSite, Site

CLIENT: Final = "192.0.2.7"
PLAIN: Final = base64.b64encode(b"\0ann@in.test\0ann-secret-1")


def empty(site: Site) -> None:
    """The domain without its accounts."""
    with Directory.open(site.config.storage_folder) as directory:
        for address in RECIPIENTS:
            directory.accounts.remove(parse_mailbox(address))


def replies_to(site: Site, *commands: bytes, client: str = CLIENT) -> list[str]:
    """The codes of the replies to these commands on a new connection."""
    with Client(site.port, proxy_for=client) as connection:
        return [connection.command(command + b"\r\n")[:3] for command in commands]


def test_accounts_aliases_and_rules_of_an_installation_count_at_once(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site('workers = 2\n[auth]\nplaintext = "always"\n', proxy=True)
    empty(site)
    work = windows_installation(tmp_path / "old")
    site.start()
    to_ann = (b"MAIL FROM:<x@out.test>", b"RCPT TO:<info-desk@in.test>", b"DATA")
    assert replies_to(site, *to_ann)[:2] == ["250", "550"]

    plan = site.genkan("import-epost", str(work))
    assert (plan.returncode, plan.stderr) == (1, "nothing was changed; to carry the plan out, give --yes\n")
    assert "To do:" in plan.stdout
    assert "nothing was" not in plan.stdout
    assert replies_to(site, *to_ann)[:2] == ["250", "550"]

    assert site.genkan("import-epost", str(work), "--mail", "--yes").returncode == 0
    assert len(maildir(site.config, "ann@in.test")) == 2
    assert replies_to(site, *to_ann, b"X-SPAM-mail: X-appliance\r\n\r\n.") == ["250", "250", "354", "552"]
    assert replies_to(site, *to_ann, b"Subject: lunch\r\n\r\n.") == ["250", "250", "354", "250"]
    until(lambda: len(maildir(site.config, "ann@in.test")) == 3, "the new mail behind the old")
    from_ann = (b"AUTH PLAIN " + PLAIN, b"MAIL FROM:<ann@in.test>")
    assert replies_to(site, *from_ann, b"RCPT TO:<x@rival.test>", b"RCPT TO:<x@out.test>") == [
        "235",
        "250",
        "550",
        "250",
    ]
    assert replies_to(site, b"MAIL FROM:<ann@in.test>", b"RCPT TO:<x@out.test>") == ["250", "550"]
    for client in ("198.51.100.9", "203.0.113.77"):
        with pytest.raises(ConnectionError, match="gone after ''"):
            replies_to(site, client=client)
    assert replies_to(site, client="192.0.2.200") == []

    again = site.genkan("import-epost", str(work), "--mail", "--yes")
    assert again.returncode == 0, again.stderr
    assert again.stdout.endswith("\nnothing to do\n")
    assert len(maildir(site.config, "ann@in.test")) == 3
    assert site.terminate() == 0
