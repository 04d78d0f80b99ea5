# SPDX-License-Identifier: Apache-2.0
"""`genkan queue` on a spool with real messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import apsw
import pytest

from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import Mailbox
from tests.support.spools import open_spool

if TYPE_CHECKING:
    from tests.admin.conftest import Installation

ACCEPTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HEADER = "Subject: \x1b[2Jhello\r\nFrom: <carol@example.net>\r\n"
CONTENT = HEADER.encode() + b"\r\nbody \xff\r\n"
ANN = Recipient(Mailbox("Sales", "in.test"), Mailbox("ann", "in.test"))
BOB = Recipient(Mailbox("bob", "in.test"), Mailbox("bob", "in.test"))


@pytest.fixture
def queued(installation: Installation) -> Installation:
    """Two messages: one of CONTENT for ANN and BOB, one with the null reverse-path."""
    outcomes: list[Exception | None] = []
    with open_spool(installation.config.storage_folder / "spool/0") as spool:
        for message_id, reverse_path, recipients in (
            ("B0000000001", Mailbox("carol", "example.net"), (ANN, BOB)),
            ("B0000000002", None, (BOB,)),
        ):
            draft = spool.begin()
            draft.append(CONTENT)
            envelope = Envelope(message_id, ACCEPTED, reverse_path, recipients, "192.0.2.10", "mx.example.net")
            spool.accept(envelope, draft, outcomes.append)
    assert outcomes == [None, None]
    return installation


def change(installation: Installation, statement: str, *values: object) -> None:
    connection = apsw.Connection(str(installation.config.storage_folder / "spool/0/spool.db"))
    connection.execute(statement, values)
    connection.close()


def test_an_empty_queue_says_so_on_standard_error(installation: Installation) -> None:
    result = installation.call("queue", "list")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "the queue is empty\n")
    assert installation.json("queue", "list") == []


def test_the_queue_is_listed_with_its_recipients(queued: Installation) -> None:
    assert queued.text("queue", "list") == (
        f"B0000000001  {len(CONTENT)} octets  accepted 2026-01-02 03:04:05 UTC  from <carol@example.net>\n"
        "  <Sales@in.test> (ann@in.test)  due  attempts 0\n"
        "  <bob@in.test>  due  attempts 0\n"
        f"B0000000002  {len(CONTENT)} octets  accepted 2026-01-02 03:04:05 UTC  from <>\n"
        "  <bob@in.test>  due  attempts 0\n"
    )


def test_a_recipient_that_waits_is_listed_with_its_next_attempt_and_last_outcome(queued: Installation) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    change(queued, "DELETE FROM message WHERE id = 2")
    statement = "UPDATE recipient SET attempts = 3, due_at = ?, outcome = ? WHERE number = 1"
    change(queued, statement, int(due.timestamp() * 1_000_000), "disk full")
    (_, _, line) = queued.text("queue", "list").splitlines()
    assert line == f"  <bob@in.test>  waiting  attempts 3  next {due:%Y-%m-%d %H:%M:%S} UTC  disk full"


def test_the_queue_is_listed_in_json(queued: Installation) -> None:
    message = queued.json("queue", "list")[0]
    assert (message["message_id"], message["size"]) == ("B0000000001", len(CONTENT))
    assert (message["accepted_at"], message["reverse_path"]) == ("2026-01-02T03:04:05+00:00", "carol@example.net")
    assert message["recipients"][0] == {
        "forward_path": "Sales@in.test",
        "mailbox": "ann@in.test",
        "state": "due",
        "due_at": "2026-01-02T03:04:05+00:00",
        "attempts": 0,
        "last_outcome": "",
        "held": "",
        "route": "",
    }


def test_a_message_is_shown_with_its_header_and_no_control_character(queued: Installation) -> None:
    text = queued.text("queue", "show", "B0000000001")
    assert text.splitlines()[3:] == [
        "  from client [192.0.2.10] that said mx.example.net",
        f"  kept in {queued.config.storage_folder}/spool/0",
        "",
        "Subject: \\x1b[2Jhello",
        "From: <carol@example.net>",
        "",
    ]


def test_a_message_is_shown_in_json_with_its_header(queued: Installation) -> None:
    assert queued.json("queue", "show", "B0000000001")["header"] == HEADER


def test_the_content_is_written_octet_by_octet(queued: Installation) -> None:
    result = queued.call("queue", "show", "B0000000001", "--content")
    assert (result.exit_code, result.stdout_bytes) == (0, CONTENT)


@pytest.mark.parametrize(
    ("message_id", "error"),
    [
        ("B0000000009", "B0000000009 is not in the queue; see what is: genkan queue list"),
        ("nine", "'nine' is no message id; one looks like B0000000001; see: genkan queue list"),
    ],
)
def test_a_message_that_is_not_there_is_an_error(queued: Installation, message_id: str, error: str) -> None:
    assert queued.refusal("queue", "show", message_id) == error


def test_a_damaged_spool_is_an_error(queued: Installation) -> None:
    (queued.config.storage_folder / "spool/0/spool.db").write_bytes(b"no database" * 1000)
    assert "not a database" in queued.refusal("queue", "list")
