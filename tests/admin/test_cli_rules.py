# SPDX-License-Identifier: Apache-2.0
"""`genkan rules` as an operator types it: what is stored, what is printed, and what is refused."""

from __future__ import annotations

import getpass
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genkan.admin.cli import main
from genkan.directory import Directory
from genkan.directory.documents import MAX_DOCUMENT
from genkan.rules.kinds import KINDS
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from tests.admin.conftest import Installation

ANN = ("--account", "ann@in.test")
SHIPPED = KINDS["effect.dat"].shipped


@pytest.fixture
def site(installation: Installation) -> Installation:
    """With the account ann."""
    installation.text("account", "add", "ann@in.test", "--no-auth")
    return installation


def put(site: Installation, text: str | bytes, *words: str) -> str:
    """Import a text on standard input; what is printed."""
    return site.text("rules", "import", *(words or ("effect.dat",)), "-", given=text)


def stored(site: Installation, name: str = "effect.dat", *, of_ann: bool = False) -> bytes | None:
    with Directory.open(site.config.storage_folder) as directory:
        account = directory.accounts.show(Mailbox("ann", "in.test")) if of_ann else None
        document = directory.documents.current(name, account)
    return None if document is None else document.octets


def exported(site: Installation, *words: str) -> bytes:
    result = site.call("rules", "export", *words)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


def test_a_document_is_imported_from_a_file_and_shown(site: Installation, tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_bytes("' 社内\r\n192.168.*.*\tdefault\r\n".encode("cp932"))
    words = ("rules", "import", "effect.dat", str(file), "--author", "kai", "--comment", "the LAN")
    assert site.text(*words) == "stored effect.dat as revision 1\n"
    assert site.text("rules", "show", "EFFECT.dat") == "' 社内\n192.168.*.*\tdefault\n"
    entry = site.json("rules", "show", "effect.dat")
    assert entry.pop("created").endswith("+00:00")
    assert entry == {
        "document": "effect.dat",
        "account": "",
        "revision": 1,
        "author": "kai",
        "comment": "the LAN",
        "text": "' 社内\r\n192.168.*.*\tdefault\r\n",
    }


def test_the_author_is_the_user_who_types_it(site: Installation) -> None:
    put(site, "*.*.*.* default\n")
    assert site.json("rules", "log", "effect.dat")[0]["author"] == getpass.getuser()


def test_the_same_text_again_is_no_revision(site: Installation) -> None:
    put(site, "*.*.*.* default\n")
    assert put(site, "*.*.*.* default\n") == "effect.dat is unchanged, revision 1\n"
    assert len(site.json("rules", "log", "effect.dat")) == 1


def test_a_line_that_does_not_work_is_named_and_the_document_stored_all_the_same(site: Installation) -> None:
    (first, second) = put(site, "nonsense nonsense nonsense\n10.*.*.* default\n").splitlines()
    assert first == "stored effect.dat as revision 1"
    assert second.startswith("error: effect.dat:1: ")
    assert stored(site) == b"nonsense nonsense nonsense\n10.*.*.* default\n"
    change = json.loads(site.text("rules", "import", "effect.dat", "-", "--json", given="nonsense nonsense nonsense\n"))
    assert (change["revision"], change["changed"]) == (2, True)
    assert [finding["level"] for finding in change["findings"]] == ["error"]


def test_strict_stores_nothing_when_a_line_does_not_work(site: Installation) -> None:
    words = ("rules", "import", "effect.dat", "-", "--strict")
    error = site.refusal(*words, given="nonsense nonsense nonsense\n")
    assert error.startswith("nothing was stored; correct these lines, or leave --strict out:\nerror: effect.dat:1: ")
    assert stored(site) is None
    assert site.text(*words, given="*.*.*.* default\n") == "stored effect.dat as revision 1\n"


def test_a_dangerous_line_is_named_when_it_is_imported_and_is_no_error(site: Installation) -> None:
    printed = site.text("rules", "import", "effect.dat", "-", "--strict", given="in.test true\n")
    assert printed.splitlines()[1].startswith("warning: effect.dat:1: says true for in.test, which is local")


def test_documents_of_accounts_are_apart_from_the_servers(site: Installation) -> None:
    put(site, "10.*.*.* default\n")
    put(site, "*.*.*.* false\n#<> bad bad\n", "effect.dat", *ANN)
    assert stored(site) == b"10.*.*.* default\n"
    assert site.text("rules", "show", "effect.dat", "--account", "Ann@IN.test").startswith("*.*.*.* false\n")
    listed = site.json("rules", "list")
    assert [(entry["document"], entry["account"]) for entry in listed] == [
        ("effect.dat", ""),
        ("effect.dat", "ann@in.test"),
    ]
    findings = site.call("rules", "check", "effect.dat", *ANN).stdout
    assert "effect.dat of ann@in.test:2: " in findings


def test_documents_are_listed(site: Installation) -> None:
    assert site.call("rules", "list").stderr == "no rule document yet; see what holds: genkan rules check\n"
    site.text("rules", "import", "effect.dat", "-", "--author", "kai", given="10.*.*.* default\n")
    site.text("rules", "shadow", "mail.dat", "-", *ANN, given="")
    created = site.json("rules", "list")[0]["current"]["created"]
    moment = f"{datetime.fromisoformat(created):%Y-%m-%d %H:%M:%S} UTC"
    assert site.text("rules", "list") == (
        "document    account      revision  octets  changed                  author  shadow\n"
        f"effect.dat  -            1         17      {moment}  kai\n"
        "mail.dat    ann@in.test  -         -       -                        -       yes\n"
    )


def test_what_the_program_ships_is_shown_until_there_is_a_document(site: Installation) -> None:
    assert site.text("rules", "show", "effect.dat") == SHIPPED
    assert exported(site, "effect.dat") == SHIPPED.encode()
    assert site.json("rules", "show", "effect.dat")["revision"] == 0
    error = "mail.dat is not there; make it with: genkan rules import mail.dat FILE"
    assert site.refusal("rules", "show", "mail.dat") == error
    error = "effect.dat of ann@in.test is not there; make it with: genkan rules import effect.dat FILE --account ann@in.test"
    assert site.refusal("rules", "export", "effect.dat", *ANN) == error


def test_a_document_is_exported_to_a_file(site: Installation, tmp_path: Path) -> None:
    put(site, b"' \x82\xa0\r10.*.*.* default")
    assert site.text("rules", "export", "effect.dat", str(tmp_path / "new/file")) == "exported effect.dat, 21 octets\n"
    assert (tmp_path / "new/file").read_bytes() == b"' \x82\xa0\r10.*.*.* default"
    assert exported(site, "effect.dat", "-") == b"' \x82\xa0\r10.*.*.* default"
    assert site.json("rules", "export", "effect.dat")["text"] == "' あ\r10.*.*.* default"


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The configuration of one installation for many examples, as words of the command line."""
    folder = tmp_path_factory.mktemp("site") / "home"
    words = ["init", str(folder), "--domain", "in.test", "--hostname", "mx.in.test", "--listen", "smtp=127.0.0.1:0"]
    assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    return ["-c", str(folder / "genkan.toml"), "rules"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=200), name=st.sampled_from([name for name in KINDS if name != "rejectsmtpip.dat"]))
def test_any_octets_are_exported_as_they_were_imported(standing: list[str], octets: bytes, name: str) -> None:
    runner = CliRunner()
    imported = runner.invoke(main, [*standing, "import", name, "-"], input=octets, catch_exceptions=False)
    assert imported.exit_code == 0, imported.output
    assert runner.invoke(main, [*standing, "export", name], catch_exceptions=False).stdout_bytes == octets
    again = runner.invoke(main, [*standing, "import", name, "-"], input=octets, catch_exceptions=False)
    assert "unchanged" in again.stdout


def test_all_documents_are_exported_and_imported_as_a_folder(site: Installation, tmp_path: Path) -> None:
    put(site, "10.*.*.* default\n")
    put(site, "*@out.test,0\n", "sender.dat", *ANN)
    folder = tmp_path / "git"
    assert site.text("rules", "export", "--all", str(folder)).splitlines() == [
        "exported effect.dat",
        "exported sender.dat of ann@in.test",
    ]
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.dat")}
    assert files == {"effect.dat": b"10.*.*.* default\n", "accounts/ann@in.test/sender.dat": b"*@out.test,0\n"}
    (folder / "README.md").write_text("what these are")
    (folder / "ordb.dat").write_text("bl.example.net\n")
    assert site.text("rules", "import", "--all", str(folder), "--comment", "from git").splitlines() == [
        "effect.dat is unchanged, revision 1",
        "stored ordb.dat as revision 1",
        "sender.dat of ann@in.test is unchanged, revision 1",
    ]
    assert site.json("rules", "log", "ordb.dat")[0]["comment"] == "from git"


def test_a_folder_is_imported_all_or_not_at_all(site: Installation, tmp_path: Path) -> None:
    (tmp_path / "effect.dat").write_text("10.*.*.* default\n")
    words = ("rules", "import", "--all", str(tmp_path))
    (tmp_path / "accounts/kai@in.test").mkdir(parents=True)
    (tmp_path / "accounts/kai@in.test/mail.dat").write_text("")
    assert site.refusal(*words) == "account kai@in.test is not there; see: genkan account list"
    (tmp_path / "accounts/kai@in.test").rename(tmp_path / "accounts/ann")
    assert "accounts/ann is not named after an account: " in site.refusal(*words)
    (tmp_path / "accounts/ann").rename(tmp_path / "accounts/ann@in.test")
    (tmp_path / "accounts/ann@in.test/ordb.dat").write_text("bl.example.net\n")
    assert site.refusal(*words).startswith("ordb.dat is the server's only; leave --account out")
    (tmp_path / "accounts/ann@in.test/ordb.dat").rename(tmp_path / "efect.dat")
    assert "efect.dat is no rule document; rename it to one of effect.dat, " in site.refusal(*words)
    (tmp_path / "efect.dat").rename(tmp_path / "sender.dat")
    assert site.refusal(*words, "--strict").startswith("nothing was stored; correct these lines")
    assert stored(site) is None
    assert site.text(*words).splitlines()[0] == "stored effect.dat as revision 1"


def test_a_folder_that_is_not_there_is_named(site: Installation, tmp_path: Path) -> None:
    error = site.refusal("rules", "import", "--all", str(tmp_path / "absent"))
    assert error.startswith(f"{tmp_path}/absent: ")


def test_a_document_that_is_too_long_is_refused(site: Installation) -> None:
    error = site.refusal("rules", "import", "mail.dat", "-", given=b"'" * (MAX_DOCUMENT + 1))
    assert error == "the document has 8388609 octets; give one of at most 8388608"


def test_revisions_are_listed_compared_and_brought_back(site: Installation) -> None:
    for text in ("10.*.*.* default\n", "10.*.*.* default\n*.*.*.* norelay\n", "*.*.*.* norelay\n"):
        site.text("rules", "import", "effect.dat", "-", "--author", "kai", "--comment", f"{len(text)}", given=text)
    log = [line.split() for line in site.text("rules", "log", "effect.dat").splitlines()]
    assert log[0] == ["revision", "stored", "octets", "author", "comment"]
    assert [(line[0], *line[4:]) for line in log[1:]] == [
        ("3", "16", "kai", "16"),
        ("2", "33", "kai", "33"),
        ("1", "17", "kai", "17"),
    ]
    assert site.text("rules", "diff", "effect.dat").splitlines() == [
        "--- effect.dat revision 2",
        "+++ effect.dat revision 3",
        "@@ -1,2 +1 @@",
        "-10.*.*.* default",
        " *.*.*.* norelay",
    ]
    assert site.json("rules", "diff", "effect.dat", "--from", "1", "--to", "2")["diff"][-1] == "+*.*.*.* norelay"
    assert site.text("rules", "diff", "effect.dat", "--from", "0", "--to", "1").splitlines()[3:] == [
        "-#<> default",
        "-#blank false",
        "+10.*.*.* default",
    ]
    assert site.text("rules", "rollback", "effect.dat", "1", "--author", "ann") == "stored effect.dat as revision 4\n"
    assert stored(site) == b"10.*.*.* default\n"
    newest = site.json("rules", "log", "effect.dat")[0]
    assert (newest["number"], newest["author"], newest["comment"]) == (4, "ann", "back to revision 1")
    assert site.text("rules", "show", "effect.dat", "--revision", "3") == "*.*.*.* norelay\n"
    assert exported(site, "effect.dat", "--revision", "3") == b"*.*.*.* norelay\n"


def test_a_document_without_history_says_so(site: Installation) -> None:
    error = "effect.dat was never stored; make it with: genkan rules import effect.dat FILE"
    assert site.refusal("rules", "log", "effect.dat") == error
    assert site.refusal("rules", "diff", "effect.dat") == error
    assert site.refusal("rules", "rollback", "effect.dat", "1").startswith("effect.dat has no revision 1; see: genkan")


def test_a_removed_document_is_gone_and_can_be_brought_back(site: Installation) -> None:
    put(site, "*@out.test,0\n", "sender.dat", *ANN)
    assert site.text("rules", "remove", "sender.dat", *ANN) == "removed sender.dat of ann@in.test\n"
    assert stored(site, "sender.dat", of_ann=True) is None
    assert site.json("rules", "log", "sender.dat", *ANN)[0]["size"] is None
    assert site.text("rules", "log", "sender.dat", *ANN).splitlines()[1].split()[4] == "removed"
    assert site.refusal("rules", "remove", "sender.dat", *ANN).startswith("sender.dat of ann@in.test is not there")
    site.text("rules", "rollback", "sender.dat", "1", *ANN)
    assert stored(site, "sender.dat", of_ann=True) == b"*@out.test,0\n"


def test_a_shadow_is_put_on_trial_compared_and_promoted(site: Installation) -> None:
    put(site, "10.*.*.* default\n")
    words = ("rules", "shadow", "effect.dat", "-", "--comment", "stricter")
    assert site.text(*words, given="*.*.*.* false\n").splitlines()[0] == "effect.dat has a shadow now"
    assert stored(site) == b"10.*.*.* default\n"
    assert site.text("rules", "diff", "effect.dat", "--shadow").splitlines() == [
        "--- effect.dat revision 1",
        "+++ effect.dat shadow",
        "@@ -1 +1 @@",
        "-10.*.*.* default",
        "+*.*.*.* false",
    ]
    assert site.text("rules", "promote", "effect.dat").splitlines()[0] == "stored effect.dat as revision 2"
    assert stored(site) == b"*.*.*.* false\n"
    assert site.json("rules", "log", "effect.dat")[0]["comment"] == "stricter"
    for refused in (("promote", "effect.dat"), ("shadow", "effect.dat", "--drop"), ("diff", "effect.dat", "--shadow")):
        assert site.refusal("rules", *refused).startswith("effect.dat has no shadow; put a text on trial with: genkan")


def test_a_trial_is_ended(site: Installation) -> None:
    site.text("rules", "shadow", "effect.dat", "-", given="*.*.*.* false\n")
    assert site.json("rules", "shadow", "effect.dat", "--drop") == {"dropped": "effect.dat"}
    assert site.json("rules", "list") == []


def test_check_names_what_is_wrong_and_says_when_the_server_relays(site: Installation) -> None:
    put(site, "in.test true\nnonsense nonsense nonsense\n")
    result = site.call("rules", "check")
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert [line.split(": ")[:2] for line in lines[:2]] == [["error", "effect.dat:2"], ["warning", "effect.dat:1"]]
    assert lines[2:4] == ["", "The first line of effect.dat that matches decides."]
    report = json.loads(site.call("rules", "check", "--json").stdout)
    assert sorted(report) == ["findings", "relaying"]


def test_check_of_what_is_shipped_is_no_error_and_says_when_the_server_relays(site: Installation) -> None:
    report = site.json("rules", "check")
    assert report["findings"] == []
    assert "Built-in: nobody relays without AUTH." in report["relaying"]
    site.set('mode = "on"', 'mode = "off"')
    assert "Built-in: AUTH is off, so nobody relays." in site.json("rules", "check", "effect.dat")["relaying"]
    assert site.json("rules", "check", "ordb.dat") == {"findings": [], "relaying": []}


def test_check_looks_at_one_account_or_at_all(site: Installation) -> None:
    put(site, "nonsense nonsense nonsense\n", "effect.dat", *ANN)
    assert site.call("rules", "check").exit_code == 0
    subjects = []
    for words in (ANN, ("--all",), ("effect.dat", "--all"), ("effect.dat", *ANN)):
        result = site.call("rules", "check", *words, "--json")
        assert result.exit_code == 1
        subjects.append([finding["subject"] for finding in json.loads(result.stdout)["findings"]])
    assert subjects == [["effect.dat of ann@in.test:1"]] * 4
    assert site.call("rules", "check", "mail.dat", "--all").exit_code == 0


def editor(site: Installation, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Make a program of Python the editor; `path` is the file it edits."""
    script = site.folder / "an editor.py"
    script.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[-1])\n{program}\n")
    monkeypatch.setenv("VISUAL", f"'{sys.executable}' '{script}' --wait")
    keep_copies_in(site, monkeypatch)


def keep_copies_in(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let working copies lie in the folder `copies`, and not among those of others."""
    (site.folder / "copies").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(site.folder / "copies"))


def test_a_document_is_edited_as_utf8(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    put(site, "' 社内\r\n10.*.*.* default\r\n".encode("cp932"))
    editor(site, monkeypatch, "path.write_bytes(path.read_bytes().replace('社内'.encode(), '本社'.encode()))")
    assert site.text("rules", "edit", "effect.dat", "--comment", "moved") == "stored effect.dat as revision 2\n"
    assert stored(site) == "' 本社\r\n10.*.*.* default\r\n".encode()
    assert list((site.folder / "copies").iterdir()) == []
    assert site.json("rules", "log", "effect.dat")[0]["comment"] == "moved"


def test_a_document_that_was_not_changed_is_not_stored(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(site, monkeypatch, "assert path.name == 'effect.dat'")
    assert site.text("rules", "edit", "effect.dat") == "effect.dat is unchanged\n"
    assert stored(site) is None


def test_an_editor_begins_with_what_is_shipped(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(site, monkeypatch, "path.write_text(path.read_text() + '10.*.*.* default\\n')")
    assert site.json("rules", "edit", "effect.dat")["revision"] == 1
    assert stored(site) == f"{SHIPPED}10.*.*.* default\n".encode()


def test_an_editor_that_fails_stores_nothing(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(site, monkeypatch, "path.write_text('x')\nsys.exit(3)")
    error = site.refusal("rules", "edit", "effect.dat")
    assert error.startswith("the editor ended with status 3: nothing was stored, what you wrote is kept in ")
    assert Path(error.rpartition(" ")[2]).read_text() == "x"
    assert stored(site) is None


@pytest.mark.parametrize("line", ["/nowhere/editor", "'unclosed"])
def test_an_editor_that_is_not_there_is_named(site: Installation, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    keep_copies_in(site, monkeypatch)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", line)
    error = site.refusal("rules", "edit", "effect.dat")
    assert error.startswith(f"the editor {line!r} cannot be started: ")
    assert error.endswith("name another in EDITOR")
    assert list((site.folder / "copies").iterdir()) == []


def test_an_editor_that_deletes_the_file_stores_nothing(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(site, monkeypatch, "path.unlink()")
    assert "effect.dat: No such file" in site.refusal("rules", "edit", "effect.dat")
    assert stored(site) is None


MEANWHILE = """
from genkan.directory import Directory
with Directory.open(pathlib.Path({folder!r})) as directory:
    directory.documents.edit("effect.dat", None, lambda octets: {change}, "server")
path.write_text("' mine" + chr(10) + path.read_text().replace("10.", "11."))
"""


def test_lines_that_the_server_added_while_the_editor_was_open_are_kept(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site, "10.*.*.* default")
    folder = str(site.config.storage_folder)
    editor(site, monkeypatch, MEANWHILE.format(folder=folder, change=r"octets + b'\n192.0.2.1 false\n'"))
    assert site.json("rules", "edit", "effect.dat")["revision"] == 3
    assert stored(site) == b"' mine\n11.*.*.* default\n192.0.2.1 false\n"


def test_a_document_that_others_changed_while_the_editor_was_open_is_not_overwritten(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site, "10.*.*.* default\n")
    editor(site, monkeypatch, MEANWHILE.format(folder=str(site.config.storage_folder), change="b'other'"))
    error = site.refusal("rules", "edit", "effect.dat")
    assert error.startswith(
        "effect.dat was changed by somebody else meanwhile; see: genkan rules diff effect.dat; what you wrote is kept in "
    )
    assert Path(error.rpartition(" ")[2]).read_text() == "' mine\n11.*.*.* default\n"
    assert stored(site) == b"other"


def test_a_document_that_is_no_text_is_not_edited(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(site, monkeypatch, "path.write_text('lost')")
    put(site, b"' \x81\n")
    assert site.refusal("rules", "edit", "effect.dat").startswith("effect.dat holds octets that are neither UTF-8 nor")


def test_locks_are_shown_behind_their_document_and_go_back_into_the_table(site: Installation) -> None:
    now = datetime.now(UTC)
    until = now + timedelta(hours=1)
    with Directory.open(site.config.storage_folder) as directory:
        directory.locks.lock_for_rate("192.0.2.1", now, timedelta(hours=1))
    live = f"192.0.2.1\t{int(until.timestamp())}\tiplock\n"
    assert site.text("rules", "show", "rejectsmtpip.dat") == live
    put(site, "203.0.113.9\t", "rejectsmtpip.dat")
    assert exported(site, "rejectsmtpip.dat") == f"203.0.113.9\t\n{live}".encode()
    again = exported(site, "rejectsmtpip.dat")
    assert put(site, again, "rejectsmtpip.dat") == "rejectsmtpip.dat is unchanged, revision 1\n"
    put(site, f"192.0.2.7\t{int(until.timestamp())}\n192.0.2.8\t5\n203.0.113.*\t\n", "rejectsmtpip.dat")
    assert stored(site, "rejectsmtpip.dat") == b"203.0.113.*\t\n"
    assert [lock["network"] for lock in site.json("lock", "list")] == ["192.0.2.1/32", "192.0.2.7/32"]


def test_locks_without_a_document_are_exported_with_the_others(site: Installation, tmp_path: Path) -> None:
    with Directory.open(site.config.storage_folder) as directory:
        directory.locks.add("192.0.2.1", None, "by hand", datetime.now(UTC))
    site.text("rules", "export", "--all", str(tmp_path))
    assert (tmp_path / "rejectsmtpip.dat").read_bytes() == b"192.0.2.1\t\n"


def test_without_a_document_the_known_ones_are_named(site: Installation) -> None:
    result = site.call("rules", "show")
    assert result.exit_code == 2
    assert [line.strip(" \t,") for line in result.stderr.splitlines()[-len(KINDS) :]] == list(KINDS)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["show", "efect.dat"], "Error: Invalid value for 'DOCUMENT': 'efect.dat' is not one of 'effect.dat', "),
        (["import"], "Error: name a document: effect.dat, sender.dat, mail.dat, "),
        (["import", "effect.dat"], "Error: name the FILE to read, or - for standard input"),
        (["import", "effect.dat", "/nowhere"], "Error: Invalid value for '[FILE]': '/nowhere': No such file"),
        (
            ["show", "ordb.dat", *ANN],
            "Error: ordb.dat is the server's only: leave --account out; an account has effect",
        ),
        (["import", "effect.dat", "-", "--all", "."], "Error: --all means every document: name nothing else"),
        (["export", "effect.dat", "--all", "."], "Error: --all means every document: name nothing else"),
        (["check", "--all", *ANN], "Error: --all means every account: leave --account out"),
        (["shadow", "effect.dat", "-", "--drop"], "Error: --drop takes no FILE"),
        (["diff", "effect.dat", "--shadow", "--from", "1"], "Error: --shadow compares with the current text"),
        (["rollback", "effect.dat"], "Error: Missing argument 'N'"),
        (["rollback", "effect.dat", "x"], "Error: Invalid value for 'N': 'x' is not a valid integer"),
    ],
)
def test_a_wrong_command_line_has_exit_status_2(site: Installation, words: list[str], error: str) -> None:
    assert site.misuse("rules", *words).startswith(error)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["show", "effect.dat", "--account", "kai@in.test"],
            "account kai@in.test is not there; see: genkan account list",
        ),
        (["import", "effect.dat", "-", "--author", "a\nb"], "the author is not usable: give at most 500 characters"),
        (["export", "effect.dat", "/dev/null/file"], "/dev/null/file: "),
    ],
)
def test_what_is_refused_says_what_to_do(site: Installation, words: list[str], error: str) -> None:
    assert site.refusal("rules", *words, given="*.*.*.* default\n").startswith(error)
