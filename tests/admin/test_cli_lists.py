# SPDX-License-Identifier: Apache-2.0
"""`genkan list` as an operator types it: text, JSON, errors, exit status."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory import Directory
from genkan.smtp.address import parse_mailbox

if TYPE_CHECKING:
    from tests.admin.conftest import Installation

QUIET: Final = {"bounces": 0, "last_bounce": "", "suspended": False}


@pytest.fixture
def staffed(installation: Installation) -> Installation:
    """The list staff with ann, who has an account, carol elsewhere, the list board, and kai, whom nobody knows."""
    installation.text("account", "add", "ann@in.test", "--no-auth")
    installation.text("list", "add", "staff@in.test", "--require-auth")
    installation.text("list", "add", "board@in.test")
    installation.text("alias", "add", "chair@in.test", "board@in.test")
    for member in ("ann+x@in.test", "carol@example.net", "chair@in.test", "kai@in.test"):
        installation.text("list", "member", "add", "staff@in.test", member)
    return installation


def test_lists_are_listed_with_their_size(staffed: Installation) -> None:
    assert staffed.text("list", "list") == (
        "list           members  suspended  who may write\n"
        "board@in.test  0        0          anybody\n"
        "staff@in.test  4        0          authenticated accounts\n"
    )
    assert [entry["address"] for entry in staffed.json("list", "list", "IN.test")] == ["board@in.test", "staff@in.test"]
    assert staffed.json("list", "list", "other.test") == []


def test_a_list_is_shown_with_where_the_mail_of_its_members_ends(staffed: Installation) -> None:
    assert staffed.text("list", "show", "Staff@IN.test") == (
        "list           staff@in.test\n"
        "who may write  authenticated accounts\n"
        "subscription   by the operator\n"
        "bounce limit   5 days\n"
        "members        carol@example.net\n"
        "               ann+x@in.test -> ann@in.test\n"
        "               chair@in.test -> board@in.test\n"
        "               kai@in.test (nobody)\n"
    )
    entry = staffed.json("list", "show", "staff@in.test")
    assert (entry["address"], entry["posting"]) == ("staff@in.test", "authenticated")
    assert entry["members"][1:] == [
        {"member": "ann+x@in.test", "end": "ann@in.test", **QUIET},
        {"member": "chair@in.test", "end": "board@in.test", **QUIET},
        {"member": "kai@in.test", "end": "", **QUIET},
    ]


def test_a_list_without_members_says_how_to_add_one(staffed: Installation) -> None:
    assert staffed.text("list", "show", "board@in.test").splitlines()[3:] == [
        "bounce limit   5 days",
        "members        none; add one with: genkan list member add board@in.test ADDRESS",
    ]


def test_an_alias_to_a_list_is_listed_with_the_list(staffed: Installation) -> None:
    assert staffed.json("alias", "list")[0]["end"] == "board@in.test"


def test_list_commands_say_what_they_did(installation: Installation) -> None:
    assert installation.text("list", "add", "Staff@in.test") == "added Staff@in.test\n"
    assert installation.text("list", "member", "add", "staff@in.test", "carol@example.net") == (
        "added carol@example.net\n"
    )
    assert installation.text("list", "member", "add", "staff@in.test", "kai@in.test") == (
        "added kai@in.test\nnote: nobody has the address kai@in.test yet\n"
    )
    assert installation.text("list", "member", "remove", "staff@in.test", "KAI@in.test") == "removed KAI@in.test\n"
    assert installation.text("list", "remove", "staff@in.test") == "removed staff@in.test\n"


def test_list_commands_speak_json(installation: Installation) -> None:
    entry = {
        "address": "staff@in.test",
        "posting": "authenticated",
        "moderated": False,
        "title": "",
        "subject_tag": "",
        "subscription": "closed",
        "bounce_limit": 5,
        "owners": [],
        "members": [],
    }
    assert installation.json("list", "add", "staff@in.test", "--require-auth") == entry
    assert installation.json("list", "member", "add", "staff@in.test", "carol@example.net") == {
        "list": "staff@in.test",
        "added": {"member": "carol@example.net", "end": "carol@example.net", **QUIET},
    }
    assert installation.json("list", "member", "remove", "staff@in.test", "carol@example.net") == {
        "list": "staff@in.test",
        "removed": "carol@example.net",
    }
    assert installation.json("list", "remove", "staff@in.test") == {"removed": "staff@in.test"}
    assert installation.json("list", "list") == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["add", "staff@in.test"], "mailing list staff@in.test is already there; see: genkan list show staff@in.test"),
        (["add", "ann@in.test"], "ann@in.test is an account"),
        (["add", "staff@other.test"], "domain other.test is not a local one; add it with: genkan domain add"),
        (["show", "no@in.test"], "mailing list no@in.test is not there; see: genkan list list"),
        (["remove", "no@in.test"], "mailing list no@in.test is not there"),
        (["member", "add", "no@in.test", "ann@in.test"], "mailing list no@in.test is not there"),
        (["member", "add", "staff@in.test", "staff@in.test"], "staff@in.test is the list itself"),
        (["member", "add", "staff@in.test", "kai@in.test"], "kai@in.test is on staff@in.test already"),
        (["member", "resume", "board@in.test", "ann@in.test"], "ann@in.test is not on board@in.test; see: genkan list"),
        (["owner", "add", "staff@in.test", "chair@in.test"], "chair@in.test is the address of a list; name the owners"),
        (["owner", "remove", "staff@in.test", "ann@in.test"], "ann@in.test does not own staff@in.test; see: genkan"),
        (["set", "no@in.test", "--title", "No"], "mailing list no@in.test is not there"),
        (["set", "staff@in.test", "--title", "a\nb"], "'a\\nb' cannot be the title: write one line"),
        (["set", "staff@in.test", "--bounce-limit", "0"], "the bounce limit 0 would suspend everybody"),
        (["member", "remove", "board@in.test", "ann@in.test"], "ann@in.test is not on board@in.test; see: genkan list"),
    ],
)
def test_what_the_directory_refuses_says_what_to_do(staffed: Installation, words: list[str], error: str) -> None:
    assert staffed.refusal("list", *words).startswith(error)


def test_a_domain_with_a_list_is_not_removed(installation: Installation) -> None:
    installation.text("list", "add", "staff@in.test")
    assert installation.refusal("domain", "remove", "in.test").endswith("genkan list remove LIST")


def test_an_address_that_is_none_is_a_wrong_command_line(installation: Installation) -> None:
    assert installation.misuse("list", "add", "staff").startswith("Error: Invalid value for 'LIST': 'staff' is no")
    assert installation.misuse("list", "member", "add", "staff@in.test").startswith("Error: Missing argument 'ADDRESS'")


def test_a_list_has_settings_that_are_changed_one_by_one(installation: Installation) -> None:
    installation.text("account", "add", "ann@in.test", "--no-auth")
    words = ("--posting", "members", "--moderated", "--owner", "ann@in.test", "--title", "Developers")
    entry = installation.json("list", "add", "dev@in.test", *words)
    assert (entry["posting"], entry["moderated"], entry["owners"], entry["title"]) == (
        *("members", True),
        *(["ann@in.test"], "Developers"),
    )
    assert installation.text("list", "set", "dev@in.test", "--subject-tag", "[dev]", "--subscription", "confirm") == (
        "changed dev@in.test\n"
    )
    installation.text("list", "set", "dev@in.test", "--unmoderated", "--bounce-limit", "3")
    installation.text("list", "owner", "add", "dev@in.test", "kai@out.test")
    assert installation.text("list", "show", "dev@in.test") == (
        "list           dev@in.test\n"
        "who may write  members and owners\n"
        "title          Developers\n"
        "subject tag    [dev]\n"
        "subscription   by mail, confirmed\n"
        "bounce limit   3 days\n"
        "owners         ann@in.test\n"
        "               kai@out.test\n"
        "members        none; add one with: genkan list member add dev@in.test ADDRESS\n"
    )
    assert installation.text("list", "owner", "remove", "dev@in.test", "kai@out.test") == "removed kai@out.test\n"
    assert installation.json("list", "set", "dev@in.test", "--subject-tag", "")["subject_tag"] == ""


def test_a_change_of_a_list_that_names_no_setting_is_a_wrong_command_line(staffed: Installation) -> None:
    assert staffed.misuse("list", "set", "staff@in.test").startswith("Error: nothing to change: give --posting, ")


def test_require_auth_is_posting_authenticated(installation: Installation) -> None:
    installation.text("list", "add", "dev@in.test")
    assert installation.json("list", "set", "dev@in.test", "--require-auth")["posting"] == "authenticated"
    error = installation.misuse("list", "set", "dev@in.test", "--require-auth", "--posting", "members")
    assert error.startswith("Error: --require-auth and --posting members contradict each other")


def test_a_suspended_member_is_shown_and_resumed(staffed: Installation) -> None:
    carol = parse_mailbox("carol@example.net")
    with Directory.open(staffed.folder / "data") as directory:
        lists = directory.lists
        member = lists.roll.find(lists.show(parse_mailbox("staff@in.test")), carol)
        assert member is not None
        assert lists.roll.bounced(member, date(2026, 11, 23), 1)
    shown = staffed.text("list", "show", "staff@in.test").splitlines()[4]
    assert shown == "members        carol@example.net (suspended, 1 bounce, last on 2026-11-23)"
    assert staffed.text("list", "list").splitlines()[2].split()[:3] == ["staff@in.test", "4", "1"]
    assert staffed.text("list", "member", "resume", "staff@in.test", "carol@example.net") == (
        "resumed carol@example.net\n"
    )
    assert staffed.json("list", "show", "staff@in.test")["members"][0] == {
        "member": "carol@example.net",
        "end": "carol@example.net",
        **QUIET,
    }
