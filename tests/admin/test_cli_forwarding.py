# SPDX-License-Identifier: Apache-2.0
"""`genkan account forward` and `genkan account reply` as an operator types them: text, JSON, errors, exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.admin.conftest import Installation

FORWARD: Final = ("account", "forward", "ann@in.test")
REPLY: Final = ("account", "reply", "ann@in.test")


@pytest.fixture
def staffed(installation: Installation) -> Installation:
    """The accounts ann and bob, and the alias boss for bob."""
    for name in ("ann", "bob"):
        installation.text("account", "add", f"{name}@in.test", "--no-auth")
    installation.text("alias", "add", "boss@in.test", "bob@in.test")
    return installation


def test_an_account_that_forwards_nothing_says_how_to_begin(staffed: Installation) -> None:
    assert staffed.text(*FORWARD) == (
        "account   ann@in.test\nforwards  nothing; begin with: genkan account forward ann@in.test --to ADDRESS\n"
    )
    assert staffed.json(*FORWARD) == {"account": "ann@in.test", "addresses": [], "keep": True, "senders": []}


def test_addresses_are_added_and_taken_away_and_the_rest_stays(staffed: Installation) -> None:
    staffed.text(*FORWARD, "--to", "carol@out.test", "--to", "boss@in.test", "--no-keep", "--from", "*@Out.test")
    assert staffed.text(*FORWARD, "--to", "gone@in.test", "--remove", "CAROL@out.test") == (
        "account   ann@in.test\n"
        "forwards  boss@in.test -> bob@in.test\n"
        "          gone@in.test (nobody)\n"
        "copy      none stays\n"
        "senders   *@out.test\n"
    )
    assert staffed.json(*FORWARD, "--keep", "--from", "*") == {
        "account": "ann@in.test",
        "addresses": [
            {"address": "boss@in.test", "end": "bob@in.test"},
            {"address": "gone@in.test", "end": ""},
        ],
        "keep": True,
        "senders": ["*"],
    }


def test_a_copy_stays_and_everybody_is_forwarded_unless_told_otherwise(staffed: Installation) -> None:
    assert staffed.text(*FORWARD, "--to", "carol@out.test").splitlines()[1:] == [
        "forwards  carol@out.test",
        "copy      stays in the mailbox",
        "senders   everybody",
    ]


def test_forwarding_ends(staffed: Installation) -> None:
    staffed.text(*FORWARD, "--to", "carol@out.test")
    assert staffed.text(*FORWARD, "--off") == "ann@in.test forwards nothing any more\n"
    assert staffed.json(*FORWARD)["addresses"] == []
    assert staffed.refusal(*FORWARD, "--off").startswith("ann@in.test forwards nothing; see: genkan account forward")


def test_an_account_is_shown_with_what_it_forwards_and_whether_it_answers(staffed: Installation) -> None:
    staffed.text(*FORWARD, "--to", "carol@out.test", "--to", "dan@out.test")
    staffed.text(*REPLY, "--text", "Away.")
    assert staffed.text("account", "show", "ann@in.test").splitlines()[-2:] == [
        "forwards    carol@out.test, dan@out.test",
        "answers     by itself",
    ]
    entries = staffed.json("account", "list")
    assert [(entry["forwards"], entry["replies"]) for entry in entries] == [
        (["carol@out.test", "dan@out.test"], True),
        ([], False),
    ]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["ann@in.test", "--to", "ann+x@in.test"], "ann+x@in.test leads back to ann@in.test; name an address"),
        (["no@in.test", "--to", "carol@out.test"], "account no@in.test is not there; see: genkan account list"),
        (["ann@in.test", "--no-keep"], "there is no address to forward to; give one with --to"),
        (["ann@in.test", "--to", "carol@out.test", "--from", "out.test"], "'out.test' names no sender"),
    ],
)
def test_what_cannot_be_forwarded_says_what_to_do(staffed: Installation, words: list[str], error: str) -> None:
    assert staffed.refusal("account", "forward", *words).startswith(error)
    assert staffed.json(*FORWARD)["addresses"] == []


def test_an_account_that_answers_nothing_says_how_to_begin(staffed: Installation) -> None:
    assert staffed.text(*REPLY) == (
        "account  ann@in.test\nanswers  nothing; begin with: genkan account reply ann@in.test --text TEXT\n"
    )


def test_a_reply_is_set_and_shown(staffed: Installation) -> None:
    words = ("--subject", "Away", "--since", "2026-12-24", "--until", "2027-01-07T09:00+09:00", "--every", "2d")
    patterns = ("--only", "*@out.test", "--except", "noreply@out.test", "--except", "*@ads.test")
    assert staffed.text(*REPLY, *words, *patterns, "--text", "Away.\nAnn") == (
        "account  ann@in.test\n"
        "subject  Away\n"
        "since    2026-12-24 00:00:00 UTC\n"
        "until    2027-01-07 00:00:00 UTC\n"
        "every    2d\n"
        "only     *@out.test\n"
        "except   noreply@out.test, *@ads.test\n"
        "\n"
        "Away.\n"
        "Ann\n"
    )


def test_what_is_not_named_stays_and_none_takes_away(staffed: Installation) -> None:
    staffed.text(*REPLY, "--text", "Away.", "--since", "2026-12-24", "--until", "2027-01-07", "--except", "x@out.test")
    assert staffed.json(*REPLY, "--until", "none", "--except", "none", "--only", "*") == {
        "account": "ann@in.test",
        "text": "Away.\n",
        "subject": "",
        "since": "2026-12-24T00:00:00+00:00",
        "until": None,
        "every": "7d",
        "only": ["*"],
        "excepted": [],
    }
    assert staffed.text(*REPLY, "--since", "none").splitlines()[1:4] == [
        "subject  that of the mail",
        "since    always",
        "until    never",
    ]


def test_the_text_may_come_from_a_file_or_from_standard_input(staffed: Installation, tmp_path: Path) -> None:
    file = tmp_path / "away.txt"
    file.write_bytes("\ufeff\u4f11\u6687\u4e2d\u3067\u3059\u3002\r\n".encode())
    assert staffed.json(*REPLY, "--text-file", str(file))["text"] == "\u4f11\u6687\u4e2d\u3067\u3059\u3002\n"
    assert staffed.json(*REPLY, "--text-file", "-", given="Away.\n")["text"] == "Away.\n"


def test_the_reply_ends(staffed: Installation) -> None:
    staffed.text(*REPLY, "--text", "Away.")
    assert staffed.json(*REPLY, "--off") == {"ended": "ann@in.test"}
    assert staffed.refusal(*REPLY, "--off") == (
        "ann@in.test has no automatic reply; see: genkan account reply ann@in.test"
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--subject", "Away"], "the automatic reply has no text; give one with --text or --text-file"),
        (["--text", "Away.", "--every", "5m"], "a sender can be answered once in 1h at the least"),
        (["--text", "a" * 16384], "the text is longer than 16384 octets; shorten it"),
        (["--text", "Away.", "--only", "x"], "'x' names no sender"),
    ],
)
def test_what_cannot_be_answered_says_what_to_do(staffed: Installation, words: list[str], error: str) -> None:
    assert staffed.refusal(*REPLY, *words).startswith(error)


def test_a_text_in_another_encoding_is_refused(staffed: Installation) -> None:
    error = staffed.refusal(*REPLY, "--text-file", "-", given="\u4f11\u6687".encode("cp932"))
    assert error == "the text is not UTF-8; give it in that encoding"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([*FORWARD, "--off", "--to", "carol@out.test"], "--off ends forwarding and goes with no other option"),
        ([*REPLY, "--off", "--text", "x"], "--off ends the automatic reply and goes with no other option"),
        ([*REPLY, "--text", "x", "--text-file", "-"], "--text and --text-file both say what to answer"),
        ([*REPLY, "--since", "tomorrow"], "Invalid value for '--since': 'tomorrow' is no date such as 2026-12-24"),
        ([*FORWARD, "--to", "carol"], "Invalid value for '--to': 'carol' is no address such as ann@in.test"),
    ],
)
def test_a_command_line_that_contradicts_itself_is_a_misuse(
    staffed: Installation, words: list[str], error: str
) -> None:
    assert staffed.misuse(*words).startswith(f"Error: {error}")
