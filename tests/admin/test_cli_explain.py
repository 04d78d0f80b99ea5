# SPDX-License-Identifier: Apache-2.0
"""`genkan explain` on an installation with a record."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from genkan.admin.cli_explain import explain
from genkan.admin.invocation import Invocation
from genkan.message.envelope import Envelope
from genkan.record.files import FOLDER
from genkan.smtp.address import Mailbox
from tests.record.entries import AT, connection, transaction
from tests.record.test_reader import put
from tests.support.server import START
from tests.support.spools import BOB, open_spool

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.admin.conftest import Installation


def call(installation: Installation, *words: str) -> Result:
    return CliRunner().invoke(explain, words, obj=Invocation(installation.file), catch_exceptions=False)


@pytest.fixture
def record(installation: Installation) -> Path:
    """One session with one message."""
    folder = installation.config.storage_folder / FOLDER
    folder.mkdir()
    put(folder, 1, START, [transaction(), connection()])
    return folder


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize(
    "words",
    [
        ("B0000000001",),
        ("1-a-1",),
        ("--client", "192.0.2.10"),
        ("--client", "192.0.2.0/24"),
        ("--from", "carol@EXAMPLE.net"),
        ("--to", "nobody@in.test"),
        ("--to", "Bob@in.test", "--from", "carol@example.net", "--client", "192.0.2.10", "--since", "36500d"),
    ],
)
def test_a_session_is_explained(installation: Installation, words: tuple[str, ...]) -> None:
    result = call(installation, *words)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "2026-11-23 11:59:59 UTC  session 1-a-1"
    assert "      check: known-recipient (does the address exist in its local domain?)" in lines


@pytest.mark.usefixtures("record")
def test_a_session_is_explained_in_japanese(installation: Installation) -> None:
    lines = call(installation, "B0000000001", "--lang", "ja").stdout.splitlines()
    assert lines[0] == "2026-11-23 11:59:59 UTC  セッション 1-a-1"
    assert "      検査: known-recipient(宛先が内部ドメインに存在するか)" in lines


@pytest.mark.usefixtures("record")
def test_replies_are_those_of_the_installation(installation: Installation) -> None:
    installation.set('replies = "epstrs-4.A7"', 'replies = "rfc"')
    assert "was accepted: 250 2.1.0 Sender OK" in call(installation, "B0000000001").stdout


@pytest.mark.usefixtures("record")
def test_a_session_is_explained_in_json(installation: Installation) -> None:
    (session,) = json.loads(call(installation, "B0000000001", "--json").stdout)
    assert list(session) == ["session", "connection", "transactions", "queued", "story"]
    assert session["connection"]["reason"] == "client closed"
    (told,) = session["transactions"]
    assert (told["at"], told["reverse_path"], told["rcpts"][0]["decision"]["check"], told["shadow"]) == (
        AT,
        "Carol@example.net",
        "known-recipient",
        [],
    )
    assert session["story"][0] == "2026-11-23 11:59:59 UTC  session 1-a-1"


def test_sessions_stand_apart(installation: Installation, record: Path) -> None:
    put(record, 2, START, [transaction(session="2-a-1", at=AT + 5)])
    lines = call(installation, "--client", "192.0.2.10").stdout.splitlines()
    assert [line for line in lines if "  session " in line] == [
        "2026-11-23 12:00:05 UTC  session 2-a-1",
        "2026-11-23 11:59:59 UTC  session 1-a-1",
    ]
    assert lines.count("") == 1
    limited = call(installation, "--client", "192.0.2.10", "--limit", "1").stdout
    assert limited.count("  session ") == 1


def test_nothing_from_mail_moves_the_cursor(installation: Installation, record: Path) -> None:
    put(record, 2, START, [transaction(session="2-a-1", hello="\x1b[2J\x07", message_id="B0000000002")])
    text = call(installation, "B0000000002").stdout
    assert "\\x1b[2J\\x07" in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.usefixtures("record")
def test_what_became_of_a_message_is_told(installation: Installation) -> None:
    with open_spool(installation.config.storage_folder / "spool/0") as spool:
        draft = spool.begin()
        draft.append(b"x\r\n")
        envelope = Envelope("B0000000001", START, Mailbox("carol", "example.net"), (BOB,), "192.0.2.10", "x")
        spool.accept(envelope, draft, lambda _: None)
    text = call(installation, "B0000000001").stdout
    assert "    The message is still in the queue, for:\n      <bob@in.test>: " in text
    (session,) = json.loads(call(installation, "B0000000001", "--json").stdout)
    assert session["queued"]["B0000000001"]["recipients"][0]["forward_path"] == "bob@in.test"


def test_without_a_criterion_it_is_a_usage_error(installation: Installation) -> None:
    result = call(installation, "--since", "7d")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.rstrip().endswith("Error: say what to explain: a message id, or --client, --from or --to")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--client", "somebody"), 'expected a network such as "192.0.2.0/24", "2001:db8::/32" or one address'),
        (("--from", "ann"), "'ann' is no address such as ann@in.test, nor <>: the domain is missing"),
        (("--to", "ann"), "'ann' is no address such as ann@in.test"),
        (("B0000000001", "--since", "yesterday"), 'expected a duration such as "90s"'),
        (("B0000000001", "--limit", "0"), "0 is not in the range 1<=x<=10000"),
        (("B0000000001", "--lang", "de"), "'de' is not one of 'en', 'ja'"),
    ],
)
def test_a_criterion_that_is_none_is_a_usage_error(
    installation: Installation, words: tuple[str, ...], error: str
) -> None:
    result = call(installation, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error in result.stderr


def test_without_a_record_it_says_so(installation: Installation) -> None:
    result = call(installation, "B0000000001")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "nothing found: nothing is recorded yet; an entry is written when a mail transaction or a connection has ended\n"
    )


def test_when_the_record_is_switched_off_it_says_so(installation: Installation) -> None:
    file = installation.file
    file.write_text(file.read_text().replace("# keep it\nenabled = true", "enabled = false"))
    assert not installation.config.record.enabled
    result = call(installation, "B0000000001")
    assert (result.exit_code, result.stderr) == (
        1,
        "nothing found: nothing is recorded, for the setting record.enabled is false\n",
    )


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize("words", [("B0000000009",), ("--client", "192.0.2.10", "--since", "1s")])
def test_when_nothing_is_found_it_says_how_far_back_the_record_goes(
    installation: Installation, words: tuple[str, ...]
) -> None:
    file = installation.config.storage_folder / FOLDER / "1"
    began = datetime.now(UTC) - timedelta(days=2)
    for path in file.iterdir():
        path.unlink()
    put(file.parent, 1, began, [transaction(at=began.timestamp())])
    result = call(installation, *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"nothing found: the record goes back to {began:%Y-%m-%d %H:%M:%S} UTC "
        "(record.age = 14d, record.size = 1GB), and what is still under way is written when it has ended\n"
    )


def test_nothing_found_is_an_empty_list_in_json(installation: Installation) -> None:
    result = call(installation, "B0000000001", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, [])


def test_a_message_that_is_queued_but_not_recorded_is_pointed_to(installation: Installation) -> None:
    with open_spool(installation.config.storage_folder / "spool/0") as spool:
        draft = spool.begin()
        draft.append(b"x\r\n")
        spool.accept(Envelope("B0000000007", START, None, (BOB,), "192.0.2.10", "x"), draft, lambda _: None)
    result = call(installation, "B0000000007")
    assert result.stderr.endswith("; B0000000007 is in the queue, see: genkan queue show B0000000007\n")


def test_a_record_that_may_not_be_read_is_an_error(installation: Installation, record: Path) -> None:
    (file,) = (record / "1").iterdir()
    file.unlink()
    file.mkdir()
    result = call(installation, "B0000000001")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Is a directory" in result.stderr
    assert result.stderr.rstrip().endswith("; run this as the server's own user")
