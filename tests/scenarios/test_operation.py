# SPDX-License-Identifier: Apache-2.0
"""What an operator does while the server runs takes effect at once, in every worker."""

from __future__ import annotations

import json
import shutil
import signal
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from genkan.admin.init import self_signed
from genkan.spool.reading import list_queued
from tests.support.load import Client, assert_nothing_lost, loading

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.site import MakeSite, Site

CONNECTIONS = 12  # that all of them reach one of two workers happens once in 2000 runs
LOCKED_OUT = "192.0.2.66"


def rcpt(site: Site, address: str) -> set[str]:
    """The replies to RCPT on several new connections."""
    replies = set()
    for _ in range(CONNECTIONS):
        with Client(site.port) as client:
            client.command(b"MAIL FROM:<carol@example.net>\r\n")
            replies.add(client.command(f"RCPT TO:<{address}>\r\n".encode())[:3])
    return replies


def test_an_account_an_alias_and_their_removal_take_effect_at_once(make_site: MakeSite) -> None:
    site = make_site("workers = 2")
    site.start()
    assert rcpt(site, "eve@in.test") == {"550"}
    assert site.genkan("account", "add", "eve@in.test", "--name", "Eve", "--no-auth").returncode == 0
    assert rcpt(site, "eve@in.test") == {"250"}
    assert rcpt(site, "sales@in.test") == {"550"}
    assert site.genkan("alias", "add", "sales@in.test", "eve@in.test").returncode == 0
    assert rcpt(site, "sales@in.test") == {"250"}
    assert site.genkan("alias", "remove", "sales@in.test").returncode == 0
    assert rcpt(site, "sales@in.test") == {"550"}
    assert site.terminate() == 0


def test_a_lock_that_is_cleared_lets_the_client_in_at_once(make_site: MakeSite) -> None:
    site = make_site('workers = 2\n[auth]\nlockout_failures = 3\nplaintext = "always"\n', proxy=True)
    site.start()
    for _ in range(3):
        with Client(site.port, proxy_for=LOCKED_OUT) as client:
            assert client.command(b"AUTH PLAIN AGFubkBpbi50ZXN0AHdyb25n\r\n")[:3] == "535"
    for _ in range(CONNECTIONS):
        with pytest.raises(ConnectionError):
            Client(site.port, proxy_for=LOCKED_OUT)
    assert [lock["network"] for lock in json.loads(site.genkan("lock", "list", "--json").stdout)] == [
        f"{LOCKED_OUT}/32"
    ]
    assert site.genkan("lock", "clear", LOCKED_OUT).returncode == 0
    for _ in range(CONNECTIONS):
        Client(site.port, proxy_for=LOCKED_OUT).close()
    assert site.terminate() == 0


def make_certificate(home: Path) -> bytes:
    """A new certificate in the files of the configuration; its DER octets."""
    certificate, key = self_signed("mx.in.test", datetime.now(UTC))
    (home / "cert.pem").write_bytes(certificate)
    (home / "key.pem").write_bytes(key)
    return ssl.PEM_cert_to_DER_cert(certificate.decode())


def seen(site: Site) -> set[tuple[str, bytes | None]]:
    """Banner and certificate on several new connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    found = set()
    for _ in range(CONNECTIONS):
        with Client(site.port) as client:
            client.expect("220", client.command(b"STARTTLS\r\n"))
            with context.wrap_socket(client.socket) as secured:
                found.add((client.greeting, secured.getpeercert(binary_form=True)))
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_takes_over_certificate_and_banner_and_refuses_what_is_wrong(make_site: MakeSite, workers: int) -> None:
    settings = f'workers = {workers}\nbanner = "BANNER"\n[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
    site = make_site(settings.replace("BANNER", "first"))
    first = make_certificate(site.config.home)
    site.start()
    with Client(site.port) as client:
        assert seen(site) == {("220 mx.in.test first", first)}
        second = make_certificate(site.config.home)
        site.configure(settings.replace("BANNER", "second") + '[limits]\nidle = "7m"\n')
        site.signal(signal.SIGHUP)
        site.until_logged("reloaded", workers)
        assert [entry["needs_restart"] for entry in site.logged("reloaded")] == [["limits.idle"]] * workers
        assert seen(site) == {("220 mx.in.test second", second)}
        site.config.file.write_text("workers = many\n")
        site.signal(signal.SIGHUP)
        site.until_logged("reload refused, everything stays as it was", workers)
        assert seen(site) == {("220 mx.in.test second", second)}
        assert client.command(b"NOOP\r\n")[:3] == "250"
    assert site.terminate() == 0


def test_the_spool_of_a_worker_that_is_no_more_is_delivered_by_those_that_are(make_site: MakeSite) -> None:
    site = make_site("workers = 3\n[delivery]\npaused = true\n")
    site.start()
    with loading(site.port) as load:
        load.until_acknowledged(200)
    assert site.terminate() == 0
    queued = {message.spool.name for message in list_queued(site.config.storage_folder, datetime.now(UTC))}
    assert queued == {"1", "2", "3"}
    site.configure("workers = 1\n")
    site.start()
    assert_nothing_lost(site.config, load.acknowledged)
    assert site.terminate() == 0


def test_a_directory_restored_beside_a_newer_queue_gives_out_none_of_its_ids(make_site: MakeSite) -> None:
    site = make_site("[delivery]\npaused = true\n")
    backup = site.config.home / "backup"
    site.start()
    assert site.terminate() == 0
    shutil.copytree(site.config.storage_folder, backup, ignore=shutil.ignore_patterns("spool", "record"))
    for restored in (False, True):
        if restored:
            shutil.copytree(backup, site.config.storage_folder, dirs_exist_ok=True)
        site.start()
        with Client(site.port) as client:
            assert client.send(b"Subject: kept\r\n\r\n")[:3] == "250"
        assert site.terminate() == 0
    first, second = (one.message_id for one in list_queued(site.config.storage_folder, datetime.now(UTC)))
    assert first < second
