# SPDX-License-Identifier: Apache-2.0
"""What lies in the spool after rules had their way: parts, marks, forwards, holds, copies, and notices to approvers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.listener.handing_over import _Parts
from genkan.storage.engine import StorageError, StorageFull
from tests.listener.ruled import MESSAGE, Kept, block, call, kept, ruled, send
from tests.support.disk import small_disk
from tests.support.server import START

if TYPE_CHECKING:
    from pathlib import Path

ANN, BOB = "ann@in.test", "bob@in.test"
TAGGED: Final = b"Subject: [x] hello\r\n\r\nOne line.\r\n"
TAG: Final = "Tag:[x]"


def spooled(home: Path, documents: dict[str, str], content: bytes = MESSAGE, text: str = "") -> tuple[int, list[Kept]]:
    """One message for ann and bob: the code at its end, and what was kept."""
    with ruled(home, documents, text) as server, call(server) as caller:
        code = send(caller, content, b"ann", b"bob")
    return code, kept(server.config)


def test_without_a_rule_there_is_one_message(tmp_path: Path) -> None:
    code, (message,) = spooled(tmp_path, {"mail.dat": block("100", subject="other")})
    assert (code, message.recipients, message.content, message.hold) == (250, [ANN, BOB], MESSAGE, None)


def test_a_tag_for_one_account_makes_two_messages(tmp_path: Path) -> None:
    code, (first, second) = spooled(tmp_path, {f"mail.dat of {BOB}": block("300", TAG)})
    assert code == 250
    assert (first.message_id, first.recipients, first.content) == ("B0000000001", [ANN], MESSAGE)
    assert (second.message_id, second.recipients, second.content) == ("B0000000002", [BOB], TAGGED)
    assert first.trace == second.trace


def test_accounts_with_the_same_way_share_a_message(tmp_path: Path) -> None:
    documents = {f"mail.dat of {BOB}": block("300", TAG), f"mail.dat of {ANN}": block("300", TAG)}
    code, (message,) = spooled(tmp_path, documents)
    assert (code, message.recipients, message.content) == (250, [ANN, BOB], TAGGED)


LONG: Final = b"x" * 70 + b"\r\n"


@pytest.mark.parametrize("size", [10, 5_000, 200_000, 3_000_000])
def test_marks_leave_the_rest_of_a_message_as_it_was(tmp_path: Path, size: int) -> None:
    content = MESSAGE + LONG * (size // len(LONG))
    documents = {"mail.dat": block("300", TAG), f"mail.dat of {BOB}": block("100")}
    code, (message,) = spooled(tmp_path, documents, content)
    assert (code, message.content) == (250, content.replace(b" hello", b" [x] hello", 1))


@pytest.mark.parametrize("size", [10, 5_000, 200_000, 3_000_000])
def test_each_part_of_a_large_message_is_whole(tmp_path: Path, size: int) -> None:
    content = MESSAGE + LONG * (size // len(LONG))
    documents = {f"mail.dat of {ANN}": block("400", "Tag:X-A: b"), f"mail.dat of {BOB}": block("300", TAG)}
    code, parts = spooled(tmp_path, documents, content)
    assert code == 250
    assert {tuple(part.recipients): part.content for part in parts} == {
        (ANN,): b"X-A: b\r\n" + content,
        (BOB,): content.replace(b" hello", b" [x] hello", 1),
    }


ANYTHING: Final = "Virus:all\nComp:1\nFrom:*\nLevel:{}\nTag:{}\nVirusEnd:\n"


@pytest.mark.parametrize(
    ("content", "tagged"),
    [
        (b"Subject: hello\r\n\r\n", b"Subject: [x] hello\r\n\r\n"),
        (b"Subject: hello\r\n", b"Subject: [x] hello\r\n"),
        (b"A: b\r\nsubject:hello\r\nC: d\r\n\r\nbody\r\n", b"A: b\r\nsubject: [x] hello\r\nC: d\r\n\r\nbody\r\n"),
        (b"Subject:\r\n hello\r\n\r\nbody\r\n", b"Subject: [x]\r\n hello\r\n\r\nbody\r\n"),
        (b"Subject:\r\n\r\nbody\r\n", b"Subject: [x]\r\n\r\nbody\r\n"),
        (b"A: b\r\n\r\nSubject: no\r\n", b"Subject: [x]\r\nA: b\r\n\r\nSubject: no\r\n"),
        (b"\r\nbody\r\n", b"Subject: [x]\r\n\r\nbody\r\n"),
        (b"\r\n\r\nbody\r\n", b"Subject: [x]\r\n\r\n\r\nbody\r\n"),
        (b"no header\r\n", b"Subject: [x]\r\nno header\r\n"),
    ],
)
def test_a_tag_finds_its_place_in_any_header_section(tmp_path: Path, content: bytes, tagged: bytes) -> None:
    code, (message,) = spooled(tmp_path, {"mail.dat": ANYTHING.format("300", "[x]")}, content)
    assert (code, message.content) == (250, tagged)


@pytest.mark.parametrize("content", [b"\r\nbody\r\n", b"A: b\r\n\r\nbody\r\n", b"A: b\r\n", b"A: b\r\n c\r\n\r\n"])
def test_a_field_stands_in_front_of_any_header_section(tmp_path: Path, content: bytes) -> None:
    code, (message,) = spooled(tmp_path, {"mail.dat": ANYTHING.format("400", "X-A: b")}, content)
    assert (code, message.content) == (250, b"X-A: b\r\n" + content)


@pytest.mark.parametrize("octets", [131_060, 131_070, 131_071, 131_072, 131_073, 200_000])
def test_a_header_section_longer_than_what_is_read_is_marked_without_harm(tmp_path: Path, octets: int) -> None:
    content = b"Subject: hello\r\n" + b"X-Long: " + b"x" * 990 + b"\r\n"
    content += (b"A: b\r\n" * (octets // 6))[: octets - len(content) - octets % 6] + b"\r\n\r\nbody\r\n"
    code, (message,) = spooled(tmp_path, {"mail.dat": block("300", TAG)}, content, "[limits]\nheader_lines = 100_000\n")
    assert (code, message.content) == (250, content.replace(b" hello", b" [x] hello", 1))


def test_a_forward_takes_the_place_of_all_recipients(tmp_path: Path) -> None:
    code, (message,) = spooled(tmp_path, {"mail.dat": block("500", "Forward:audit@out.test")})
    assert (code, message.recipients, message.content) == (250, ["audit@out.test"], MESSAGE)


def test_a_forward_to_an_alias_leads_to_its_account(tmp_path: Path) -> None:
    code, (first, second) = spooled(tmp_path, {f"mail.dat of {BOB}": block("500", "Forward:sales@in.test")})
    assert (code, first.recipients, second.recipients) == (250, [ANN], [ANN])


def test_a_copy_in_the_quarantine_is_the_message_as_it_came_for_all_its_recipients(tmp_path: Path) -> None:
    warning = ("Warning:", "Look at it.", "WarningEnd:")
    code, messages = spooled(tmp_path, {"mail.dat": block("310", TAG, *warning)})
    message, copy = sorted(messages, key=lambda each: each.hold is not None)
    assert (code, message.recipients, message.content) == (250, [ANN, BOB], TAGGED)
    assert (copy.recipients, copy.content, copy.reverse_path) == ([ANN, BOB], MESSAGE, "x@out.test")
    assert copy.hold is not None
    assert (copy.hold.kind, copy.hold.rule, copy.hold.warning, copy.hold.verdict) == (
        "quarantine",
        "mail.dat:1",
        "Look at it.",
        "reject",
    )
    assert copy.hold.deadline == START + timedelta(days=30)


def test_the_copy_of_a_refused_message_has_the_id_that_the_client_was_told(tmp_path: Path) -> None:
    with ruled(tmp_path, {"mail.dat": block("110")}) as server, call(server) as caller:
        caller.ask(b"MAIL FROM:<x@out.test>", b"RCPT TO:<ann@in.test>")
        caller.send(b"DATA\r\n")
        told = caller.line()
        caller.send(MESSAGE + b".\r\n")
        assert caller.code() == 552
        assert send(caller, b"Subject: other\r\n\r\n", b"ann") == 250
    copy, message = kept(server.config)
    assert f"<{copy.message_id}>" in told
    assert (copy.content, copy.hold is not None, message.hold) == (MESSAGE, True, None)
    assert copy.trace.count(copy.message_id.encode()) == 1


def test_what_an_account_refuses_waits_in_the_quarantine_for_it_alone(tmp_path: Path) -> None:
    code, messages = spooled(tmp_path, {f"mail.dat of {BOB}": block("100")})
    message, copy = sorted(messages, key=lambda each: each.hold is not None)
    assert (code, message.recipients, copy.recipients) == (250, [ANN], [BOB])
    assert copy.hold is not None
    assert (copy.hold.kind, copy.hold.rule) == ("quarantine", f"mail.dat of {BOB}:1")


HELD: Final = {"approval-addresses.dat": "*@out.test hold ann@in.test,boss@out.test\n"}


def test_a_held_message_waits_as_the_settings_say(tmp_path: Path) -> None:
    settings = '[approval]\ndeadline = "2h"\nverdict = "approve"\nnotify = false\n'
    code, (message,) = spooled(tmp_path, HELD, text=settings)
    assert (code, message.recipients, message.content) == (250, [ANN, BOB], MESSAGE)
    assert message.hold is not None
    assert (message.hold.kind, message.hold.rule, message.hold.approvers) == (
        "approval",
        "approval-addresses.dat:1",
        (ANN, "boss@out.test"),
    )
    assert (message.hold.deadline, message.hold.verdict) == (START + timedelta(hours=2), "approve")


def test_a_line_may_say_how_long_a_message_waits(tmp_path: Path) -> None:
    line = "*@out.test hold ann@in.test 3d approve\n"
    _, messages = spooled(tmp_path, {"approval-addresses.dat": line}, text="[approval]\nnotify = false\n")
    (hold,) = [message.hold for message in messages]
    assert hold is not None
    assert (hold.deadline, hold.verdict) == (START + timedelta(days=3), "approve")


def test_each_approver_is_told_in_a_message_of_its_own(tmp_path: Path) -> None:
    code, messages = spooled(tmp_path, HELD)
    held, *notices = sorted(messages, key=lambda each: each.hold is None)
    assert code == 250
    assert held.hold is not None
    assert [(notice.recipients, notice.reverse_path) for notice in notices] == [([ANN], ""), (["boss@out.test"], "")]
    assert len({message.message_id for message in messages}) == 3


def test_a_message_held_and_marked_for_one_waits_in_parts(tmp_path: Path) -> None:
    documents = {**HELD, f"mail.dat of {BOB}": block("300", TAG)}
    code, messages = spooled(tmp_path, documents, text="[approval]\nnotify = false\n")
    assert code == 250
    assert [(each.recipients, each.content, each.hold is not None) for each in messages] == [
        ([ANN], MESSAGE, True),
        ([BOB], TAGGED, True),
    ]


def test_the_client_hears_of_several_parts_once_when_the_last_is_durable() -> None:
    told: list[StorageError | None] = []
    parts = _Parts(3, told.append)
    parts.finished(None)
    parts.finished(None)
    assert told == []
    parts.finished(None)
    assert told == [None]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_one_part_that_failed_fails_the_message(failing: int) -> None:
    told: list[StorageError | None] = []
    parts, error = _Parts(3, told.append), StorageFull("no space")
    for number in range(3):
        parts.finished(error if number == failing else None)
    assert told == [error]


def test_of_several_failures_the_first_is_told() -> None:
    told: list[StorageError | None] = []
    parts, first = _Parts(2, told.append), StorageFull("no space")
    parts.finished(first)
    parts.finished(StorageError("other"))
    assert told == [first]


@pytest.mark.parametrize("size", [10, 300_000])
def test_on_a_full_disk_no_part_is_acknowledged(tmp_path: Path, size: int) -> None:
    content = MESSAGE + LONG * (size // len(LONG))
    with small_disk(tmp_path / "disk", "32m") as disk:
        home = disk.folder / "home"
        with ruled(home, {f"mail.dat of {BOB}": block("300", TAG)}) as server, call(server) as caller:
            disk.fill()
            assert send(caller, content, b"ann", b"bob") == 452
            assert kept(server.config) == []
            disk.free()
            assert send(caller, content, b"ann", b"bob") == 250
        assert [message.recipients for message in kept(server.config)] == [[ANN], [BOB]]


def test_a_refusal_stands_though_its_copy_found_no_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "32m") as disk:
        with ruled(disk.folder / "home", {"mail.dat": block("110")}) as server, call(server) as caller:
            disk.fill()
            assert send(caller, MESSAGE, b"ann") == 552
            disk.free()
            assert send(caller, MESSAGE, b"ann") == 552
        assert [message.hold is not None for message in kept(server.config)] == [True]
