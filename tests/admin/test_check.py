# SPDX-License-Identifier: Apache-2.0
"""`genkan check`: one finding for each thing that is wrong or dangerous, and silence where all is well."""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from genkan.admin.check import findings_of
from genkan.admin.check_machine import check_open_files, is_running, mail_folder
from genkan.admin.init import VALIDITY, self_signed
from genkan.config import Config, parse_config
from genkan.directory import Directory
from genkan.findings import Finding, Level
from genkan.smtp.address import Mailbox
from tests.support.spools import open_spool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.admin.conftest import Installation

pytestmark = pytest.mark.usefixtures("dns")  # whom the installation asks

NOW = datetime.now(UTC)
SELF_SIGNED = "is self-signed: senders cannot tell who we are"


@pytest.fixture
def sound(installation: Installation) -> Installation:
    """An installation with nothing to say about but its self-signed certificate."""
    installation.set("sender_trust = 1", "sender_trust = 2")
    installation.text("account", "add", "ann@in.test", "--password-stdin", "--reversible", given="ann's secret 1\n")
    installation.text("alias", "add", "postmaster@in.test", "ann@in.test")
    return installation


def found(installation: Installation, now: datetime = NOW) -> list[Finding]:
    return [finding for finding in findings_of(installation.config, now) if finding.sentence != SELF_SIGNED]


def only(installation: Installation, now: datetime = NOW) -> tuple[Level, str, str]:
    """Level, subject and sentence of the one finding there must be; subjects below the folder without it."""
    (finding,) = found(installation, now)
    return finding.level, finding.subject.removeprefix(f"{installation.folder}/"), finding.sentence


def test_a_sound_installation_has_only_a_note_on_its_certificate(sound: Installation) -> None:
    assert [str(finding) for finding in findings_of(sound.config, NOW)] == [
        f"note: {sound.folder}/tls/cert.pem: {SELF_SIGNED}; get one from a certificate authority"
    ]


def test_the_command_prints_findings_and_succeeds_without_an_error(sound: Installation) -> None:
    assert sound.text("check") == (
        f"note: {sound.folder}/tls/cert.pem: {SELF_SIGNED}; get one from a certificate authority\n"
    )
    assert sound.json("check") == [
        {
            "level": "note",
            "subject": f"{sound.folder}/tls/cert.pem",
            "sentence": SELF_SIGNED,
            "remedy": "get one from a certificate authority",
        }
    ]


def test_the_command_fails_when_something_does_not_work(sound: Installation) -> None:
    (sound.folder / "tls/key.pem").unlink()
    result = sound.call("check")
    assert result.exit_code == 1
    assert f"error: {sound.folder}/tls/key.pem: cannot be read (No such file or directory)" in result.stdout


def test_the_command_reports_wrong_settings_as_findings(sound: Installation) -> None:
    sound.set("workers = 1", "workers = 0")
    result = sound.call("check")
    line = sound.file.read_text().split("\n").index("workers = 0") + 1
    expected = "expected a whole number, 1 to 256, not 0; correct the file"
    assert (result.exit_code, result.stdout) == (1, f"error: {sound.file}:{line}: workers: {expected}\n")


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            'hostname = "mx.in.test"',
            'hostname = "mx"',
            (Level.WARNING, "hostname", "mx has no domain: other servers refuse it"),
        ),
        (
            "# expires = 2030-01-31",
            "expires = 2020-01-01",
            (Level.ERROR, "expires", "since 2020-01-01 every client is sent away"),
        ),
        (
            "proxy_protocol = []",
            'proxy_protocol = ["0.0.0.0/0"]',
            (
                Level.WARNING,
                "listener[1].proxy_protocol",
                "every client there could pretend to come from any address",
            ),
        ),
        ('role = "smtp"', 'role = "submission"', (Level.NOTE, "listener", "none takes mail from other servers")),
        (
            'mode = "on"',
            'mode = "off"',
            (Level.WARNING, "auth.mode", "nobody can authenticate, so no account can send"),
        ),
        (
            'unauthenticated_accounts = "nowhere"',
            'unauthenticated_accounts = "anywhere"',
            (
                Level.WARNING,
                "auth.unauthenticated_accounts",
                "whoever gives the address of an account as reverse-path may send mail anywhere",
            ),
        ),
        (
            "lockout_failures = 10",
            "lockout_failures = 0",
            (
                Level.WARNING,
                "auth.lockout_failures",
                "passwords can be tried without end",
            ),
        ),
        (
            "sender_trust = 2",
            "sender_trust = 1",
            (
                Level.NOTE,
                "auth.sender_trust",
                "every account may send under any address",
            ),
        ),
    ],
)
def test_a_dangerous_setting_is_named(sound: Installation, old: str, new: str, finding: tuple[Level, str, str]) -> None:
    sound.set(old, new)
    expected = [finding]
    if new == 'hostname = "mx"':
        expected.append((Level.WARNING, f"{sound.folder}/tls/cert.pem", "does not name mx"))
    assert [(one.level, one.subject, one.sentence) for one in found(sound)] == expected


def test_an_end_of_contract_that_is_near_is_a_warning(sound: Installation) -> None:
    sound.set("# expires = 2030-01-31", "expires = 2027-01-01")
    early, near = datetime(2026, 11, 30, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC)
    assert found(sound, early) == []
    assert only(sound, near) == (Level.WARNING, "expires", "from 2027-01-01 on every client is sent away")


def test_passwords_in_clear_are_dangerous_beyond_this_machine_only(sound: Installation) -> None:
    sound.set('plaintext = "tls"', 'plaintext = "always"')
    assert found(sound) == []
    sound.set('address = "127.0.0.1:0"', 'address = "0.0.0.0:0"')
    assert only(sound) == (Level.WARNING, "auth.plaintext", "passwords may travel in clear to 0.0.0.0:0")


def test_a_domain_without_a_postmaster_is_named(sound: Installation) -> None:
    sound.text("alias", "remove", "postmaster@in.test")
    sentence = "postmaster has no mailbox, though RFC 5321 demands one"
    assert only(sound) == (Level.WARNING, "in.test", sentence)
    sound.text("alias", "add", "*@in.test", "carol@example.net")
    assert found(sound) == []


def test_accounts_that_cannot_use_an_offered_mechanism_are_counted(sound: Installation) -> None:
    sound.text("account", "passwd", "ann@in.test", "--password-stdin", given="ann's secret 1\n")
    sentence = "CRAM-MD5 is offered, but 1 of 1 accounts cannot use it"
    assert only(sound) == (Level.NOTE, "auth.mechanisms", sentence)


def test_one_maildir_for_two_domains_is_an_error(sound: Installation) -> None:
    sound.set('maildir = "mail/{domain}/{local_part}"', 'maildir = "mail/{local_part}"')
    assert found(sound) == []
    sound.text("domain", "add", "in2.test")
    sound.text("alias", "add", "postmaster@in2.test", "ann@in.test")
    sentence = "accounts of the same name in different domains share one Maildir"
    assert only(sound) == (Level.ERROR, "delivery.maildir", sentence)


def test_no_domain_at_all_is_a_warning(installation: Installation) -> None:
    installation.set("sender_trust = 1", "sender_trust = 2")
    installation.text("domain", "remove", "in.test")
    assert only(installation) == (Level.WARNING, "domain", "there is none, so all mail is refused")


def test_missing_storage_is_an_error(sound: Installation) -> None:
    sound.set('url = "sqlite:data"', 'url = "sqlite:dat"')
    assert only(sound) == (Level.ERROR, "dat", "the storage folder is missing")
    assert not (sound.folder / "dat").exists()


def test_storage_without_a_directory_is_an_error_and_stays_so(sound: Installation) -> None:
    (sound.folder / "empty").mkdir(mode=0o700)
    sound.set('url = "sqlite:data"', 'url = "sqlite:empty"')
    assert only(sound) == (Level.ERROR, "empty", "holds no directory")
    assert list((sound.folder / "empty").iterdir()) == []


def test_a_database_of_a_newer_version_is_an_error(sound: Installation) -> None:
    with Directory.open(sound.folder / "data") as directory:
        directory._store.rows("PRAGMA user_version = 99")
    (finding,) = found(sound)
    assert (finding.level, finding.subject) == (Level.ERROR, f"{sound.folder}/data")
    assert "made by a newer version" in finding.remedy


def test_a_spool_of_an_older_version_is_a_note(sound: Installation) -> None:
    with open_spool(sound.folder / "data/spool/0"):
        pass
    with closing(sqlite3.connect(sound.folder / "data/spool/0/spool.db")) as database:
        database.execute("PRAGMA user_version = 3")
    (finding,) = found(sound)
    assert (finding.level, finding.subject) == (Level.NOTE, f"{sound.folder}/data")
    assert finding.sentence == "is brought to this version when the server starts"
    assert "spool.db: made by an older version of this program; start the server once" in finding.remedy
    assert sound.call("check").exit_code == 0


def test_a_damaged_spool_is_an_error(sound: Installation) -> None:
    spool = sound.folder / "data/spool/0"
    spool.mkdir(parents=True)
    (spool / "spool.db").write_bytes(b"no database" * 1000)
    assert only(sound) == (Level.ERROR, "data", "cannot be used")


@pytest.mark.parametrize(
    ("path", "mode", "sentence"),
    [
        ("data", 0o755, "others on this machine may read mail and password hashes"),
        ("tls/key.pem", 0o644, "others on this machine may read the key"),
        ("genkan.toml", 0o666, "others on this machine may change it"),
    ],
)
def test_what_others_may_read_or_change_is_a_warning(sound: Installation, path: str, mode: int, sentence: str) -> None:
    (sound.folder / path).chmod(mode)
    assert only(sound) == (Level.WARNING, path, sentence)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root without its rights, for the block."""
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("data", "cannot be written; run this as the owner of the folder, or correct its mode"),
        (
            "data/inner",
            "the storage folder cannot be looked at; run this as the owner of {place}/data, or correct its mode",
        ),
    ],
)
def test_a_storage_that_may_not_be_entered_is_named_and_ends_nothing(sound: Installation, url: str, fault: str) -> None:
    with TemporaryDirectory() as place:
        Path(place).chmod(0o711)
        Path(place, url).mkdir(0o700, parents=True)
        Path(place, "data").chmod(0o700)
        sound.set('url = "sqlite:data"', f'url = "sqlite:{place}/{url}"')
        config = sound.config
        with as_nobody():
            findings = findings_of(config, NOW)
        said = [str(one) for one in findings if one.subject == f"{place}/{url}"]
        assert said == [f"error: {place}/{url}: {fault.format(place=place)}"]


def test_a_folder_whose_name_cannot_be_is_missing(sound: Installation) -> None:
    name = "d" * 300
    sound.set('url = "sqlite:data"', f'url = "sqlite:{name}"')
    assert only(sound) == (Level.ERROR, name, "the storage folder is missing")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_storage_of_another_owner_is_a_warning(sound: Installation) -> None:
    os.chown(sound.folder / "data", 65534, 65534)
    assert only(sound) == (Level.WARNING, "data", "belongs to another account of this machine")


def test_a_mail_folder_that_is_a_file_is_an_error(sound: Installation) -> None:
    (sound.folder / "mail").rmdir()
    (sound.folder / "mail").write_text("")
    assert only(sound) == (Level.ERROR, "mail", "mail cannot be written there")


@pytest.mark.parametrize(
    ("template", "folder"),
    [("mail/{domain}/{local_part}", "/srv/mail"), ("/var/m{domain}/{local_part}", "/var"), ("{local_part}", "/srv")],
)
def test_the_mail_folder_is_the_path_before_the_first_placeholder(tmp_path: Path, template: str, folder: str) -> None:
    text = (
        f'hostname = "mx"\n[[listener]]\naddress = "127.0.0.1:25"\nrole = "smtp"\n[delivery]\nmaildir = "{template}"\n'
    )
    assert str(mail_folder(parse_config(text, tmp_path.parent / "/srv/genkan.toml"))) == folder


@pytest.mark.parametrize(
    ("age", "level", "words"),
    [
        (timedelta(days=1), Level.ERROR, "expired on "),
        (-timedelta(days=29), Level.WARNING, "expires on "),
        (-VALIDITY - timedelta(days=1), Level.ERROR, "is not valid before "),
    ],
)
def test_the_certificate_is_judged_by_its_dates(sound: Installation, age: timedelta, level: Level, words: str) -> None:
    write_pair(sound.config, *self_signed("mx.in.test", NOW))
    found_level, subject, sentence = only(sound, NOW + VALIDITY + age)
    assert (found_level, subject, sentence[: len(words)]) == (level, "tls/cert.pem", words)


def test_a_certificate_that_lasts_more_than_30_days_is_well(sound: Installation) -> None:
    write_pair(sound.config, *self_signed("mx.in.test", NOW))
    assert found(sound, NOW + VALIDITY - timedelta(days=31)) == []


def test_a_certificate_for_another_name_is_a_warning(sound: Installation) -> None:
    write_pair(sound.config, *self_signed("other.test", NOW - timedelta(days=1)))
    assert only(sound) == (Level.WARNING, "tls/cert.pem", "does not name mx.in.test")


def test_a_wildcard_certificate_names_the_server(sound: Installation) -> None:
    write_pair(sound.config, *self_signed("*.in.test", NOW - timedelta(days=1)))
    assert found(sound) == []


def test_a_key_of_another_certificate_is_an_error(sound: Installation) -> None:
    _, key = self_signed("mx.in.test", NOW)
    (sound.folder / "tls/key.pem").write_bytes(key)
    assert only(sound) == (Level.ERROR, "tls/key.pem", "is not the key of the certificate")


def test_a_key_with_a_pass_phrase_is_an_error(sound: Installation) -> None:
    file = sound.folder / "tls/key.pem"
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    secret = serialization.BestAvailableEncryption(b"secret")
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, secret))
    assert only(sound) == (Level.ERROR, "tls/key.pem", "has a pass phrase")


@pytest.mark.parametrize(
    ("name", "sentence"), [("key.pem", "is no PEM private key"), ("cert.pem", "is no PEM certificate")]
)
def test_a_file_that_holds_something_else_is_an_error(sound: Installation, name: str, sentence: str) -> None:
    (sound.folder / "tls" / name).write_text("something else")
    assert only(sound) == (Level.ERROR, f"tls/{name}", sentence)


def test_a_missing_certificate_is_an_error(sound: Installation) -> None:
    (sound.folder / "tls/cert.pem").unlink()
    assert only(sound) == (Level.ERROR, "tls/cert.pem", "cannot be read (No such file or directory)")


def test_no_certificate_at_all_is_a_warning(sound: Installation) -> None:
    sound.set('certificate = "tls/cert.pem"', "")
    sound.set('key = "tls/key.pem"', "")
    assert only(sound) == (Level.WARNING, "tls.certificate", "there is none: mail and passwords travel in clear")


def test_a_port_that_another_program_has_is_an_error(sound: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        sound.set('address = "127.0.0.1:0"', f'address = "127.0.0.1:{port}"')
        (finding,) = found(sound)
    assert (finding.level, finding.subject) == (Level.ERROR, "listener[1].address")
    assert finding.sentence == f"127.0.0.1:{port} cannot be used (Address already in use)"
    assert finding.remedy == "stop the program that has this port, or choose another"


def test_a_port_that_our_own_server_has_is_well(sound: Installation) -> None:
    with open_spool(sound.folder / "data/spool/0"), socket.create_server(("127.0.0.1", 0)) as own:
        sound.set('address = "127.0.0.1:0"', f'address = "127.0.0.1:{own.getsockname()[1]}"')
        assert found(sound) == []


def test_an_address_of_another_machine_is_an_error(sound: Installation) -> None:
    sound.set('address = "127.0.0.1:0"', 'address = "192.0.2.1:0"')
    (finding,) = found(sound)
    assert (finding.subject, finding.remedy) == ("listener[1].address", "choose an address of this machine")


def test_a_server_is_running_while_its_lock_is_held(tmp_path: Path) -> None:
    assert not is_running(tmp_path)
    with open_spool(tmp_path / "spool/3"):
        assert is_running(tmp_path)
    assert not is_running(tmp_path)


@pytest.mark.parametrize(
    ("sessions", "allowed", "expected"),
    [
        (0, 4096, []),
        (0, 1024, [(Level.NOTE, "the system allows a worker about 924 connections")]),
        (900, 1024, [(Level.NOTE, "the system allows a worker about 924 connections")]),
        (5000, 5100, []),
        (5000, 5099, [(Level.WARNING, "the system allows a process 5099 open files, too few for 5000 sessions")]),
    ],
)
def test_too_few_open_files_are_named(
    sound: Installation, sessions: int, allowed: int, expected: list[tuple[Level, str]]
) -> None:
    sound.set("sessions = 0", f"sessions = {sessions}")
    assert [(one.level, one.sentence) for one in check_open_files(sound.config, allowed)] == expected


def test_postmaster_of_the_default_domain_counts_for_that_domain_only(sound: Installation) -> None:
    sound.text("domain", "add", "in2.test")
    assert only(sound)[1] == "in2.test"
    with Directory.open(sound.folder / "data") as directory:
        directory.aliases.add(Mailbox("postmaster", "in2.test"), Mailbox("ann", "in.test"))
    assert found(sound) == []


def write_pair(config: Config, certificate: bytes, key: bytes) -> None:
    (config.home / "tls/cert.pem").write_bytes(certificate)
    (config.home / "tls/key.pem").write_bytes(key)


def rules(installation: Installation, name: str, text: str) -> None:
    with Directory.open(installation.config.storage_folder) as directory:
        directory.documents.store(name, None, text.encode(), "operator")


def test_a_rule_that_opens_the_relay_is_named_with_its_line(sound: Installation) -> None:
    rules(sound, "effect.dat", "192.0.2.0/24 default\n*.*.*.* true\n")
    assert only(sound)[:2] == (Level.WARNING, "effect.dat:2")


def test_a_line_that_cannot_be_read_is_an_error(sound: Installation) -> None:
    rules(sound, "ordb.dat", "not a zone\n")
    assert only(sound)[:2] == (Level.ERROR, "ordb.dat:1")


def test_a_filter_that_is_switched_off_is_worth_a_note(sound: Installation) -> None:
    rules(sound, "mail.dat", "Virus:x\nSubject:x\nLevel:100\nVirusEnd:\n")
    sound.set(
        "[filter]\n# obey mail.dat, the server's and those of accounts\nenabled = true", "[filter]\nenabled = false"
    )
    assert only(sound) == (Level.NOTE, "filter.enabled", "mail.dat is there and is not obeyed")


def test_a_hand_off_to_no_folder_is_an_error(sound: Installation) -> None:
    sound.set('# handoff = "folder"', 'handoff = "incoming"')
    assert only(sound)[:2] == (Level.ERROR, "incoming")
    (sound.folder / "incoming").mkdir()
    assert found(sound) == []


def test_a_scanner_that_does_not_answer_is_an_error(sound: Installation) -> None:
    sound.set('scanner = ""', 'scanner = "unix:/nowhere/clamd"')
    assert only(sound)[:2] == (Level.ERROR, "filter.scanner")
