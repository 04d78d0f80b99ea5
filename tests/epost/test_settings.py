# SPDX-License-Identifier: Apache-2.0
"""The product's settings, and what they are called in genkan.toml."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from genkan.config import parse_config
from genkan.epost.settings import (
    local_domains,
    mailbox_folder,
    mailbox_quota,
    read_settings,
    settings_for,
    settings_text,
)
from genkan.epost.tree import Tree
from tests.epost.installations import write

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.epost.settings import Settings

SITE = 'hostname = "mx.in.test"\n[[listener]]\naddress = "127.0.0.1:0"\nrole = "smtp"\n'


def read(folder: Path, **values: str) -> Settings:
    for name, text in values.items():
        write(folder / "reg/epost/ims" / f"{name}.1", text)
    return read_settings(Tree(folder), folder)


def lines(settings: Settings) -> dict[str, str]:
    return {setting.key: setting.value for setting in settings_for(settings)}


def test_the_windows_tree_is_read_as_well(tmp_path: Path) -> None:
    write(tmp_path / "REG/SOFTWARE/EMWAC/IMS/RECEIVED.1", "12\r\n")
    assert lines(read_settings(Tree(tmp_path), tmp_path)) == {"limits.hops": "12"}


def test_the_receivers_own_value_goes_first(tmp_path: Path) -> None:
    write(tmp_path / "reg/epost/ims/EPST5RS/Received.1", "40")
    assert lines(read(tmp_path, Received="25")) == {"limits.hops": "40"}


def test_values_of_sister_services_are_counted_only(tmp_path: Path) -> None:
    write(tmp_path / "reg/epost/ims/EPST5DS/Received.1", "99")
    settings = read(tmp_path)
    assert lines(settings) == {}
    assert [finding.sentence for finding in settings.findings] == ["1 values of sister services are not read"]


@pytest.mark.parametrize(("hops", "kept"), [("0", "1"), ("20", "20"), ("99999", "1000")])
def test_hops_stay_in_range(tmp_path: Path, hops: str, kept: str) -> None:
    assert lines(read(tmp_path, Received=hops)) == {"limits.hops": kept}


@pytest.mark.parametrize(("number", "limit"), [("20", "19"), ("1", "1")])
def test_too_many_connections_are_one_less_here(tmp_path: Path, number: str, limit: str) -> None:
    assert lines(read(tmp_path, IPLockOut=number, IPLockOutSPTime="60", IPLockOutTime="600")) == {
        "limits.connections_per_client": limit,
        "limits.connection_window": '"60s"',
        "limits.connection_lockout": '"600s"',
    }


def test_no_limit_of_connections_is_no_line(tmp_path: Path) -> None:
    assert lines(read(tmp_path, IPLockOut="0", IPLockOutTime="600")) == {}


@pytest.mark.parametrize(
    ("high", "low", "quota"),
    [("0", "0", None), ("0", "1000", 1000), ("2", "5", 2 * 2**32 + 5), ("0", str(2**33), 2**33)],
)
def test_the_quota_has_two_halves(tmp_path: Path, high: str, low: str, quota: int | None) -> None:
    assert mailbox_quota(read(tmp_path, nMailInBoxSizeHigh=high, nMailInBoxSize=low)) == quota


def test_domains_are_read_however_they_are_separated(tmp_path: Path) -> None:
    settings = read(tmp_path, DomainNamesAreLocal="in.test; in2.test\r\nin3.test,nodot -bad-.test")
    assert local_domains(settings) == ("in.test", "in2.test", "in3.test")


@pytest.mark.parametrize(
    ("setting", "folder"),
    [("C:\\mail\\post\\%USERNAME%", "post"), ("/var/spool/epms/inbox/%USERNAME%", "inbox"), ("%USERNAME%", "inbox")],
)
def test_the_folder_of_mailboxes_is_the_last_one_named(tmp_path: Path, setting: str, folder: str) -> None:
    assert mailbox_folder(read(tmp_path, MailInBoxDir=setting)) == folder


def test_what_has_no_counterpart_is_said(tmp_path: Path) -> None:
    settings = read(tmp_path, Received="many", SecureLevel="2", Mystery="7", MailFilterUp="1", LISTENADDRPRI="0")
    assert lines(settings) == {}
    assert sorted(finding.sentence for finding in settings.findings) == [
        "Comp:1 in mail.dat always works here",
        "Mystery has no known counterpart",
        "TLS versions and levels are those of the machine's OpenSSL",
        "holds no whole number and is not read",
        "the server's name is not looked up here",
    ]


def test_the_lines_are_settings_that_genkan_understands(tmp_path: Path) -> None:
    found = settings_for(read(tmp_path, Received="30", IPLockOut="5", IPLockOutSPTime="9", IPLockOutTime="99999999999"))
    text = settings_text(found)
    assert list(tomllib.loads(text)["limits"]) == [
        "hops",
        "connections_per_client",
        "connection_window",
        "connection_lockout",
    ]
    assert parse_config(SITE + text, tmp_path / "genkan.toml").limits.hops == 30


def test_an_odd_file_name_does_not_break_the_lines(tmp_path: Path) -> None:
    write(tmp_path / "reg" / "Received.\n5" / "x", "1")
    write(tmp_path / "reg" / "epost" / "Received.1", "30")
    text = settings_text(settings_for(read_settings(Tree(tmp_path), tmp_path)))
    assert tomllib.loads(text) == {"limits": {"hops": 30}}
