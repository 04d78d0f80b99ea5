# SPDX-License-Identifier: Apache-2.0
"""What `genkan serve` says when it cannot serve: one error that names the place and what to do, and exit status 1."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.site import MakeSite, Site

CONFIG = 'hostname = "mx.in.test"\n[[listener]]\naddress = "127.0.0.1:{port}"\nrole = "smtp"\n'


def refusal(site: Site) -> str:
    """What `serve` prints when it ends with an error, the file's own path left out."""
    done = site.genkan("serve")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr.replace(f"{site.config.home}/", "").rstrip("\n")


@pytest.mark.parametrize(
    ("config", "error"),
    [
        pytest.param(CONFIG.replace('"mx.in.test"', '"mx.in.test'), "genkan.toml:1: ", id="no TOML"),
        pytest.param("workers = 1\n" + CONFIG[CONFIG.index("[[") :], "genkan.toml:1: hostname: ", id="key missing"),
        pytest.param("wrokers = 2\n" + CONFIG, "genkan.toml:1: wrokers: ", id="unknown key"),
        pytest.param('workers = "two"\n' + CONFIG, "genkan.toml:1: workers: ", id="wrong type"),
        pytest.param("workers = 0\n" + CONFIG, "genkan.toml:1: workers: ", id="out of range"),
        pytest.param(CONFIG + '[limits]\nidle = "5 parsecs"\n', "genkan.toml:6: limits.idle: ", id="no duration"),
        pytest.param(CONFIG + '[tls]\nkey = "key.pem"\n', "genkan.toml:6: tls.key: ", id="key alone"),
        pytest.param(
            CONFIG + '[tls]\ncertificate = "no.pem"\nkey = "no.pem"\n',
            "genkan: no.pem: No such file or directory; make the file readable or correct tls.certificate",
            id="no certificate",
        ),
        pytest.param(
            "workers = 2\n" + CONFIG + '[tls]\ncertificate = "no.pem"\nkey = "no.pem"\n',
            "genkan: no.pem: No such file or directory; make the file readable or correct tls.certificate",
            id="no certificate for two workers",
        ),
        pytest.param(
            CONFIG.replace("127.0.0.1", "192.0.2.1"), "genkan: [Errno 99] ", id="an address of another machine"
        ),
    ],
)
def test_a_configuration_that_cannot_be_served_is_refused_with_its_place(
    make_site: MakeSite, config: str, error: str
) -> None:
    site = make_site()
    site.config.file.write_text(config.replace("{port}", str(site.port)))
    assert refusal(site).startswith(error)


def test_a_port_in_use_is_named(make_site: MakeSite) -> None:
    site = make_site()
    with socket.create_server(("127.0.0.1", site.port)):
        assert f"address already in use; the listeners are 127.0.0.1:{site.port}" in refusal(site).lower()


def test_a_storage_folder_that_is_a_file_is_named(make_site: MakeSite) -> None:
    site = make_site()
    site.configure('storage.url = "sqlite:genkan.toml"')
    assert refusal(site) == "genkan: genkan.toml: File exists"


def test_a_damaged_spool_is_named(make_site: MakeSite) -> None:
    site = make_site()
    spool = site.config.storage_folder / "spool" / "1"
    spool.mkdir(parents=True)
    (spool / "spool.db").write_bytes(b"no database " * 1000)
    assert refusal(site) == (
        "genkan: data/spool/1/spool.db: it is not a database, restore it from a backup (file is not a database)"
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_server_on_the_same_storage_is_refused(make_site: MakeSite, workers: int) -> None:
    site = make_site(f"workers = {workers}")
    site.start()
    assert refusal(site) == "genkan: data is in use: another genkan serves it"
    assert site.terminate() == 0
