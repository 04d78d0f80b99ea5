# SPDX-License-Identifier: Apache-2.0
"""`genkan list` as an operator types it: text, JSON, errors, exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.admin.conftest import Installation


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
        "list           members  who may write\n"
        "board@in.test  0        anybody\n"
        "staff@in.test  4        authenticated accounts\n"
    )
    assert [entry["address"] for entry in staffed.json("list", "list", "IN.test")] == ["board@in.test", "staff@in.test"]
    assert staffed.json("list", "list", "other.test") == []


def test_a_list_is_shown_with_where_the_mail_of_its_members_ends(staffed: Installation) -> None:
    assert staffed.text("list", "show", "Staff@IN.test") == (
        "list           staff@in.test\n"
        "who may write  authenticated accounts\n"
        "members        carol@example.net\n"
        "               ann+x@in.test -> ann@in.test\n"
        "               chair@in.test -> board@in.test\n"
        "               kai@in.test (nobody)\n"
    )
    entry = staffed.json("list", "show", "staff@in.test")
    assert (entry["address"], entry["require_auth"]) == ("staff@in.test", True)
    assert entry["members"][1:] == [
        {"member": "ann+x@in.test", "end": "ann@in.test"},
        {"member": "chair@in.test", "end": "board@in.test"},
        {"member": "kai@in.test", "end": ""},
    ]


def test_a_list_without_members_says_how_to_add_one(staffed: Installation) -> None:
    assert staffed.text("list", "show", "board@in.test").splitlines()[1:] == [
        "who may write  anybody",
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
    entry = {"address": "staff@in.test", "require_auth": True, "members": []}
    assert installation.json("list", "add", "staff@in.test", "--require-auth") == entry
    assert installation.json("list", "member", "add", "staff@in.test", "carol@example.net") == {
        "list": "staff@in.test",
        "added": {"member": "carol@example.net", "end": "carol@example.net"},
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
