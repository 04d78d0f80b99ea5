# SPDX-License-Identifier: Apache-2.0
"""Attempts of which more comes than a delivery, and what goes wrong there: nothing is lost, doubled, or held for ever."""

from __future__ import annotations

import asyncio
import tracemalloc
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import apsw

from genkan.directory.auto_replies import AutoReply
from genkan.message.envelope import Recipient
from genkan.smtp.address import Mailbox
from genkan.storage.engine import StorageBusy
from tests.support.next_hop import WAIT, lmtp_hop, next_hop
from tests.support.office import FIRST_REPORT, Office, office_in
from tests.support.spools import ANN, BOB

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from genkan.delivery.outcome import Outcome
    from genkan.spool.queue import Leased
    from tests.support.next_hop import NextHop

TO_ANN: Final = b"From: carol@example.net\r\nTo: ann@in.test\r\nSubject: x\r\n\r\n"
NUMBER: Final = 500_000  # beyond the numbers that the directory gives out in a test
DAN: Final = Recipient(Mailbox("dan", "far.test"), Mailbox("dan", "far.test"), "SUCCESS,FAILURE")


def answers(office: Office) -> None:
    """Ann answers her mail by itself."""
    office.directory.auto_replies.set(office.directory.accounts.show(ANN.mailbox), AutoReply("away"))


def forwards(office: Office, *, keep: bool) -> None:
    """Ann's mail goes on to far.test."""
    ann = office.directory.accounts.show(ANN.mailbox)
    office.directory.forwards.set(ann, [Mailbox("ann", "far.test")], keep=keep)


def smarthost(hop: NextHop) -> str:
    return f'brake.mode = "off"\ndelivery.smarthost = "127.0.0.1:{hop.port}"\n'


def test_mail_that_cannot_be_answered_was_delivered_all_the_same(tmp_path: Path) -> None:
    with lmtp_hop() as hop, office_in(tmp_path) as office:
        office.directory.routes.add("in.test", f"lmtp:127.0.0.1:{hop.port}")
        answers(office)
        with closing(apsw.Connection(str(tmp_path / "directory.db"))) as connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON auto_reply_sent BEGIN SELECT RAISE(ABORT, 'no room'); END"
            )
        office.accept(NUMBER, content=TO_ANN)
        office.until_logged("delivered", 1)
        assert (len(hop.taken), len(office.logged("failure")), office.queued()) == (1, 1, {})


def test_a_report_that_cannot_be_numbered_is_written_later(tmp_path: Path) -> None:
    with next_hop({"RCPT": "550 5.1.1 nobody"}) as hop, office_in(tmp_path, settings=smarthost(hop)) as office:
        next_id, refusals = office.dispatcher._reporter._next_id, [StorageBusy("locked")]

        def sometimes() -> str:
            if refusals:
                raise refusals.pop()
            return next_id()

        office.dispatcher._reporter._next_id = sometimes
        office.accept(1, DAN)
        office.opened.turn_until(lambda: office.holds_nothing and bool(office.queued()))
        assert list(office.queued()) == [("B0000900000", "carol@example.net")]


def test_all_reports_are_written_before_the_end(tmp_path: Path) -> None:
    with office_in(tmp_path) as office:
        for number in range(1, 200):
            envelope = office.envelope(number, ANN._replace(notify="SUCCESS"))
            office.opened.spool.accept(envelope, office.opened.draft(b"%d" % number), lambda _: None)
        office.until_logged("delivered", 1)
        office.opened.loop.run_until_complete(office.dispatcher.stop())
        left = [int(message_id[1:]) for message_id, _ in office.queued()]
        delivered = [int(message.rpartition(b"\n")[2]) for message in office.mail("ann")]
        assert sorted([*delivered, *(number for number in left if number < FIRST_REPORT)]) == list(range(1, 200))
        assert len([number for number in left if number >= FIRST_REPORT]) == len(delivered)


def test_an_answer_that_is_being_written_at_the_end_is_kept(tmp_path: Path) -> None:
    with lmtp_hop({"content": WAIT}) as hop, office_in(tmp_path) as office:
        office.directory.routes.add("in.test", f"lmtp:127.0.0.1:{hop.port}")
        answers(office)
        office.accept(NUMBER, content=TO_ANN)
        office.opened.turn_until(lambda: bool(hop.said("BDAT")))
        hop.go.set()
        office.opened.loop.run_until_complete(office.dispatcher.stop())
        assert [mailbox for _, mailbox in office.queued()] == ["carol@example.net"]


def test_nothing_is_put_on_its_way_once_the_end_has_begun(tmp_path: Path) -> None:
    with (
        next_hop({"content": WAIT}) as hop,
        lmtp_hop() as other,
        office_in(tmp_path, settings=smarthost(hop)) as office,
    ):
        office.directory.routes.add("in.test", f"lmtp:127.0.0.1:{other.port}")
        forwards(office, keep=True)
        office.accept(1, DAN)
        office.opened.turn_until(lambda: bool(hop.said("BDAT")))

        loop, stopping = office.opened.loop, list[asyncio.Task[None]]()

        def stop_soon(_: object) -> None:  # behind the beginning of the attempt
            loop.call_soon(lambda: stopping.append(loop.create_task(office.dispatcher.stop())))

        office.opened.spool.accept(office.envelope(NUMBER, ANN), office.opened.draft(TO_ANN), stop_soon)
        tasks = office.dispatcher._attempts._tasks
        office.opened.turn_until(lambda: bool(stopping) and (other.connections > 0 or not tasks))
        hop.go.set()
        loop.run_until_complete(stopping[0])
        assert (other.connections, [one["recipient"] for one in office.logged("delivered")]) == (0, ["dan@far.test"])
        assert [one.state for one in office.queued().values()] == ["leased"]


def test_what_is_awaited_is_not_recalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with office_in(tmp_path) as office:
        forwards(office, keep=True)
        attempts, batches = office.dispatcher._attempts, office.dispatcher._attempts._batches
        recalled: list[object] = []
        pump = batches._pump

        def recall_first() -> None:
            recalled.extend(attempts.recall({(NUMBER, 0)}))
            pump()

        monkeypatch.setattr(batches, "_pump", recall_first)
        office.accept(NUMBER, content=TO_ANN)
        office.opened.turn_until(lambda: office.holds_nothing)
        assert recalled == []
        assert len(office.mail("ann")) == 1


def test_what_cannot_be_told_to_the_sender_is_kept_for_the_operator(tmp_path: Path) -> None:
    with next_hop({"RCPT": "550 5.1.1 nobody"}) as hop, office_in(tmp_path, settings=smarthost(hop)) as office:

        def broken() -> str:
            raise ValueError("broken")

        office.dispatcher._reporter._next_id = broken
        office.accept(1, DAN)
        office.accept(2)
        office.opened.turn_until(lambda: office.holds_nothing and len(office.mail("ann")) == 1)
        (held,) = office.queued().values()
        assert (held.state, held.held, held.last_outcome) == (
            "held",
            "undeliverable",
            "the sender cannot be told: ValueError('broken')",
        )


def test_an_outcome_that_cannot_be_concluded_is_tried_again_and_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with office_in(tmp_path, start=False) as office:
        conclude = office.dispatcher._reporter.conclude

        def broken_for_ann(outcomes: list[tuple[Leased, Outcome]]) -> object:
            if any(leased.recipient == ANN for leased, _ in outcomes):
                raise ValueError("broken")
            return conclude(outcomes)

        monkeypatch.setattr(office.dispatcher._reporter, "conclude", broken_for_ann)
        for number in range(1, 5):
            office.accept(number, ANN, BOB)
        office.start()
        office.opened.turn_until(lambda: len(office.queued()) == 4 and office.holds_nothing)
        assert {(one.mailbox, one.state, one.last_outcome) for one in office.queued().values()} == {
            ("ann@in.test", "waiting", "internal error: ValueError('broken')")
        }
        assert len(office.mail("bob")) == 4
        monkeypatch.undo()
        office.advance(timedelta(minutes=10))
        office.until_empty()
        assert (len(office.mail("ann")), len(office.mail("bob"))) == (4, 4)


def test_a_header_section_of_many_small_fields_waits_for_a_thread_and_not_in_memory(tmp_path: Path) -> None:
    with next_hop({"connect": "421 busy"}) as hop, office_in(tmp_path, settings=smarthost(hop), start=False) as office:
        forwards(office, keep=False)
        for number in range(NUMBER, NUMBER + 40):
            office.accept(number, content=b"a:\r\n" * 250_000)
        tracemalloc.start()
        try:
            office.start()
            office.until_logged("expanded", 40)
            assert tracemalloc.get_traced_memory()[1] < 10_000_000
        finally:
            tracemalloc.stop()


def test_kept_and_forwarded_mail_is_delivered_once_and_forwarded_once_when_that_was_not_recorded(
    tmp_path: Path,
) -> None:
    settings = 'brake.mode = "off"\ndelivery.smarthost = "127.0.0.1:9"\n'
    with office_in(tmp_path, settings=settings) as office:
        forwards(office, keep=True)
        with closing(office.opened.database()) as connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE DELETE ON recipient BEGIN SELECT RAISE(ABORT, 'no room'); END"
            )
        office.accept(1, content=TO_ANN)
        office.until_logged("outcomes cannot be recorded, trying again", 1)
        office.opened.loop.run_until_complete(office.dispatcher.stop())
        with closing(office.opened.database()) as connection:
            connection.execute("DROP TRIGGER full")
        assert ([one.state for one in office.queued().values()], len(office.mail("ann"))) == (["leased"], 1)
    with office_in(tmp_path, settings=settings) as office:
        office.until_logged("deferred", 1)
        assert [mailbox for _, mailbox in office.queued()] == ["ann@far.test"]
        assert len(office.mail("ann")) == 1
