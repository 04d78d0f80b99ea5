# SPDX-License-Identifier: Apache-2.0
"""Documents on trial: what they would have decided is in the record, and nobody else notices them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory import Directory
from genkan.record.entry import ConnectionEntry, TransactionEntry
from genkan.smtp.address import parse_mailbox
from tests.listener.ruled import MESSAGE, block, call, kept, record, ruled, send

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.config import Config

ANN, BOB = "ann@in.test", "bob@in.test"


def put_on_trial(config: Config, name: str, text: str, account: str = "") -> None:
    with Directory.open(config.storage_folder) as directory:
        owner = directory.account(parse_mailbox(account)) if account else None
        directory.documents.store_shadow(name, owner, text.encode(), "operator")


def shadows(config: Config) -> list[list[tuple[str, str, str]]]:
    """Of each transaction, where the trial says something else, and what."""
    return [
        [
            (shadow.stage, shadow.forward_path, shadow.decision.reply if shadow.decision else "")
            for shadow in entry.shadow
        ]
        for entry in record(config)
        if isinstance(entry, TransactionEntry)
    ]


BODY: Final = "Virus:line\nBody:\nOne line\nBodyEnd:\nLevel:100\nVirusEnd:\n"


@pytest.mark.parametrize(
    ("name", "account", "text", "expected"),
    [
        ("effect.dat", "", "out.test false\n", [("mail", "", "SENDER_FORBIDDEN")]),
        ("effect.dat", BOB, "* false\n", [("rcpt", BOB, "SENDER_FORBIDDEN")]),
        ("mail.dat", "", block("100"), [("content", "", "CAUGHT_BY_FILTER")]),
        ("mail.dat", "", block("300", "Tag:[x]"), [("content", "", "")]),
        ("mail.dat", "", block("100", subject="other"), []),
        ("sender.dat", ANN, "*,-1\n", []),
    ],
)
def test_a_trial_is_noted_and_changes_nothing(
    tmp_path: Path, name: str, account: str, text: str, expected: list[tuple[str, str, str]]
) -> None:
    with ruled(tmp_path, {}) as server:
        put_on_trial(server.config, name, text, account)
        with call(server) as caller:
            assert send(caller, MESSAGE, b"ann", b"bob") == 250
    assert [(message.recipients, message.content, message.hold) for message in kept(server.config)] == [
        ([ANN, BOB], MESSAGE, None)
    ]
    assert shadows(server.config) == [expected]


def test_a_text_that_was_read_for_the_rules_in_force_is_there_for_the_trial_too(tmp_path: Path) -> None:
    with ruled(tmp_path, {"mail.dat": block("100", subject="other")}) as server:
        put_on_trial(server.config, "mail.dat", BODY)
        with call(server) as caller:
            assert send(caller, MESSAGE, b"ann") == 250
    assert shadows(server.config) == [[("content", "", "CAUGHT_BY_FILTER")]]


def test_what_a_trial_would_accept_is_noted_as_well(tmp_path: Path) -> None:
    with ruled(tmp_path, {"effect.dat": "out.test false\n"}) as server:
        put_on_trial(server.config, "effect.dat", "out.test default\n")
        with call(server) as caller:
            assert caller.ask(b"MAIL FROM:<x@out.test>") == [550]
    assert shadows(server.config) == [[("mail", "", "")]]


def test_a_trial_that_has_ended_is_asked_no_more(tmp_path: Path) -> None:
    with ruled(tmp_path, {}) as server:
        put_on_trial(server.config, "effect.dat", "out.test false\n")
        with call(server) as caller:
            assert send(caller, MESSAGE, b"ann") == 250
            with Directory.open(server.config.storage_folder) as directory:
                directory.documents.drop_shadow("effect.dat", None)
            assert send(caller, MESSAGE, b"ann") == 250
    assert shadows(server.config) == [[("mail", "", "SENDER_FORBIDDEN")], []]


def test_a_greeting_is_judged_by_the_trial_too(tmp_path: Path) -> None:
    with ruled(tmp_path, {}) as server:
        put_on_trial(server.config, "rejectsmtpip.dat", "192.0.2.10\t\n")
        with call(server) as caller:
            assert caller.ask(b"QUIT") == [221]
            caller.rest()
    (connection,) = [entry for entry in record(server.config) if isinstance(entry, ConnectionEntry)]
    assert connection.decision is None
    assert [(shadow.stage, shadow.decision and shadow.decision.check) for shadow in connection.shadow] == [
        ("connect", "lock-out")
    ]
