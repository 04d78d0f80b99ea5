# SPDX-License-Identifier: Apache-2.0
"""`genkan queue` where it selects and changes, on a spool with real messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.admin.operator import operator_name
from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import Mailbox
from genkan.spool.hold import Hold
from genkan.spool.queue import Lease
from tests.support.spools import open_spool

if TYPE_CHECKING:
    from tests.admin.conftest import Installation

ACCEPTED: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DEADLINE: Final = datetime.now(UTC) + timedelta(days=1)
HOLD: Final = Hold("approval", "attachment", "mail.dat:12", "", ("boss@in.test",), DEADLINE, "reject")
CHANGES: Final = (["retry"], ["hold"], ["release"], ["delete"], ["reroute", "--to", "mx"])


def to(*words: str) -> tuple[Recipient, ...]:
    return tuple(Recipient(Mailbox(*word.split("@")), Mailbox(*word.split("@"))) for word in words)


@pytest.fixture
def queued(installation: Installation) -> Installation:
    """1 of ann to two domains, 2 of carol to one of them, 3 held for approval."""
    outcomes: list[Exception | None] = []
    ann, carol = Mailbox("ann", "in.test"), Mailbox("carol", "example.net")
    with open_spool(installation.config.storage_folder / "spool/1") as spool:
        for number, path, account, recipients, hold in (
            (1, ann, "ann@in.test", to("dan@example.org", "eve@example.com"), None),
            (2, carol, "", to("dan@example.org"), None),
            (3, carol, "", to("ann@in.test"), HOLD),
        ):
            draft = spool.begin()
            draft.append(b"Subject: hello\r\n\r\n")
            envelope = Envelope(f"B{number:010}", ACCEPTED, path, recipients, "192.0.2.10", "mx.example.net", account)
            spool.accept(envelope, draft, outcomes.append, hold)
    assert outcomes == [None] * 3
    return installation


def ids(installation: Installation, *words: str) -> list[str]:
    return [message["message_id"] for message in installation.json("queue", "list", *words)]


def counts(installation: Installation, *words: str) -> Any:
    """What a command says it did."""
    done = installation.json("queue", *words)
    return [done[name] for name in ("recipients", "messages", "under_way", "for_approval")]


def audit(installation: Installation) -> list[tuple[str, str, str]]:
    return [(entry["action"], entry["subject"], entry["detail"]) for entry in installation.json("queue", "log")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--account", "ANN@in.test"], ["B0000000001"]),
        (["--sender", "<carol@example.net>"], ["B0000000002", "B0000000003"]),
        (["--sender", "<>"], []),
        (["--domain", "example.org"], ["B0000000001", "B0000000002"]),
        (["--recipient", "eve@example.com"], ["B0000000001"]),
        (["--state", "held"], ["B0000000003"]),
        (["--rule", "mail.dat"], ["B0000000003"]),
        (["--reason", "attach"], ["B0000000003"]),
        (["--older-than", "1h"], ["B0000000001", "B0000000002", "B0000000003"]),
        (["--newer-than", "1h"], []),
        (["B0000000002", "B0000000001"], ["B0000000001", "B0000000002"]),
    ],
)
def test_the_list_is_of_what_fits(queued: Installation, words: list[str], expected: list[str]) -> None:
    assert ids(queued, *words) == expected


def test_a_list_without_anything_that_fits_says_so(queued: Installation) -> None:
    result = queued.call("queue", "list", "--domain", "elsewhere.test")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing in the queue fits\n")


def test_the_summary_counts_by_domain_and_state(queued: Installation) -> None:
    queued.text("queue", "hold", "--recipient", "eve@example.com")
    assert queued.text("queue", "list", "--summary") == (
        "recipients  state  oldest                   domain\n"
        "2           due    2026-01-02 03:04:05 UTC  example.org\n"
        "1           held   2026-01-02 03:04:05 UTC  example.com\n"
        "1           held   2026-01-02 03:04:05 UTC  in.test\n"
    )
    assert queued.json("queue", "list", "--summary", "--state", "due") == [
        {"domain": "example.org", "state": "due", "recipients": 2, "oldest": "2026-01-02T03:04:05+00:00"}
    ]


@pytest.mark.parametrize("words", CHANGES)
def test_nothing_is_changed_unless_it_is_said_what(queued: Installation, words: list[str]) -> None:
    error = queued.misuse("queue", *words)
    assert error.startswith("Error: say which mail: an ID, or options such as --account, --domain or --older-than")
    assert queued.misuse("queue", *words, "B0000000001", "--all") == "Error: --all is everything: leave it out"
    assert queued.misuse("queue", *words, "--dry-run").startswith("Error: say which mail:")
    assert audit(queued) == []


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("--account", "ann", "'ann' is no address such as ann@in.test"),
        ("--sender", "ann", "'ann' is no address such as ann@in.test, and not <>"),
        ("--older-than", "long", "expected a duration"),
        ("--state", "sent", "'sent' is not one of"),
    ],
)
def test_a_selection_that_makes_no_sense_is_an_error(queued: Installation, option: str, value: str, error: str) -> None:
    assert error in queued.misuse("queue", "delete", option, value)


@pytest.mark.parametrize("words", CHANGES)
def test_what_is_no_message_id_is_an_error(queued: Installation, words: list[str]) -> None:
    expected = "'nine' is no message id; one looks like B0000000001; see: genkan queue list"
    assert queued.refusal("queue", *words, "nine") == expected
    assert queued.refusal("queue", "list", "nine") == expected


@pytest.mark.parametrize("words", CHANGES)
def test_a_dry_run_says_what_would_be_done_and_does_nothing(queued: Installation, words: list[str]) -> None:
    before = queued.json("queue", "list")
    result = queued.json("queue", *words, "--all", "--dry-run")
    assert result["dry_run"] is True
    assert queued.json("queue", "list") == before
    assert audit(queued) == []
    done = queued.json("queue", *words, "--all")
    assert done | {"dry_run": True} == result


def test_mail_is_held_and_released(queued: Installation) -> None:
    assert queued.text("queue", "hold", "--domain", "example.org") == "held: 2 recipients of 2 messages\n"
    lines = queued.text("queue", "list", "--domain", "example.org").splitlines()
    assert lines[1] == "  <dan@example.org>  held (operator)  attempts 0"
    released = queued.text("queue", "release", "--all")
    assert released == ("released: 2 recipients of 2 messages\nleft to those who decide (genkan approval list): 1\n")
    assert queued.call("queue", "release", "--domain", "example.org").stderr == "nothing in the queue fits\n"


def test_mail_is_rerouted_to_a_destination_and_back(queued: Installation) -> None:
    words = ("queue", "reroute", "B0000000002", "--to")
    assert queued.text(*words, "smtp:MX.example.net") == "rerouted: 1 recipient of 1 message\n"
    assert queued.json("queue", "list", "B0000000002")[0]["recipients"][0]["route"] == "smtp:mx.example.net"
    line = queued.text("queue", "list", "B0000000002").splitlines()[1]
    assert line == "  <dan@example.org>  due  attempts 0  route smtp:mx.example.net"
    queued.text(*words, "")
    assert queued.json("queue", "list", "B0000000002")[0]["recipients"][0]["route"] == ""


def test_a_destination_that_is_not_there_is_named(queued: Installation) -> None:
    assert queued.text("queue", "reroute", "B0000000002", "--to", "pipe:/nowhere") == (
        "rerouted: 1 recipient of 1 message\n"
        "warning: destination: /nowhere is no program that can be started here; "
        "install it, correct its mode, or correct the route\n"
    )
    done = queued.json("queue", "reroute", "B0000000002", "--to", "python:nowhere:f")
    assert [finding["sentence"] for finding in done["findings"]] == ["there is no module nowhere"]
    assert queued.json("queue", "reroute", "B0000000002", "--to", "")["findings"] == []


def test_a_destination_that_is_none_changes_nothing(queued: Installation) -> None:
    assert "nowhere" in queued.refusal("queue", "reroute", "--all", "--to", "nowhere:")
    assert audit(queued) == []


def test_mail_is_retried(queued: Installation) -> None:
    assert counts(queued, "retry", "--all") == [3, 2, 0, 1]
    assert audit(queued) == []


def test_mail_is_deleted(queued: Installation) -> None:
    assert counts(queued, "delete", "--account", "ann@in.test") == [2, 1, 0, 0]
    assert ids(queued) == ["B0000000002", "B0000000003"]


def test_mail_is_returned_to_its_sender(queued: Installation) -> None:
    text = queued.text("queue", "delete", "--bounce", "B0000000002")
    assert text == "to be returned to the sender: 1 recipient of 1 message\n"
    [recipient] = queued.json("queue", "list", "B0000000002")[0]["recipients"]
    route = "fail:the operator of the mail server has returned it"
    assert (recipient["state"], recipient["route"]) == ("due", route)


def test_what_is_under_way_is_held_and_can_be_deleted_later(queued: Installation) -> None:
    with open_spool(queued.config.storage_folder / "spool/1") as spool:
        spool.submit(Lease(spool, ACCEPTED, 1, lambda *_: None))
    text = queued.text("queue", "delete", "--account", "ann@in.test")
    assert text.splitlines() == [
        "deleted: 1 recipient of 1 message",
        "being attempted, to be held if that fails and deleted by another call: 1 more",
    ]


def test_the_log_says_who_changed_what(queued: Installation) -> None:
    for words in (["hold", "--all"], ["release", "--state", "held"], ["reroute", "B0000000001", "--to", "mx"]):
        queued.text("queue", *words)
    queued.text("queue", "delete", "--bounce", "--domain", "example.com")
    assert audit(queued) == [
        ("queue hold", "everything", "3 recipients of 2 messages"),
        ("queue release", "state held", "3 recipients of 2 messages"),
        ("queue reroute", "B0000000001", "2 recipients of 1 message to mx"),
        ("queue bounce", "domain example.com", "1 recipient of 1 message"),
    ]
    assert {entry["actor"] for entry in queued.json("queue", "log")} == {operator_name()}
    head, first, *_ = queued.text("queue", "log").splitlines()
    assert head.split() == ["at", "by", "action", "what", "about"]
    assert first.split()[-7:] == ["hold", "everything", "3", "recipients", "of", "2", "messages"]


def test_nobody_has_changed_a_new_queue(queued: Installation) -> None:
    assert queued.call("queue", "log").stderr == "nobody has changed the queue yet\n"


def test_held_mail_that_is_deleted_is_in_the_log_of_decisions(queued: Installation) -> None:
    assert counts(queued, "delete", "--rule", "mail.dat:12") == [1, 1, 0, 0]
    [entry] = queued.json("approval", "log", "B0000000003")
    assert (entry["action"], entry["actor"]) == ("delete", operator_name())
    assert entry["detail"] == "held for approval, deleted from the queue: rule mail.dat:12"
