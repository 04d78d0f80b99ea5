# SPDX-License-Identifier: Apache-2.0
"""The record beside the mail: it tells what happened, holds no secret, disturbs nothing, and survives what may happen to it."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
from typing import TYPE_CHECKING, Any, Final

from genkan.record.reader import RecordReader, Wanted
from tests.support.disk import small_disk
from tests.support.load import Client, assert_nothing_lost, loading
from tests.support.server import add_account, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genkan.record.entry import Entry
    from tests.support.site import MakeSite, Site

PASSWORD: Final = "open sesame 1"
CLIENT: Final = "192.0.2.7"
IN_CLEAR: Final = '[auth]\nplaintext = "always"\nlockout_failures = 0\n'


def entries(site: Site) -> list[Entry]:
    """All of the record."""
    return list(RecordReader(site.config.storage_folder / "record").oldest_first(Wanted()))


def until_recorded(site: Site, wanted: Callable[[Entry], bool], what: str) -> None:
    """Wait for an entry."""
    until(lambda: any(wanted(entry) for entry in entries(site)), what)


def connection_of(client: str) -> Callable[[Entry], bool]:
    """Whether an entry is a client's connection."""
    return lambda entry: type(entry).__name__ == "ConnectionEntry" and entry.client == client


def explained(site: Site, *words: str) -> list[str]:
    """The lines of `genkan explain`."""
    done = site.genkan("explain", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def send_from(client: Client, sender: str) -> None:
    """A message from that reverse-path."""
    for command, code in ((f"MAIL FROM:<{sender}>", "250"), ("RCPT TO:<ann@in.test>", "250"), ("DATA", "354")):
        client.expect(code, client.command(f"{command}\r\n".encode()))
    client.expect("250", client.command(b"Subject: x\r\n\r\n.\r\n"))


def octets(folder: Path) -> bytes:
    """All files of a record, decompressed."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in files)


def test_what_happened_is_told_by_id_by_client_and_by_recipient_in_two_languages(make_site: MakeSite) -> None:
    site = make_site("[filter]\nexempt = []\n", proxy=True)
    site.start()
    spam = "Virus:watches\nSubject:watches\nLevel:100\nVirusEnd:\n"
    assert site.genkan("rules", "import", "mail.dat", "-", given=spam).returncode == 0
    with Client(site.port, proxy_for=CLIENT) as client:
        assert client.send(b"Subject: cheap watches\r\n\r\n")[:3] == "552"
        assert client.send(b"Subject: lunch\r\n\r\n")[:3] == "250"
        client.command(b"MAIL FROM:<x@out.test>\r\n")
        assert client.command(b"RCPT TO:<nobody@in.test>\r\n")[:3] == "550"
    until_recorded(site, connection_of(CLIENT), "the connection in the record")
    refused, accepted, _ = json.loads(site.genkan("explain", "--client", CLIENT, "--json").stdout)[0]["transactions"]
    assert (refused["content"]["decision"]["check"], refused["content"]["rules"][0]["line"]) == ("filter", 1)
    english = explained(site, refused["message_id"])
    assert any("mail.dat" in line and "line 1" in line for line in english), english
    japanese = explained(site, refused["message_id"], "--lang", "ja")
    assert len(japanese) == len(english)
    assert not "".join(japanese).isascii()
    assert any(accepted["message_id"] in line for line in explained(site, "--to", "ann@in.test"))
    assert explained(site, "--to", "nobody@in.test")
    unknown = site.genkan("explain", "B0000999999")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "nothing found: the record goes back to" in unknown.stderr
    assert site.terminate() == 0


def typed(*words: str) -> list[bytes]:
    """Credentials in all forms in which clients and people give them, as lines; `words` are login and password."""
    login, password = words
    plain = base64.b64encode(f"\0{login}\0{password}".encode())
    lines = [base64.b64encode(word.encode()) for word in (login, password)]
    return [
        b"AUTH PLAIN " + plain,
        b"AUTH PLAIN",
        plain,
        b"AUTH LOGIN",
        *lines,
        b"AUTH LOGIN " + lines[0],
        lines[1],
        b"AUTH CRAM-MD5",
        base64.b64encode(f"{login} {'0123456789abcdef' * 2}".encode()),
        b"AUTH SCRAM-SHA-256 " + base64.b64encode(f"n,,n={login},r=0123456789abcdef".encode()),
        base64.b64encode(f"c=biws,r=0123456789abcdef,p={base64.b64encode(b'x' * 32).decode()}".encode()),
        b"AUTH DIGEST-MD5 " + plain,
        b"AUTH " + plain,
        password.encode(),
        b"PASS " + password.encode(),
        plain,
        lines[1],
    ]


def test_neither_record_nor_log_ever_holds_a_password(make_site: MakeSite) -> None:
    site = make_site(IN_CLEAR, proxy=True)
    add_account(site.config, "eve@in.test", PASSWORD)
    site.start()
    secrets: set[bytes] = set()
    for login, password in (("eve@in.test", PASSWORD), ("eve", "wrong-pass-word"), ("typed-as-a-login", "Tr0ub4dor3")):
        lines = typed(login, password)
        secrets |= {password.encode(), *(line.rpartition(b" ")[2] for line in lines if len(line) > 20)}
        for start in range(len(lines)):
            with Client(site.port, proxy_for=CLIENT) as client:
                for line in lines[start : start + 3]:
                    client.command(line + b"\r\n")
    with Client(site.port, proxy_for="192.0.2.8") as client:
        client.command(b"AUTH LOGIN\r\n")
        client.command(base64.b64encode(PASSWORD.encode()) + b"\r\n")  # in the wrong place
        client.command(b"*\r\n")
    until_recorded(site, connection_of("192.0.2.8"), "the last connection in the record")
    assert site.terminate() == 0
    recorded, logged = octets(site.config.storage_folder / "record"), site.output.read_bytes()
    assert recorded.count(b'"mechanism"') > 20
    found = {secret for secret in secrets - {b"AUTH PLAIN"} if secret in recorded or secret in logged}
    assert found == set()


def test_a_full_disk_under_the_record_disturbs_no_mail(tmp_path: Path, make_site: MakeSite) -> None:
    with small_disk(tmp_path / "home" / "data" / "record", "1m") as disk:
        site = make_site()
        site.start()
        with loading(site.port, clients=4) as load:
            load.until_acknowledged(50)
            disk.fill()
            site.until_logged("the record cannot be written, its entries are dropped", 1)
            load.until_acknowledged(len(load.acknowledged) + 100)
            disk.free()
            site.until_logged("entries of the record lost", 1)
        assert load.errors == {}
        assert load.replies == {}
        assert_nothing_lost(site.config, load.acknowledged)
        with Client(site.port) as client:
            send_from(client, "after@out.test")
        until_recorded(site, lambda entry: named(entry) == "after@out.test", "mail after that")
        assert site.terminate() == 0


def test_a_record_that_is_deleted_while_the_server_runs_begins_anew(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    with Client(site.port) as client:
        for sender in ("one@out.test", "two@out.test"):
            send_from(client, sender)
            until_recorded(site, lambda entry, sender=sender: named(entry) == sender, f"the mail of {sender}")  # type: ignore[misc]
            shutil.rmtree(site.config.storage_folder / "record")
        send_from(client, "three@out.test")
        until_recorded(site, lambda entry: named(entry) == "three@out.test", "the mail after the deletion")
    assert site.terminate() == 0


def named(entry: Any) -> str:
    """The reverse-path of a transaction."""
    return str(getattr(entry, "reverse_path", ""))


def test_a_killed_server_leaves_a_record_that_can_be_read_and_goes_on(make_site: MakeSite) -> None:
    site = make_site("workers = 2\n")
    for _ in range(2):
        site.start()
        with loading(site.port, clients=8) as load:
            load.until_acknowledged(200)
            site.kill()
        assert entries(site) != []
        for path in (site.config.storage_folder / "record").rglob("*.jsonl"):
            with path.open("ab") as file:
                file.write(b'{"type":"transaction","at":17')  # as a crash of the machine may leave it
    site.start()
    sessions = [entry.session for entry in entries(site) if type(entry).__name__ == "ConnectionEntry"]
    assert len(sessions) == len(set(sessions))
    done = site.genkan("explain", "--to", "ann@in.test", "--limit", "1")
    assert done.returncode == 0, done.stderr
    assert site.terminate() == 0


def test_the_record_stays_within_its_size(make_site: MakeSite) -> None:
    site = make_site('[record]\nsize = "1MB"\n')
    site.start()
    record = site.config.storage_folder / "record"
    largest = 0
    with Client(site.port) as client:
        for _ in range(12):
            for _ in range(50):
                noise = base64.b64encode(os.urandom(3000))  # which compression makes little smaller
                fields = (b"X-Noise: %b\r\n" % noise[start : start + 80] for start in range(0, len(noise), 80))
                client.expect("250", client.send(b"".join(fields) + b"\r\n"))
            largest = max(largest, sum(path.stat().st_size for path in record.rglob("*.jsonl*")))
    assert 400_000 < largest < 1.3 * 1024 * 1024
    assert site.terminate() == 0
