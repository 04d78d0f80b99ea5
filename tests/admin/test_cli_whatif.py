# SPDX-License-Identifier: Apache-2.0
"""`genkan whatif` over the record of a real server that has received real mail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from click.testing import CliRunner

from genkan.admin.cli import main
from genkan.admin.commands_docs import render
from genkan.record.files import FOLDER
from tests.support.caller import Caller, proxy_v1
from tests.support.server import serving
from tests.support.standing import make_standing, place_rules, standing_configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from click.testing import Result

    from genkan.config import Config

CLIENT: Final = "192.0.2.10"
ALL: Final = ("--since", "36500d")
SPAM: Final = b"From: <carol@out.test>\r\nSubject: cheap watches\r\n\r\nbuy http://evil.test/ now\r\n"
BLOCK: Final = "Virus:watches\r\n{}Level:{}\r\n{}VirusEnd:\r\n"
IN_SUBJECT: Final = "Subject:watches\r\n"
IN_BODY: Final = "Body:\r\nbuy\r\nBodyEnd:\r\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("whatif") / "home"
    make_standing(home)
    return home


@pytest.fixture
def make(template: Path, tmp_path: Path) -> Callable[..., Config]:
    """Makes an installation whose record has a message of carol for bob, with those rules in force."""

    def made(
        rules: Mapping[tuple[str, str], bytes] | None = None, settings: Mapping[str, str] | None = None, times: int = 1
    ) -> Config:
        config = standing_configuration(template, tmp_path / "home", settings or {})
        place_rules(config, rules or {})
        with serving(config) as server:
            for _ in range(times):
                with Caller(server, first=proxy_v1(CLIENT)) as caller:
                    talk(caller, b"MAIL FROM:<carol@out.test>", b"RCPT TO:<x@in.test>", b"RCPT TO:<bob@in.test>")
        return config

    return made


def talk(caller: Caller, *lines: bytes) -> None:
    caller.ask(b"EHLO client.test", *lines, b"DATA", SPAM + b".", b"QUIT")
    assert caller.rest() == b""


def call(config: Config, *words: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(config.file), *words], catch_exceptions=False)


def exported(config: Config, changes: Mapping[str, str] | None = None) -> Path:
    """A folder as `genkan rules export` writes it, then changed."""
    folder = config.home / "rules"
    assert call(config, "rules", "export", "--all", str(folder)).exit_code == 0
    for name, text in (changes or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


def asked(config: Config, changes: Mapping[str, str], *words: str) -> Any:
    """The JSON of a run with these documents, which must have changed a verdict."""
    result = call(config, "whatif", str(exported(config, changes)), *ALL, "--json", *words)
    answer = json.loads(result.stdout)
    assert result.exit_code == (1 if answer["counts"]["changes"] else 0)
    return answer


def verdicts(answer: Any) -> Sequence[tuple[str, str, str, str, str]]:
    """Stage, then reply and rule before and after, of each group."""
    return [
        (group["stage"], *(group[side][word] for side in ("before", "after") for word in ("reply", "rule")))
        for group in answer["groups"]
    ]


def test_the_documents_in_force_would_change_nothing(make: Callable[..., Config]) -> None:
    config = make({("effect.dat", ""): b"192.0.2.0/24 default\r\n"})
    result = call(config, "whatif", str(exported(config)), *ALL)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "no verdict would change by these documents"
    assert lines[1].startswith("1 mail transaction and 1 connection since ")
    assert lines[1].endswith(" entries a second)")
    assert lines[2] == "note: all documents in the folder are the same as those in force"
    assert lines[3].startswith("note: the record goes back to 2026-11-23 12:00:00 UTC only (record.age = 14d, ")
    assert len(lines) == 4


def test_a_change_is_listed_with_the_rules_of_both_sides(make: Callable[..., Config]) -> None:
    config = make({("effect.dat", ""): b"192.0.2.0/24 default\r\n"})
    folder = exported(config, {"effect.dat": "' no more\r\n192.0.2.0/24 false\r\n"})
    result = call(config, "whatif", str(folder), *ALL)
    assert (result.exit_code, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        "1 x mail: accepted -> SENDER_FORBIDDEN",
        "  before: effect.dat:1 192.0.2.0/24 default",
        "  after: effect.dat:2 192.0.2.0/24 false",
    ]
    assert lines[3].startswith("    2026-11-23 12:00:00 UTC  session 1-")
    assert lines[3].endswith("  B0000000001  [192.0.2.10]  from <carol@out.test>")
    assert lines[4:7] == [
        "      - 250 2.0.0 <carol@out.test>... Sender ok.",
        "      + 550 5.1.7 Please, mail from a valid IP or Domain address.",
        "",
    ]
    assert lines[7] == "1 verdict would change by effect.dat"


@pytest.mark.parametrize(
    ("document", "text", "verdict"),
    [
        ("rejectsmtpip.dat", "192.0.2.10\n", ("connect", "accepted", "", "cut off", "rejectsmtpip.dat:1 192.0.2.10")),
        (
            "accounts/bob@in.test/effect.dat",
            "out.test false\n",
            ("rcpt", "accepted", "", "SENDER_FORBIDDEN", "effect.dat of bob@in.test:1 out.test false"),
        ),
        (
            "approval-addresses.dat",
            "*@out.test refuse\n",
            ("rcpt", "accepted", "", "SENDER_BLACKLISTED", "approval-addresses.dat:1 *@out.test  refuse"),
        ),
        (
            "approval-subjects.dat",
            "watches\trefuse\n",
            ("content", "accepted", "", "SUBJECT_BLACKLISTED", "approval-subjects.dat:1 watches  refuse"),
        ),
        (
            "mail.dat",
            BLOCK.format(IN_SUBJECT, "100", ""),
            ("content", "accepted", "", "CAUGHT_BY_FILTER", "mail.dat:1 Virus:watches"),
        ),
        (
            "accounts/bob@in.test/mail.dat",
            BLOCK.format(IN_SUBJECT, "100", ""),
            ("content", "accepted", "", "CAUGHT_BY_FILTER", "mail.dat of bob@in.test:1 Virus:watches"),
        ),
    ],
)
def test_each_kind_of_document_is_tried(
    make: Callable[..., Config], document: str, text: str, verdict: tuple[str, ...]
) -> None:
    found = verdicts(asked(make(), {document: text}))
    assert verdict in found
    assert {stage for stage, *_ in found} == {verdict[0]}


def test_the_destinations_of_an_account_are_tried(template: Path, tmp_path: Path) -> None:
    config = standing_configuration(template, tmp_path / "home", {})
    place_rules(config, {("effect.dat", ""): b"192.0.2.0/24 true\n", ("sender.dat", "ann@in.test"): b"*@*\n"})
    with serving(config) as server, Caller(server, first=proxy_v1(CLIENT)) as caller:
        talk(caller, b"MAIL FROM:<ann@in.test>", b"RCPT TO:<x@out.test>", b"RCPT TO:<bob@in.test>")
    answer = asked(config, {"accounts/ann@in.test/sender.dat": "*@out.test,-1\n*@*\n"})
    assert answer["documents"] == ["sender.dat of ann@in.test"]
    assert verdicts(answer) == [
        (
            *("rcpt", "accepted", "sender.dat of ann@in.test:1 *@*,0"),
            *("RECIPIENT_FORBIDDEN", "sender.dat of ann@in.test:1 *@out.test,-1"),
        )
    ]
    (change,) = answer["groups"][0]["youngest"]
    assert (change["forward_path"], change["reverse_path"], change["client"]) == ("x@out.test", "ann@in.test", CLIENT)
    assert change["after"].startswith("550 ")


def test_what_is_done_with_a_message_counts_as_a_verdict(make: Callable[..., Config]) -> None:
    config = make({("mail.dat", ""): BLOCK.format(IN_SUBJECT, "300", "Tag:[x]\r\n").encode()})
    answer = asked(config, {"mail.dat": BLOCK.format(IN_SUBJECT, "300", "Tag:[y]\r\n")})
    (group,) = answer["groups"]
    assert (group["before"]["actions"], group["after"]["actions"]) == (
        ["subject tagged '[x]'"],
        ["subject tagged '[y]'"],
    )
    text = call(config, "whatif", str(config.home / "rules"), *ALL).stdout
    assert text.startswith("1 x content: accepted (subject tagged '[x]') -> accepted (subject tagged '[y]')\n")


def test_a_refusal_can_turn_into_acceptance(make: Callable[..., Config]) -> None:
    config = make({("mail.dat", ""): BLOCK.format(IN_SUBJECT, "100", "").encode()})
    answer = asked(config, {"mail.dat": "' nothing\r\n"})
    assert verdicts(answer) == [("content", "CAUGHT_BY_FILTER", "mail.dat:1 Virus:watches", "accepted", "")]


def test_equal_changes_are_grouped_and_the_youngest_listed(make: Callable[..., Config]) -> None:
    config = make(times=3)
    changes = {"effect.dat": "192.0.2.0/24 false\n"}
    (group,) = asked(config, changes, "--limit", "2")["groups"]
    assert (group["count"], len(group["youngest"])) == (3, 2)
    assert [change["message_id"] for change in group["youngest"]] == ["B0000000003", "B0000000002"]
    (group,) = asked(config, changes, "--limit", "0")["groups"]
    assert (group["count"], group["youngest"]) == (3, [])


def test_bodies_that_would_have_to_be_looked_at_are_counted(make: Callable[..., Config]) -> None:
    config = make(times=2)
    answer = asked(config, {"mail.dat": BLOCK.format(IN_BODY, "100", "")})
    assert (answer["counts"]["changes"], answer["counts"]["unseen"]) == (0, 2)
    assert answer["notes"][0] == (
        "2 messages might be decided by Body or RBL lines of a changed mail.dat, "
        "which cannot be tried: bodies are not recorded"
    )
    elsewhere = BLOCK.format(f"Subject:lunch\r\n{IN_BODY}", "100", "")
    assert asked(config, {"mail.dat": elsewhere})["counts"]["unseen"] == 0


def test_a_refusal_by_the_body_is_not_taken_for_one_of_other_times(make: Callable[..., Config]) -> None:
    config = make({("mail.dat", ""): BLOCK.format(IN_BODY, "100", "").encode()})
    answer = asked(config, {"effect.dat": "198.51.100.0/24 false\n"})
    assert (answer["counts"]["changes"], answer["counts"]["stale"], answer["counts"]["unseen"]) == (0, 0, 0)


def test_lists_that_nobody_asked_are_named(make: Callable[..., Config]) -> None:
    lookup = BLOCK.format("RBL:surbl.test\r\n", "100", "")
    answer = asked(make(), {"ordb.dat": "bl.test\n", "mail.dat": lookup})
    assert answer["counts"]["unasked"] == 1
    assert "nobody has asked bl.test, surbl.test yet; taken as listing nothing" in answer["notes"]


def test_header_sections_that_were_cut_are_counted(make: Callable[..., Config]) -> None:
    config = make(settings={"record.header_size": "30"})
    answer = asked(config, {"approval-subjects.dat": "watches\trefuse\n"})
    assert (answer["counts"]["changes"], answer["counts"]["cut"]) == (0, 1)
    assert asked(config, {"effect.dat": "192.0.2.0/24 default\n", "approval-subjects.dat": ""})["counts"]["cut"] == 0


def test_what_has_changed_since_is_counted_and_blamed_on_nobody(make: Callable[..., Config]) -> None:
    config = make()
    place_rules(config, {("effect.dat", ""): b"192.0.2.0/24 false\n"})
    answer = asked(config, {"effect.dat": "192.0.2.10 false\n"})
    assert (answer["counts"]["changes"], answer["counts"]["stale"]) == (0, 1)
    assert answer["notes"][0].startswith("1 entry was decided otherwise then than the present documents, ")


def test_since_limits_the_entries(make: Callable[..., Config]) -> None:
    config = make()
    folder = exported(config, {"effect.dat": "192.0.2.0/24 false\n"})
    result = call(config, "whatif", str(folder), "--since", "1s", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["counts"]["transactions"] == 0


def test_without_a_record_it_says_so(template: Path, tmp_path: Path) -> None:
    config = standing_configuration(template, tmp_path / "home", {"record.enabled": "false"})
    folder = exported(config, {"effect.dat": "192.0.2.0/24 false\n"})
    result = call(config, "whatif", str(folder))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[2:] == [
        "note: nothing is recorded now, for the setting record.enabled is false",
        "note: nothing is recorded yet; an entry is written when a mail transaction or a connection has ended",
    ]
    assert not (config.storage_folder / FOLDER).exists()


def test_locks_that_were_exported_with_the_document_change_nothing(make: Callable[..., Config]) -> None:
    config = make({("rejectsmtpip.dat", ""): b"198.51.100.1\r\n"})
    folder = exported(config)
    (folder / "rejectsmtpip.dat").write_bytes(b"198.51.100.1\r\n192.0.2.10\t1\tiplock\r\n")
    assert call(config, "whatif", str(folder), *ALL).exit_code == 0


# What the folder may look like.


def test_findings_are_told_on_standard_error_and_stop_only_when_strict(make: Callable[..., Config]) -> None:
    config = make()
    folder = exported(config, {"effect.dat": "192.0.2.0/24 maybe\n192.0.2.10 false\n"})
    result = call(config, "whatif", str(folder), *ALL)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: effect.dat:1: has the unknown action")
    strict = call(config, "whatif", str(folder), *ALL, "--strict")
    assert (strict.exit_code, strict.stdout) == (1, "")
    assert strict.stderr.splitlines()[0] == "correct these lines, or leave --strict out:"
    assert strict.stderr.splitlines()[1].startswith("error: effect.dat:1: has the unknown action")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, "{folder} holds no rule document; fill it with: genkan rules export --all {folder}"),
        ({"effects.dat": "x"}, "{folder}/effects.dat is no rule document; rename it to one of effect.dat, "),
        ({"accounts/eve@in.test/effect.dat": "x"}, "account eve@in.test is not there; see: genkan account list"),
        ({"accounts/eve/effect.dat": "x"}, "{folder}/accounts/eve is not named after an account: "),
        ({"accounts/bob@in.test/ordb.dat": "x"}, "ordb.dat is the server's only; "),
    ],
)
def test_a_folder_that_cannot_be_meant_is_an_error(
    make: Callable[..., Config], changes: Mapping[str, str], error: str
) -> None:
    config = make()
    (config.home / "rules").mkdir()
    folder = exported(config, changes)
    result = call(config, "whatif", str(folder))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(error.format(folder=folder))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "name the folder with the changed documents, or give --shadow"),
        (("/", "--shadow"), "name the folder with the changed documents, or give --shadow"),
        (("/nowhere/at/all",), "'/nowhere/at/all' does not exist."),
        (("/", "--since", "soon"), 'expected a duration such as "90s"'),
    ],
)
def test_a_command_line_that_is_wrong_is_a_usage_error(
    template: Path, tmp_path: Path, words: tuple[str, ...], error: str
) -> None:
    result = call(standing_configuration(template, tmp_path / "home", {}), "whatif", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error in result.stderr


# Shadows.


def test_what_shadows_said_is_listed_in_the_same_form(
    make: Callable[..., Config], template: Path, tmp_path: Path
) -> None:
    config = standing_configuration(template, tmp_path / "home", {})
    assert call(config, "whatif", "--shadow", *ALL).exit_code == 0
    (config.home / "shadow").write_text("192.0.2.0/24 false\n")
    assert call(config, "rules", "shadow", "effect.dat", str(config.home / "shadow")).exit_code == 0
    make()
    result = call(config, "whatif", "--shadow", *ALL)
    assert (result.exit_code, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        "1 x mail: accepted -> SENDER_FORBIDDEN",
        "  before: no rule",
        "  after: effect.dat:1 192.0.2.0/24 false",
    ]
    assert "1 verdict of the shadow documents differed" in lines
    (group,) = json.loads(call(config, "whatif", "--shadow", *ALL, "--json").stdout)["groups"]
    assert group["youngest"][0]["after"] == "550 5.1.7 Please, mail from a valid IP or Domain address."


def test_the_page_of_commands_tells_of_it() -> None:
    assert "genkan whatif [DIR]" in render()
