# SPDX-License-Identifier: Apache-2.0
"""The demo of `make run`: what it makes, that it can be run again, and that its command says what it must."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from genkan.admin.demo import ACCOUNTS, first_mail, introduction, main, on_free_port, prepare
from genkan.admin.init import InitError
from genkan.config import Listener
from genkan.config_values import ListenAddress
from genkan.directory import Directory
from genkan.directory.passwords import verify_password
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from pathlib import Path

ANN, BOB = ACCOUNTS


def test_the_demo_has_two_accounts_with_the_passwords_it_tells(tmp_path: Path) -> None:
    config, passwords = prepare(tmp_path)
    with Directory.open(config.storage_folder) as directory:
        for account in (ANN, BOB):
            verify_password(directory.account(account), passwords[account])
        assert directory.sender_account(Mailbox("postmaster", "example.test")) == directory.account(ANN)
    assert len(set(passwords.values())) == 2


def test_the_passwords_are_kept_for_the_owner_only(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert oct((tmp_path / "passwords.txt").stat().st_mode & 0o777) == "0o600"


def test_run_again_it_is_the_same_demo(tmp_path: Path) -> None:
    first = list(introduction(prepare(tmp_path)[0], tmp_path, prepare(tmp_path)[1]))
    config, passwords = prepare(tmp_path)
    assert list(introduction(config, tmp_path, passwords)) == first


def test_an_interrupted_first_run_is_completed(tmp_path: Path) -> None:
    config, _ = prepare(tmp_path)
    with Directory.open(config.storage_folder) as directory:
        directory.accounts.remove(BOB)
        directory.aliases.remove(Mailbox("postmaster", "example.test"))
    (tmp_path / "passwords.txt").unlink()
    config, passwords = prepare(tmp_path)
    with Directory.open(config.storage_folder) as directory:
        for account in (ANN, BOB):
            verify_password(directory.account(account), passwords[account])


def test_a_port_that_is_taken_is_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Listener(address=ListenAddress("127.0.0.1", other.getsockname()[1]), role="smtp")
        moved = on_free_port(taken)
    assert moved.address.port not in (0, taken.address.port)
    assert (moved.role, moved.address.host) == ("smtp", "127.0.0.1")
    assert on_free_port(moved) == moved


def test_the_introduction_tells_addresses_passwords_and_one_command(tmp_path: Path) -> None:
    config, passwords = prepare(tmp_path)
    lines = list(introduction(config, tmp_path, passwords))
    assert f"  smtp         {config.listener[0].address}" in lines
    assert f"  account      ann@example.test  password {passwords[ANN]}" in lines
    assert f"  {first_mail(config.listener[0].address, ANN)}" in lines
    assert f"  {tmp_path}/mail/example.test/ann/new" in lines


def test_the_command_makes_a_mail_with_header_and_body() -> None:
    make, _, send = first_mail(ListenAddress("127.0.0.1", 2525), ANN).partition(" | ")
    mail = subprocess.run(["/bin/sh", "-c", make], capture_output=True, check=True).stdout
    assert mail == b"From: Carol <carol@example.net>\nTo: <ann@example.test>\nSubject: First mail\n\nHello.\n"
    paths = "--mail-from carol@example.net --mail-rcpt ann@example.test"
    assert send == f"curl -sS smtp://127.0.0.1:2525 {paths} --crlf --upload-file -"


def test_a_password_file_without_an_account_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "passwords.txt").write_text("ann@example.test secret\n")
    with pytest.raises(InitError, match=r"no password for bob@example\.test; remove the file"):
        prepare(tmp_path)


def test_without_a_folder_the_demo_explains_its_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err == "usage: python -m genkan.admin.demo FOLDER\n"


def test_an_error_is_told_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "genkan.toml").write_text("workers = 1\n")
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path}/genkan.toml:1: hostname: is missing")
