# SPDX-License-Identifier: Apache-2.0
"""What `genkan init` makes, with which modes, and when it refuses."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cryptography import x509

from genkan.admin.cli import main
from genkan.admin.init import DEFAULT_LISTENERS, InitError, create_installation, self_signed
from genkan.config import load_config
from genkan.directory import Directory

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def init(folder: Path, *words: str) -> Result:
    arguments = ["init", str(folder), "--domain", "In.Test", "--hostname", "mx.in.test", *words]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_init_makes_everything_with_private_modes(tmp_path: Path) -> None:
    init(tmp_path / "deep/home")
    home = tmp_path / "deep/home"
    modes = {str(path.relative_to(home)): oct(path.stat().st_mode & 0o777) for path in home.rglob("*")}
    assert modes == {
        "genkan.toml": "0o640",
        "tls": oct((home / "tls").stat().st_mode & 0o777),
        "tls/cert.pem": "0o644",
        "tls/key.pem": "0o600",
        "data": "0o700",
        "data/directory.db": "0o600",
        "mail": "0o700",
    }


def test_init_writes_a_configuration_that_loads(tmp_path: Path) -> None:
    init(tmp_path)
    config = load_config(tmp_path / "genkan.toml")
    assert config.hostname == "mx.in.test"
    assert config.listener == DEFAULT_LISTENERS
    assert config.path(config.tls.key or "") == tmp_path / "tls/key.pem"


def test_init_writes_lines_that_scripts_can_replace(tmp_path: Path) -> None:
    init(tmp_path)
    lines = (tmp_path / "genkan.toml").read_text().split("\n")
    assert {"workers = 1", "paused = false", 'message_size = "25MB"'} <= set(lines)


def test_init_takes_other_listeners_instead_of_the_default_ones(tmp_path: Path) -> None:
    init(tmp_path, "--listen", "smtp=0.0.0.0:25", "--listen", "submissions=[::1]:465")
    listeners = load_config(tmp_path / "genkan.toml").listener
    assert [(listener.role, str(listener.address)) for listener in listeners] == [
        ("smtp", "0.0.0.0:25"),
        ("submissions", "[::1]:465"),
    ]


def test_init_adds_the_domain_in_lower_case(tmp_path: Path) -> None:
    init(tmp_path)
    with Directory.open(tmp_path / "data") as directory:
        assert directory.domains.list() == ("in.test",)


def test_init_tells_what_it_made_and_what_comes_next(tmp_path: Path) -> None:
    result = init(tmp_path)
    lines = result.stdout.split("\n")
    assert lines[0] == f"configuration  {tmp_path}/genkan.toml"
    assert lines[-3:-1] == [
        f'  genkan -c {tmp_path}/genkan.toml account add ann@in.test --name "Ann Example"',
        f"  genkan -c {tmp_path}/genkan.toml serve",
    ]


def test_init_tells_the_same_in_json(tmp_path: Path) -> None:
    told = json.loads(init(tmp_path, "--json", "--listen", "smtp=127.0.0.1:25").stdout)
    assert told["installation"]["file"] == f"{tmp_path}/genkan.toml"
    assert told["installation"]["domain"] == "in.test"
    assert told["listeners"] == [{"role": "smtp", "address": "127.0.0.1:25"}]
    assert told["next"][1] == f"genkan -c {tmp_path}/genkan.toml serve"


def test_an_installation_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "genkan.toml").write_text("mine")
    result = init(tmp_path)
    assert result.exit_code == 1
    assert (
        result.stderr == f"{tmp_path}/genkan.toml exists already; change it with an editor, or choose another folder\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["genkan.toml"]


def test_an_interrupted_init_is_completed_with_the_same_certificate(tmp_path: Path) -> None:
    init(tmp_path)
    key = (tmp_path / "tls/key.pem").read_bytes()
    (tmp_path / "genkan.toml").unlink()
    assert init(tmp_path).exit_code == 0
    assert (tmp_path / "tls/key.pem").read_bytes() == key


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InitError, match=r"file.*: .*; choose a folder you may write to"):
        create_installation(tmp_path / "file/home", "in.test", "mx.in.test", DEFAULT_LISTENERS)


def test_a_domain_that_is_none_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InitError, match=r"'in test' is no domain .*; give one such as in\.test"):
        create_installation(tmp_path / "home", "in test", "mx.in.test", DEFAULT_LISTENERS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--listen", "127.0.0.1:25"],
            "expected ROLE=ADDRESS:PORT with one of smtp, submission, submissions, not '127.0.0.1:25'",
        ),
        (
            ["--listen", "pop=127.0.0.1:25"],
            "expected ROLE=ADDRESS:PORT with one of smtp, submission, submissions, not 'pop=",
        ),
        (["--listen", "smtp=25"], 'expected an address with a port such as "127.0.0.1:2525" or "[::1]:25", not "25"'),
        (["--hostname", "mx_in"], 'expected a host name such as "mx.example.test", not "mx_in"'),
    ],
)
def test_wrong_options_are_usage_errors(tmp_path: Path, words: list[str], error: str) -> None:
    result = init(tmp_path / "home", *words)
    assert result.exit_code == 2
    assert error in result.stderr
    assert not (tmp_path / "home").exists()


def test_the_certificate_is_for_the_name_and_ten_years() -> None:
    octets, _ = self_signed("mx.in.test", NOW)
    certificate = x509.load_pem_x509_certificate(octets)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mx.in.test"]
    assert certificate.not_valid_before_utc == NOW
    assert certificate.not_valid_after_utc - NOW == timedelta(days=3652)


def test_a_client_that_trusts_the_certificate_can_verify_it(tmp_path: Path) -> None:
    init(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "tls/cert.pem", tmp_path / "tls/key.pem")
    client = ssl.create_default_context(cafile=str(tmp_path / "tls/cert.pem"))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname="mx.in.test")
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for end in (near, far, near, far):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert near.getpeercert()["subjectAltName"] == (("DNS", "mx.in.test"),)  # type: ignore[index]


def test_a_host_name_longer_than_a_common_name_may_be_gets_a_certificate() -> None:
    name = ".".join(["a" * 40, "b" * 40, "test"])
    octets, _ = self_signed(name, NOW)
    names = x509.load_pem_x509_certificate(octets).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == [name]
