# SPDX-License-Identifier: Apache-2.0
"""Mail in the folder of another server: whole pairs, nothing written over, nothing twice that can be known."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.delivery.handoff import HandOff, envelope_octets, file_stem, hand_off_batch, hand_off_leased
from genkan.delivery.outcome import Deferred, Delivered
from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import Mailbox, parse_mailbox
from genkan.spool.queue import Leased
from tests.support.programs import run_python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.delivery.outcome import Outcome

ANN = Mailbox("ann", "in.test")
BOB = Mailbox("bob", "in.test")
CONTENT = (b"Subject: x\r\n\r\n", b"first\r\n", b".second\r\n")
SIZE = sum(map(len, CONTENT))
HEAD = "Message-ID: <B0000000007@mx.in.test>\r\nReturn-path: eve@out.test\r\n"


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


def item(incoming: Path, *recipients: tuple[int, Mailbox]) -> HandOff:
    sender = Mailbox("eve", "out.test")
    named = recipients or ((0, ANN),)
    return HandOff("B0000000007", incoming, sender, named, lambda: iter(CONTENT), SIZE, first_attempt=True)


def again(one: HandOff) -> HandOff:
    return replace(one, first_attempt=False)


def hand_off(*items: HandOff) -> list[Outcome]:
    return hand_off_batch(items, "mx.in.test")


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Deferred)
    return outcome.reason


def test_a_pair_holds_content_and_envelope(incoming: Path) -> None:
    assert hand_off(item(incoming, (0, ANN), (1, BOB))) == [Delivered()]
    assert files_in(incoming) == {
        "B0000000007.MSG": b"".join(CONTENT),
        "B0000000007.RCP": f"{HEAD}Recipient: ann@in.test\r\nRecipient: bob@in.test\r\n".encode(),
    }


def test_the_null_reverse_path_is_written_with_brackets(incoming: Path) -> None:
    octets = envelope_octets(replace(item(incoming), reverse_path=None), "mx.in.test")
    assert b"\r\nReturn-path: <>\r\n" in octets


def test_recipients_that_come_later_have_a_pair_of_their_own(incoming: Path) -> None:
    assert hand_off(item(incoming), item(incoming, (64, BOB))) == [Delivered()] * 2
    assert list(files_in(incoming)) == [
        "B0000000007-G0064.MSG",
        "B0000000007-G0064.RCP",
        "B0000000007.MSG",
        "B0000000007.RCP",
    ]


@pytest.mark.parametrize("name", ["B0000000007.MSG", "B0000000007.RCP"])
def test_nothing_of_somebody_else_is_written_over(incoming: Path, name: str) -> None:
    (incoming / name).write_bytes(b"theirs")
    (outcome,) = hand_off(item(incoming))
    assert reason(outcome) == (
        f"hand-off to {incoming} stopped: B0000000007.MSG or its .RCP is there already and is not ours: move it away"
    )
    assert files_in(incoming) == {name: b"theirs"}
    assert isinstance(hand_off(again(item(incoming)))[0], Deferred)
    assert files_in(incoming) == {name: b"theirs"}


def test_one_that_fails_holds_up_no_other(incoming: Path) -> None:
    (incoming / "B0000000007.MSG").write_bytes(b"theirs")
    outcomes = hand_off(item(incoming), replace(item(incoming), message_id="B0000000008"))
    assert [type(outcome) for outcome in outcomes] == [Deferred, Delivered]


def test_a_missing_folder_is_not_made(incoming: Path) -> None:
    incoming.rmdir()
    assert reason(*hand_off(item(incoming))) == f"hand-off to {incoming} stopped: No such file or directory"
    assert reason(*hand_off(again(item(incoming)))) == f"hand-off to {incoming} stopped: No such file or directory"
    assert not incoming.exists()


def test_content_that_is_short_leaves_nothing(incoming: Path) -> None:
    (outcome,) = hand_off(replace(item(incoming), size=SIZE + 1))
    assert "the spool gave" in reason(outcome)
    assert files_in(incoming) == {}


def test_content_that_cannot_be_read_leaves_nothing(incoming: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield CONTENT[0]
        raise OSError(errno.EIO, "the spool cannot be read")

    (outcome,) = hand_off(replace(item(incoming), content=broken))
    assert reason(outcome) == f"hand-off to {incoming} stopped: the spool cannot be read"
    assert files_in(incoming) == {}


def test_a_second_attempt_finds_the_pair(incoming: Path) -> None:
    hand_off(item(incoming))
    before = {path: path.stat().st_ino for path in incoming.iterdir()}
    assert hand_off(again(item(incoming))) == [Delivered()]
    assert {path: path.stat().st_ino for path in incoming.iterdir()} == before


def test_a_second_attempt_with_other_company_hands_over_the_rest_only(incoming: Path) -> None:
    hand_off(item(incoming, (0, ANN), (1, BOB)))
    more = again(item(incoming, (1, BOB), (2, Mailbox("kai", "in.test"))))
    assert hand_off(more) == [Delivered()]
    assert files_in(incoming)["B0000000007-G0002.RCP"] == f"{HEAD}Recipient: kai@in.test\r\n".encode()


@pytest.mark.parametrize("ending", [".$CP", ".$OK", ".$NG"])
def test_what_the_service_works_on_was_handed_over(incoming: Path, ending: str) -> None:
    (incoming / f"B0000000007{ending}").touch()
    assert hand_off(again(item(incoming))) == [Delivered()]
    assert list(files_in(incoming)) == [f"B0000000007{ending}"]


def test_a_second_name_that_a_crash_left_goes_with_the_next_attempt(incoming: Path) -> None:
    one = item(incoming)
    assert hand_off(one) == [Delivered()]
    (incoming / f"{file_stem(one)}.GNM").hardlink_to(incoming / f"{file_stem(one)}.MSG")
    before = files_in(incoming)
    assert hand_off(again(one)) == [Delivered()]
    assert files_in(incoming) == {name: octets for name, octets in before.items() if not name.endswith(".GNM")}


def test_unfinished_files_of_an_attempt_before_are_replaced(incoming: Path) -> None:
    (incoming / "B0000000007.GNM").write_bytes(b"half")
    (incoming / "B0000000007.MSG").write_bytes(b"".join(CONTENT))
    assert hand_off(again(item(incoming))) == [Delivered()]
    assert list(files_in(incoming)) == ["B0000000007.MSG", "B0000000007.RCP"]


def test_where_there_are_no_hard_links_files_are_renamed(incoming: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert hand_off(item(incoming)) == [Delivered()]
    assert list(files_in(incoming)) == ["B0000000007.MSG", "B0000000007.RCP"]
    (incoming / "B0000000008.MSG").write_bytes(b"theirs")
    (outcome,) = hand_off(replace(item(incoming), message_id="B0000000008"))
    assert "is there already and is not ours" in reason(outcome)
    assert files_in(incoming)["B0000000008.MSG"] == b"theirs"


CRASH = """
import os, sys
from pathlib import Path
from tests.delivery.test_handoff import hand_off, item

seen, last, folder = 0, int(sys.argv[1]), Path(sys.argv[2])

def trace(frame, event, _):
    global seen
    if frame.f_code.co_filename.endswith("handoff.py") and event == "line":
        seen += 1
        if seen == last:
            os._exit(9)
    return trace

sys.settrace(trace)
assert [type(one).__name__ for one in hand_off(item(folder))] == ["Delivered"]
"""


def crash_at(line: int, incoming: Path) -> bool:
    """Whether the process came to that many lines of the hand-off, where it dies."""
    done = run_python("-c", CRASH, str(line), incoming)
    assert done.stderr == ""
    return done.returncode == 9


def test_a_crash_at_any_line_loses_nothing_and_shows_no_half(incoming: Path) -> None:
    for line in range(60, 400, 11):
        crashed = crash_at(line, incoming)
        left = files_in(incoming)
        if "B0000000007.RCP" in left:
            assert left["B0000000007.MSG"] == b"".join(CONTENT)
            assert left["B0000000007.RCP"].endswith(b"Recipient: ann@in.test\r\n")
        assert hand_off(again(item(incoming))) == [Delivered()]
        left = files_in(incoming)
        assert {name for name in left if name.endswith((".MSG", ".RCP"))} == {"B0000000007.MSG", "B0000000007.RCP"}
        for path in incoming.iterdir():
            path.unlink()
        if not crashed:
            return
    pytest.fail("the hand-off never came to its end")


def test_leased_recipients_of_one_message_share_a_pair(incoming: Path) -> None:
    def leased(number: int, mailbox: Mailbox, message: int = 7) -> Leased:
        envelope = Envelope(f"B{message:010}", datetime(2026, 1, 1, tzinfo=UTC), None, (), "192.0.2.1", "x")
        return Leased(envelope, SIZE, number, Recipient(mailbox, mailbox), 1)

    asked: list[int] = []

    def content(number: int) -> Iterator[bytes]:
        asked.append(number)
        return iter(CONTENT)

    together = [leased(0, ANN), leased(0, ANN, 8), leased(1, BOB)]
    outcomes = hand_off_leased(together, incoming, "mx.in.test", content)
    assert outcomes == {"B0000000007": Delivered(), "B0000000008": Delivered()}
    assert asked == [7, 8]
    assert files_in(incoming)["B0000000007.RCP"].count(b"Recipient:") == 2


LOCAL_PARTS = st.from_regex(r"[a-z!#=+.-]{1,20}", fullmatch=True) | st.text(
    st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20
)


@given(st.lists(LOCAL_PARTS, min_size=1, max_size=5))
def test_an_envelope_has_one_line_for_each_recipient_that_reads_as_it(local_parts: list[str]) -> None:
    mailboxes = [Mailbox(local_part, "in.test") for local_part in local_parts]
    one = replace(item(Path("x")), recipients=tuple(enumerate(mailboxes)))
    lines = envelope_octets(one, "mx.in.test").decode().split("\r\n")
    assert lines[:2] == HEAD.split("\r\n")[:2]
    assert [parse_mailbox(line.removeprefix("Recipient: ")) for line in lines[2:-1]] == mailboxes
    assert file_stem(one) == "B0000000007"
