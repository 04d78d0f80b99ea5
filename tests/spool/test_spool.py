# SPDX-License-Identifier: Apache-2.0
"""The spool as connections and the dispatcher use it: what was accepted is there, octet for octet, whatever else happens."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genkan.smtp.address import Mailbox
from genkan.spool.recording import Finished
from genkan.spool.spool import Spool, SpoolLimits
from genkan.storage.engine import StorageCorrupt, StorageError
from genkan.storage.lock import FolderInUse
from tests.support.programs import crashes_survived
from tests.support.spools import ANN, BOB, Taker, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from genkan.spool.spool import Draft
    from tests.support.spools import SpoolOnLoop

LIMITS: Final = SpoolLimits(inline_size=1000, segment_size=100_000, buffer=1_000_000)


def columns(opened: SpoolOnLoop, query: str) -> list[tuple[object, ...]]:
    with closing(opened.database()) as connection:
        return connection.execute(query).fetchall()


def test_small_content_lies_in_its_row(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        assert opened.accept(envelope(1), b"Subject: x\r\n", b"\r\nbody\r\n") is None
        assert columns(opened, "SELECT size, content, extents FROM message") == [
            (20, b"Subject: x\r\n\r\nbody\r\n", None)
        ]
        assert list((tmp_path / "1" / "segments").iterdir()) == []


@pytest.mark.parametrize(("size", "in_row"), [(0, True), (1000, True), (1001, False), (250_000, False)])
def test_content_up_to_the_inline_size_lies_in_its_row_and_larger_content_in_segments(
    tmp_path: Path, size: int, in_row: bool
) -> None:
    content = os.urandom(size)
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        assert opened.accept(envelope(1), content) is None
        assert columns(opened, "SELECT size, extents IS NULL FROM message") == [(size, int(in_row))]
        assert opened.content(1) == content


def test_a_message_that_was_acknowledged_is_in_a_copy_made_of_the_files_at_that_moment(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        contents = {1: b"small", 2: os.urandom(150_000), 3: b""}
        for number, content in contents.items():
            assert opened.accept(envelope(number, ANN, BOB), content) is None
        shutil.copytree(tmp_path / "1", tmp_path / "copy")
    with open_spool_on_loop(tmp_path / "copy", LIMITS) as copy:
        assert {number: copy.content(number) for number in contents} == contents
        assert len(copy.lease()[0]) == 6


def test_a_spool_is_open_once_only(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1") as opened:
        with pytest.raises(FolderInUse, match=f"{tmp_path}/1 is in use: another genkan serves it"):
            Spool(tmp_path / "1", LIMITS, opened.loop)
        assert opened.accept(envelope(1), b"x") is None


def test_a_spool_that_could_not_be_opened_is_not_locked(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        assert opened.accept(envelope(1), b"x" * 5000) is None
    change(tmp_path, "UPDATE message SET extents = 'nowhere'")
    with pytest.raises(StorageCorrupt, match=f"{tmp_path}/1/spool.db: a message does not say where its content lies"):
        Spool(tmp_path / "1", LIMITS, opened.loop)
    change(tmp_path, "DELETE FROM message")
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        assert opened.accept(envelope(2), b"x") is None


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        open_spool_on_loop(tmp_path / "1") as opened,
        pytest.raises(StorageError, match=f"{tmp_path}/file/1: Not a dir"),
    ):
        Spool(tmp_path / "file" / "1", LIMITS, opened.loop)


def change(tmp_path: Path, statement: str) -> None:
    with closing(apsw.Connection(str(tmp_path / "1" / "spool.db"))) as connection:
        connection.execute(statement)


def test_the_taker_gets_a_message_with_its_recipients_leased(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1") as opened:
        opened.spool.taker = taker = Taker(room=2)
        assert opened.accept(envelope(1, ANN, BOB), b"content") is None
        assert (taker.taken, taker.left, taker.room) == ([("B0000000001", 7)], 0, 0)
        assert columns(opened, "SELECT attempts, leased_until IS NULL FROM recipient") == [(1, 0), (1, 0)]
        assert opened.lease() == ([], None)


def test_a_taker_without_room_is_told_that_something_is_due(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1") as opened:
        opened.spool.taker = taker = Taker(room=1)
        assert opened.accept(envelope(1, ANN, BOB), b"content") is None
        assert (taker.taken, taker.left, taker.room) == ([], 1, 1)
        assert columns(opened, "SELECT attempts, leased_until FROM recipient") == [(0, None), (0, None)]
        assert [leased.number for leased in opened.lease()[0]] == [0, 1]


def test_a_taker_gets_its_room_back_when_a_message_was_not_kept(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1") as opened:
        opened.spool.taker = taker = Taker(room=2)
        assert opened.accept(envelope(1), b"content") is None
        assert opened.accept(envelope(1), b"the same number again") is not None
        assert (taker.taken, taker.left, taker.room) == ([("B0000000001", 7)], 0, 1)


def test_a_message_that_was_not_kept_leaves_its_space_to_the_next(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        assert opened.accept(envelope(1), b"small") is None
        assert opened.accept(envelope(1), b"the same number again" * 1000) is not None
        assert opened.spool._segments._live == {}


def test_leases_that_a_crash_left_end_when_the_spool_is_opened(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1") as opened:
        opened.spool.taker = Taker(room=2)
        assert opened.accept(envelope(1, ANN, BOB), b"content") is None
    with open_spool_on_loop(tmp_path / "1") as opened:
        assert [(leased.number, leased.attempt) for leased in opened.lease()[0]] == [(0, 2), (1, 2)]


def test_accepting_says_so_only_once_another_connection_can_see_the_message(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        seen: list[object] = []
        for number, content in ((1, b"x"), (2, b"x" * 5000)):
            opened.spool.accept(
                envelope(number),
                opened.draft(content),
                lambda _: seen.append(columns(opened, "SELECT id FROM message")),
            )
        opened.turn_until(lambda: len(seen) == 2)
        assert seen == [[(1,), (2,)]] * 2


def test_what_waits_for_the_disk_is_bounded_and_whoever_waits_is_called(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        called: list[bool] = []
        draft = opened.draft()
        while not opened.spool.is_behind:
            draft.append(b"x" * 60_000)
        assert LIMITS.buffer < draft.size < LIMITS.buffer + 400_000
        opened.spool.when_drained(lambda: called.append(opened.spool.is_behind))
        opened.turn_until(lambda: bool(called))
        assert called == [False]
        assert opened.finish(envelope(1), draft) is None
        assert opened.content(1) == b"x" * draft.size


def test_many_drafts_hold_no_more_than_the_bound_together(tmp_path: Path) -> None:
    limits = SpoolLimits(buffer=2_000_000)
    with open_spool_on_loop(tmp_path / "1", limits) as opened:
        drafts = [opened.draft() for _ in range(50)]
        for _ in range(100):
            for draft in drafts:
                draft.append(b"x" * 1000)
            assert sum(draft._held for draft in drafts) <= limits.buffer
        for draft in drafts:
            opened.spool.discard(draft)
        opened.settle()


def test_a_draft_that_is_discarded_leaves_its_space_to_the_next(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
        for number in range(30):
            opened.spool.discard(opened.draft(b"x" * 300_000))
            assert opened.accept(envelope(number), b"%d " % number * 1000) is None
            assert opened.record(Finished(number, 0)) is None
        assert len(list((tmp_path / "1" / "segments").iterdir())) < 12


def test_a_discarded_draft_never_overwrites_what_takes_its_place(tmp_path: Path) -> None:
    limits = SpoolLimits(inline_size=100, segment_size=60_000, buffer=16_000)
    with open_spool_on_loop(tmp_path / "1", limits) as opened:
        # All in one turn of the loop, so that all writes come to the disk together.
        opened.spool.discard(opened.draft(*[b"x" * 17_000] * 5))
        content = [b"%d" % number * 19_000 for number in range(9)]
        assert opened.finish(envelope(1), opened.draft(*content)) is None
        assert opened.content(1) == b"".join(content)


def test_a_segment_whose_messages_are_all_finished_is_overwritten_after_a_restart(tmp_path: Path) -> None:
    for number in range(1, 6):
        with open_spool_on_loop(tmp_path / "1", LIMITS) as opened:
            assert opened.accept(envelope(number), b"%d" % number * 90_000) is None
            assert opened.content(number) == b"%d" % number * 90_000
            assert opened.record(Finished(number, 0)) is None
    assert [path.name for path in (tmp_path / "1" / "segments").iterdir()] == ["000001.segment"]


Step = tuple[str, int, int]
STEPS: Final = st.lists(
    st.tuples(st.sampled_from(["begin", "begin", "append", "append", "accept", "discard", "finish", "restart"]),
              st.integers(0, 10**6), st.integers(1, 40_000)),
    max_size=60,
)  # fmt: skip


def pattern(number: int, start: int, length: int) -> bytes:
    """Octets that show where they belong."""
    block = b"".join(b"%06d:%08d|" % (number, offset) for offset in range(start // 16, (start + length) // 16 + 1))
    return block[start % 16 : start % 16 + length]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_comes_and_goes_every_accepted_message_reads_back_octet_for_octet(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    folder = tmp_path_factory.mktemp("spool") / "1"
    limits = SpoolLimits(inline_size=100, segment_size=60_000, buffer=40_000)
    accepted: dict[int, int] = {}
    restarts = [index for index, step in enumerate(steps) if step[0] == "restart"]
    number = 0
    for first, last in zip([0, *restarts], [*restarts, len(steps)], strict=True):
        with open_spool_on_loop(folder, limits) as opened:
            number = run_steps(opened, steps[first:last], accepted, number)
            opened.settle()
            assert {
                one: opened.content(one) == pattern(one, 0, size) for one, size in accepted.items()
            } == dict.fromkeys(accepted, True)
    shutil.rmtree(folder.parent)


def run_steps(opened: SpoolOnLoop, steps: list[Step], accepted: dict[int, int], number: int) -> int:
    """Do as the steps say without waiting for the disk; the last number given to a message."""
    drafts: dict[int, Draft] = {}
    spool = opened.spool
    for step, which, length in steps:
        if step == "begin":
            number += 1
            drafts[number] = spool.begin()
        elif step == "finish" and accepted:
            chosen = sorted(accepted)[which % len(accepted)]
            opened.settle()  # nobody delivers what is not there yet
            del accepted[chosen]
            assert opened.record(Finished(chosen, 0)) is None
        elif drafts and step in {"append", "accept", "discard"}:
            chosen = sorted(drafts)[which % len(drafts)]
            draft = drafts[chosen]
            if step == "append":
                draft.append(pattern(chosen, draft.size, length))
                continue
            del drafts[chosen]
            if step == "accept":
                accepted[chosen] = draft.size
                spool.accept(envelope(chosen), draft, lambda error: None if error is None else pytest.fail(str(error)))
            else:
                spool.discard(draft)
    for draft in drafts.values():
        spool.discard(draft)
    return number


def test_a_crash_at_any_line_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    assert crashes_survived(Path(__file__).with_name("crash_at_each_line.py"), tmp_path) > 100


def test_an_address_of_any_kind_survives_the_spool(tmp_path: Path) -> None:
    odd = BOB._replace(
        forward_path=Mailbox('two "words" \\ and @', "in.test"), mailbox=Mailbox("用户", "例え.test"), notify="NEVER"
    )
    postmaster = ANN._replace(forward_path=Mailbox("Postmaster", ""), original="rfc822;a+2Bb@in.test")
    with open_spool_on_loop(tmp_path / "1") as opened:
        assert opened.accept(envelope(1, odd, postmaster)._replace(reverse_path=None), b"x") is None
        leased, _ = opened.lease()
        assert [one.recipient for one in leased] == [odd, postmaster]
        assert [one.envelope.reverse_path for one in leased] == [None, None]
