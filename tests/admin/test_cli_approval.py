# SPDX-License-Identifier: Apache-2.0
"""`genkan approval` on a spool with held mail, beside a worker that carries decisions out."""

from __future__ import annotations

import os
import pwd
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.admin.approval_links import SECRET, Approval, verify_link
from genkan.directory import Directory
from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import Mailbox
from genkan.spool.hold import Hold
from genkan.spool.settling import Settle
from tests.support.spools import open_spool

if TYPE_CHECKING:
    from genkan.spool.hold import Choice
    from genkan.spool.settling import Settled
    from tests.admin.conftest import Installation

ACCEPTED: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DEADLINE: Final = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
HEADER: Final = "Subject: \x1b[2Jhello\r\nFrom: <carol@example.net>\r\n"
CONTENT: Final = HEADER.encode() + b"\r\nbody \xff\r\n"
ANN: Final = Recipient(Mailbox("ann", "in.test"), Mailbox("ann", "in.test"))
APPROVAL: Final = Hold(
    "approval", "subject matches", "approval-subjects.dat:2", "", ("Boss@in.test", "x@in.test"), DEADLINE, "reject"
)
QUARANTINE: Final = Hold("quarantine", "Virus: bad", "mail.dat:12", "<!>WARNING<!>\nlook", (), DEADLINE, "reject")
OPERATOR: Final = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def holding(installation: Installation) -> Installation:
    """1 is held for approval, 2 in the quarantine, 3 is not held."""
    outcomes: list[Exception | None] = []
    with open_spool(installation.config.storage_folder / "spool/1") as spool:
        for number, hold in ((1, APPROVAL), (2, QUARANTINE), (3, None)):
            draft = spool.begin()
            draft.append(CONTENT)
            envelope = Envelope(
                f"B{number:010}", ACCEPTED, Mailbox("carol", "example.net"), (ANN,), "192.0.2.10", "mx.example.net"
            )
            spool.accept(envelope, draft, outcomes.append, hold)
    assert outcomes == [None] * 3
    return installation


def carry_out(installation: Installation) -> list[tuple[str, Choice, str]]:
    """What the server does within a second."""
    settled: list[Settled] = []
    with open_spool(installation.config.storage_folder / "spool/1") as spool:
        spool.submit(Settle(spool, ACCEPTED, lambda _, found, __: settled.extend(found)))
    return [(one.message_id, one.verdict, one.by) for one in settled]


def ids(installation: Installation, *options: str) -> list[str]:
    return [message["message_id"] for message in installation.json("approval", "list", *options)]


def test_nothing_held_says_so_on_standard_error(installation: Installation) -> None:
    result = installation.call("approval", "list")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing is held\n")
    assert installation.json("approval", "list") == []


def test_held_mail_is_listed_with_rule_deadline_and_approvers(holding: Installation) -> None:
    until = f"{DEADLINE:%Y-%m-%d %H:%M:%S} UTC"
    first = f"{len(CONTENT)} octets  accepted 2026-01-02 03:04:05 UTC  from <carol@example.net>"
    listed = (
        f"B0000000001  {first}\n"
        "  held for approval: subject matches (approval-subjects.dat:2)\n"
        f"  until {until}, then reject  for Boss@in.test, x@in.test\n"
        "  <ann@in.test>  held  attempts 0\n"
        f"B0000000002  {first}\n"
        "  held for quarantine: Virus: bad (mail.dat:12)\n"
        f"  until {until}, then reject\n"
        "  <ann@in.test>  held  attempts 0\n"
    )
    assert holding.text("approval", "list") == listed
    assert holding.text("queue", "list") == f"{listed}B0000000003  {first}\n  <ann@in.test>  due  attempts 0\n"


def test_held_mail_is_listed_in_json(holding: Installation) -> None:
    message = holding.json("approval", "list")[0]
    assert message["recipients"][0]["state"] == "held"
    assert message["held"] == {
        "hold": {
            "kind": "approval",
            "reason": "subject matches",
            "rule": "approval-subjects.dat:2",
            "warning": "",
            "approvers": ["Boss@in.test", "x@in.test"],
            "deadline": DEADLINE.isoformat(),
            "verdict": "reject",
        },
        "since": "2026-01-02T03:04:05+00:00",
        "decision": None,
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["B0000000001", "B0000000002"]),
        (("--kind", "approval"), ["B0000000001"]),
        (("--kind", "quarantine"), ["B0000000002"]),
        (("--approver", "boss@IN.test"), ["B0000000001"]),
        (("--approver", "ann@in.test"), []),
        (("--kind", "quarantine", "--approver", "boss@in.test"), []),
    ],
)
def test_the_list_is_narrowed_by_kind_and_approver(
    holding: Installation, options: tuple[str, ...], expected: list[str]
) -> None:
    assert ids(holding, *options) == expected


def test_a_held_message_is_shown_with_what_the_rule_says_and_its_header(holding: Installation) -> None:
    assert holding.text("approval", "show", "B0000000002").splitlines()[4:] == [
        "  from client [192.0.2.10] that said mx.example.net",
        f"  kept in {holding.config.storage_folder}/spool/1",
        "  the rule says:",
        "    <!>WARNING<!>",
        "    look",
        "",
        "Subject: \\x1b[2Jhello",
        "From: <carol@example.net>",
        "",
    ]
    assert holding.json("approval", "show", "B0000000002")["header"] == HEADER


def test_the_content_of_a_held_message_is_written_octet_by_octet(holding: Installation) -> None:
    result = holding.call("approval", "show", "B0000000001", "--content")
    assert (result.exit_code, result.stdout_bytes) == (0, CONTENT)


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_decision_is_recorded_for_the_server_and_in_the_audit_trail(holding: Installation, verdict: str) -> None:
    [decided] = holding.json("approval", verdict, "B0000000001", "--by", "boss@in.test", "--comment", "as\nasked")
    assert (decided["message_id"], decided["verdict"]) == ("B0000000001", verdict)
    assert (decided["by"], decided["comment"]) == ("Boss@in.test", "as asked")
    [entry] = holding.json("approval", "log")
    assert entry == {
        "at": decided["at"],
        "actor": "Boss@in.test",
        "action": verdict,
        "subject": "B0000000001",
        "detail": "approval, approval-subjects.dat:2: from <carol@example.net> to <ann@in.test>; as asked",
    }
    assert carry_out(holding) == [("B0000000001", verdict, "Boss@in.test")]
    assert ids(holding) == ["B0000000002"]
    left = [message["message_id"] for message in holding.json("queue", "list")]
    assert ("B0000000001" in left) == (verdict == "approve")


def test_a_decision_that_is_not_yet_carried_out_is_listed(holding: Installation) -> None:
    text = holding.text("approval", "approve", "B0000000001", "--comment", "fine")
    line = f"approve was decided by {OPERATOR} at "
    assert text.startswith(f"B0000000001  approve  decided by {OPERATOR} at ")
    assert [found.rpartition(": ")[2] for found in holding.text("approval", "list").splitlines() if line in found] == [
        "fine"
    ]


def test_without_by_it_is_the_operator_who_decides_about_any_number_of_messages(holding: Installation) -> None:
    holding.text("approval", "reject", "B0000000001", "B0000000002", "B0000000001")
    assert carry_out(holding) == [("B0000000001", "reject", OPERATOR), ("B0000000002", "reject", OPERATOR)]
    assert [entry["subject"] for entry in holding.json("approval", "log")] == ["B0000000001", "B0000000002"]


def test_deciding_the_same_again_changes_nothing(holding: Installation) -> None:
    first = holding.json("approval", "approve", "B0000000001", "--by", "boss@in.test")
    assert holding.json("approval", "approve", "B0000000001") == first
    assert len(holding.json("approval", "log")) == 1


def test_what_was_decided_cannot_be_decided_otherwise(holding: Installation) -> None:
    holding.text("approval", "approve", "B0000000001", "--by", "boss@in.test")
    error = "B0000000001 was decided already: approve by Boss@in.test"
    assert holding.refusal("approval", "reject", "B0000000002", "B0000000001") == error
    assert len(holding.json("approval", "log")) == 1


@pytest.mark.parametrize(
    ("message_id", "error"),
    [
        (
            "B0000000001",
            "ann@in.test may not decide about B0000000001; its hold names Boss@in.test, x@in.test",
        ),
        (
            "B0000000002",
            "ann@in.test may not decide about B0000000002; its hold names nobody: leave the approver out",
        ),
    ],
)
def test_only_who_is_named_by_the_hold_decides(holding: Installation, message_id: str, error: str) -> None:
    assert holding.refusal("approval", "approve", message_id, "--by", "ann@in.test") == error
    assert (holding.json("approval", "log"), carry_out(holding)) == ([], [])


@pytest.mark.parametrize(
    ("message_id", "error"),
    [
        ("B0000000003", "B0000000003 is not held; see what was decided: genkan approval log B0000000003"),
        ("B0000000009", "B0000000009 is not held; see what was decided: genkan approval log B0000000009"),
        ("nine", "'nine' is no message id; one looks like B0000000001; see: genkan approval list"),
    ],
)
@pytest.mark.parametrize("command", ["show", "approve", "reject"])
def test_what_is_not_held_is_an_error_and_nothing_else_is_decided(
    holding: Installation, command: str, message_id: str, error: str
) -> None:
    others = () if command == "show" else ("B0000000001",)
    assert holding.refusal("approval", command, *others, message_id) == error
    assert carry_out(holding) == []


def test_the_log_is_of_all_decisions_or_of_one_message(holding: Installation) -> None:
    assert holding.call("approval", "log").stderr == "nothing was decided yet\n"
    holding.text("approval", "approve", "B0000000001")
    holding.text("approval", "reject", "B0000000002")
    head, first, second = holding.text("approval", "log").splitlines()
    assert head.split() == ["at", "message", "decision", "by", "about"]
    assert first.split()[3:6] == ["B0000000001", "approve", OPERATOR]
    assert second.split()[3:6] == ["B0000000002", "reject", OPERATOR]
    assert [entry["subject"] for entry in holding.json("approval", "log", "B0000000002")] == ["B0000000002"]


def test_other_entries_of_the_audit_trail_are_not_decisions(holding: Installation) -> None:
    with closing(Directory.open(holding.config.storage_folder)) as directory:
        directory.audit.add(ACCEPTED, OPERATOR, "rules import", "mail.dat", "")
    assert holding.json("approval", "log") == []


def test_an_approver_gets_two_links_until_the_deadline(holding: Installation) -> None:
    holding.set('url = ""', 'url = "https://mx.in.test/approval"')
    links = holding.json("approval", "link", "B0000000001", "--approver", "boss@in.test")
    with closing(Directory.open(holding.config.storage_folder)) as directory:
        secret = directory.secret(SECRET)
    for verdict in ("approve", "reject"):
        url, _, token = links[verdict].partition("?token=")
        assert url == "https://mx.in.test/approval"
        expected = Approval("B0000000001", "Boss@in.test", "approve" if verdict == "approve" else "reject", DEADLINE)
        assert verify_link(token, secret, ACCEPTED) == expected
    assert holding.text("approval", "link", "B0000000001", "--approver", "boss@in.test").splitlines() == [
        f"approve  {links['approve']}",
        f"reject   {links['reject']}",
        f"until    {DEADLINE:%Y-%m-%d %H:%M:%S} UTC",
    ]


def test_there_are_no_links_without_a_page_or_for_who_may_not_decide(holding: Installation) -> None:
    error = "there is no page for links to lead to: set approval.url in the configuration"
    assert holding.refusal("approval", "link", "B0000000001", "--approver", "boss@in.test") == error
    holding.set('url = ""', 'url = "https://mx.in.test/approval"')
    error = "ann@in.test may not decide about B0000000001; its hold names Boss@in.test, x@in.test"
    assert holding.refusal("approval", "link", "B0000000001", "--approver", "ann@in.test") == error


def test_words_that_are_missing_are_a_usage_error(installation: Installation) -> None:
    assert "ID" in installation.misuse("approval", "approve")
    assert "--approver" in installation.misuse("approval", "link", "B0000000001")
    assert "address" in installation.misuse("approval", "list", "--approver", "boss")
