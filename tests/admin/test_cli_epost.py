# SPDX-License-Identifier: Apache-2.0
"""`genkan import-epost` as an operator types it: the plan first, then what it says, then nothing any more."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

import pytest

from genkan.directory import Directory
from genkan.directory.passwords import verify_password
from genkan.smtp.address import Mailbox
from tests.epost.installations import MESSAGE, SENDER, bsd_installation, windows_installation, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.admin.conftest import Installation

ANN = Mailbox("ann", "in.test")


def maildir(installation: Installation) -> Path:
    return installation.folder / "mail/in.test/ann"


def mail_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("[nc]*/*"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return windows_installation(tmp_path / "old")


def test_the_plan_is_printed_and_nothing_is_changed_without_yes(installation: Installation, work: Path) -> None:
    result = installation.call("import-epost", str(work))
    assert result.exit_code == 1
    assert result.stderr == "nothing was changed; to carry the plan out, give --yes\n"
    assert result.stdout.startswith(
        "To do:\n"
        "  add account ann@in.test (山田 花子), its password, quota of 52428800 octets\n"
        "  add account bob@in.test (Bob Example), no password, quota of 104857600 octets\n"
        "  add alias sales@in.test -> ann@in.test\n"
    )
    assert "\nLines for genkan.toml:\n  [limits]\n  hops = 30  # REG/SOFTWARE/EMWAC/IMS/Received.1\n" in result.stdout
    assert (
        "\nRefused, since mail would go astray or something else is there already:\n  warning: mail.dat:10: "
        in result.stdout
    )
    assert "\nNot carried over, or to be looked at:\n" in result.stdout
    assert installation.json("account", "list") == []


def test_an_import_carries_everything_over(installation: Installation, work: Path) -> None:
    assert installation.text("import-epost", str(work), "--yes").endswith("done: 12 of 12 steps\n")
    with Directory.open(installation.config.storage_folder) as directory:
        account = directory.accounts.show(ANN)
        verify_password(account, "ann-secret-1")
        assert (account.name, account.quota, account.cram_secret) == ("山田 花子", 52428800, None)
        assert not directory.accounts.show(Mailbox("bob", "in.test")).can_authenticate
        assert len(directory.aliases.list()) == 3
        stored = directory.documents.current("sender.dat", account)
        assert stored is not None
        assert stored.octets.decode() == SENDER.replace("\n", "\r\n")
        assert stored.author == "import-epost"
        assert directory.next_message_ids(1)[0] == 97591


def test_the_second_run_has_nothing_to_do(installation: Installation, work: Path) -> None:
    installation.text("import-epost", str(work), "--mail", "--yes")
    before = (installation.folder / "data/directory.db").read_bytes()
    text = installation.text("import-epost", str(work), "--mail", "--yes")
    assert text.endswith("\nnothing to do\n")
    assert "To do:" not in text
    assert (installation.folder / "data/directory.db").read_bytes() == before


def test_passwords_are_never_printed(installation: Installation, work: Path) -> None:
    words = ("import-epost", str(work))
    printed = installation.call(*words).output + installation.call(*words, "--json").output
    printed += installation.text(*words, "--yes") + installation.text(*words, "--json")
    assert "ann-secret-1" not in printed


def test_passwords_are_kept_readable_only_when_wanted(installation: Installation, work: Path) -> None:
    installation.text("import-epost", str(work), "--yes", "--reversible")
    assert "CRAM-MD5" in installation.json("account", "show", "ann@in.test")["mechanisms"]


def test_mail_is_copied_once_with_its_age(installation: Installation, work: Path) -> None:
    old = work / "inbox/in.test/ann/B0000000012.MSG"
    os.utime(old, (1500000000, 1500000000))
    text = installation.text("import-epost", str(work), "--mail", "--yes")
    assert "copy 2 messages into the Maildir of ann@in.test" in text
    names = mail_in(maildir(installation))
    assert len(names) == 2
    assert names[0] == f"1500000000.B0000000012.MSGR0.epost,S={len(MESSAGE)}"
    copy = maildir(installation) / "new" / names[0]
    assert (copy.read_bytes(), copy.stat().st_mtime) == (MESSAGE, 1500000000)


def test_mail_that_its_owner_deleted_does_not_come_back(installation: Installation, work: Path) -> None:
    installation.text("import-epost", str(work), "--mail", "--yes")
    for path in (maildir(installation) / "new").iterdir():
        path.unlink()
    write(work / "inbox/in.test/ann/B0000000015.MSG", MESSAGE)
    assert "copy 1 messages" in installation.text("import-epost", str(work), "--mail", "--yes")
    assert [name.partition(".")[2][:15] for name in mail_in(maildir(installation))] == ["B0000000015.MSG"]


def test_mail_that_was_copied_before_a_crash_is_not_copied_again(installation: Installation, work: Path) -> None:
    installation.text("import-epost", str(work), "--mail", "--yes")
    (maildir(installation) / "epost-copied").unlink()
    for path in (maildir(installation) / "new").iterdir():
        path.rename(maildir(installation) / "cur" / f"{path.name}:2,S")
    assert installation.text("import-epost", str(work), "--mail", "--yes").endswith("nothing to do\n")


def test_mail_that_cannot_be_copied_is_an_error_and_the_rest_is_done(installation: Installation, work: Path) -> None:
    write(maildir(installation) / "tmp", "in the way")
    result = installation.call("import-epost", str(work), "--mail", "--yes")
    assert result.exit_code == 1
    assert "not done: copy 2 messages into the Maildir of ann@in.test: " in result.stdout
    assert result.stdout.endswith("done: 12 of 13 steps\n")
    assert result.stderr == "some steps were not carried out; set right what their lines say, and run again\n"


def test_a_maildir_that_cannot_be_read_stops_the_import_before_it_begins(
    installation: Installation, work: Path
) -> None:
    write(maildir(installation) / "new", "in the way")
    error = installation.refusal("import-epost", str(work), "--mail", "--yes")
    assert error == f"{maildir(installation) / 'new'} cannot be listed: Not a directory; set it right, and run again"
    assert installation.json("account", "list") == []


def test_json_holds_plan_and_outcome(installation: Installation, work: Path) -> None:
    found = installation.json("import-epost", str(work), "--yes")
    assert found["steps"][0] == {
        "kind": "account",
        "step": "add account ann@in.test (山田 花子), its password, quota of 52428800 octets",
        "done": True,
        "error": "",
    }
    assert found["settings"][0] == {
        "key": "limits.hops",
        "value": "30",
        "source": "REG/SOFTWARE/EMWAC/IMS/Received.1",
        "remark": "",
    }
    assert [finding["level"] for finding in found["refused"]] == ["warning"]
    assert {"level", "subject", "sentence", "remedy"} == set(found["losses"][0])
    assert installation.json("import-epost", str(work))["steps"] == []


def test_json_without_yes_is_the_plan_alone(installation: Installation, work: Path) -> None:
    result = installation.call("import-epost", str(work), "--json")
    assert result.exit_code == 1
    assert result.stdout.count('"done": false') == 12
    assert installation.json("account", "list") == []


def test_the_parts_of_an_installation_can_be_named(installation: Installation, tmp_path: Path) -> None:
    work, program = bsd_installation(tmp_path / "old")
    accounts = write(tmp_path / "x.txt", "account\tpassword\nkai@in.test\tkai-secret-1\n")
    aliases = write(tmp_path / "y.txt", "s@in.test\tkai@in.test\n")
    named = ["--program", str(program), "--accounts", str(accounts), "--aliases", str(aliases), "--yes"]
    installation.text("import-epost", str(work), *named)
    assert [account["address"] for account in installation.json("account", "list")] == ["kai@in.test"]
    assert [alias["alias"] for alias in installation.json("alias", "list")] == ["s@in.test"]


def test_settings_are_written_into_a_new_file(installation: Installation, work: Path, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    words = ("import-epost", str(work), "--write-settings", str(file))
    assert installation.call(*words).exit_code == 1
    assert not file.exists()
    installation.text(*words, "--yes")
    assert tomllib.loads(file.read_text())["limits"]["connections_per_client"] == 19
    installation.text(*words, "--yes")
    file.write_text("mine")
    assert f"{file} is there already and is not written over" in installation.call(*words, "--yes").stderr
    assert file.read_text() == "mine"


def test_another_folder_is_refused(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    error = installation.refusal("import-epost", str(tmp_path / "empty"), "--yes")
    assert error.startswith(f"{tmp_path / 'empty'} is no E-POST work folder: ")


def test_control_characters_of_an_export_reach_no_terminal(installation: Installation, work: Path) -> None:
    write(work / "accounts.txt", "account\tname\nann@in.test\tA\x1b[2Jnn\n")
    assert "\x1b" not in installation.call("import-epost", str(work)).output
    installation.text("import-epost", str(work), "--yes")
    assert installation.json("account", "show", "ann@in.test")["name"] == "A [2Jnn"


def test_a_missing_folder_is_a_usage_error(installation: Installation) -> None:
    assert "does not exist" in installation.misuse("import-epost", "/nowhere/at/all")
