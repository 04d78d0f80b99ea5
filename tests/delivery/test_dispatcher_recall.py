# SPDX-License-Identifier: Apache-2.0
"""What an operator holds or deletes while it waits for its turn is given back, and what is under way is left alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from genkan.delivery.route import LocalRoute
from genkan.message.envelope import Recipient
from genkan.smtp.address import Mailbox
from genkan.spool.changing import Delete, Hold, Release, Reroute, carry_out
from genkan.spool.queue import Leased
from genkan.spool.selection import Selection
from tests.support.next_hop import WAIT, next_hop
from tests.support.office import Office, office_in
from tests.support.spools import ANN, BOB

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.spool.changing import Change, Changed
    from tests.support.next_hop import NextHop

DAN = Recipient(Mailbox("dan", "far.test"), Mailbox("dan", "far.test"))
COUNT = 30


def smarthost(hop: NextHop) -> str:
    """One connection, over which the first message is under way and the others wait."""
    return f'brake.mode = "off"\ndelivery.connections_per_hop = 1\ndelivery.smarthost = "127.0.0.1:{hop.port}"\n'


def change(office: Office, change: Change) -> Changed:
    return carry_out(office.folder, Selection(), change, office.clock.now(), lambda _: None)


def states(office: Office) -> list[str]:
    return sorted(one.state for one in office.queued().values())


def test_what_waits_for_a_next_hop_is_given_back_when_it_is_held_and_comes_again_when_it_is_released(
    tmp_path: Path,
) -> None:
    with next_hop({"MAIL": WAIT}) as hop, office_in(tmp_path, settings=smarthost(hop)) as office:
        for number in range(1, COUNT + 1):
            office.accept(number, DAN)
        office.opened.turn_until(lambda: bool(hop.said("MAIL")))
        change(office, Hold())
        office.opened.turn_until(lambda: office.dispatcher._held == 1)
        assert states(office) == ["held"] * (COUNT - 1) + ["leased"]
        hop.go.set()
        office.until_logged("delivered", 1)
        change(office, Release())
        office.until_empty()
        assert sorted(one["attempt"] for one in office.logged("delivered")) == [1] * COUNT
        assert len(hop.until_taken(COUNT)) == COUNT


def test_what_is_rerouted_while_it_waits_goes_the_new_way_at_once(tmp_path: Path) -> None:
    with (
        next_hop({"MAIL": WAIT}) as hop,
        next_hop() as other,
        office_in(tmp_path, settings=smarthost(hop)) as office,
    ):
        for number in range(1, COUNT + 1):
            office.accept(number, DAN)
        office.opened.turn_until(lambda: bool(hop.said("MAIL")))
        change(office, Reroute(f"smtp:127.0.0.1:{other.port}"))
        office.opened.turn_until(lambda: len(other.taken) == COUNT - 1)
        hop.go.set()
        office.until_empty()
        assert len(hop.taken) == 1


def test_what_is_deleted_while_it_waits_is_held_and_then_may_be_deleted(tmp_path: Path) -> None:
    with next_hop({"MAIL": WAIT}) as hop, office_in(tmp_path, settings=smarthost(hop)) as office:
        for number in range(1, COUNT + 1):
            office.accept(number, DAN)
        office.opened.turn_until(lambda: bool(hop.said("MAIL")))
        change(office, Delete())
        office.opened.turn_until(lambda: office.dispatcher._held == 1)
        change(office, Delete())
        assert states(office) == ["leased"]
        hop.go.set()
        office.until_empty()
        assert len(hop.taken) == 1


def test_a_long_queue_of_deliveries_is_recalled_at_once(tmp_path: Path) -> None:
    with office_in(tmp_path, start=False) as office:
        batches, route = office.dispatcher._attempts._batches, LocalRoute(tmp_path / "none", ANN.mailbox)
        leased = [Leased(office.envelope(number), 1, 0, ANN, 1) for number in range(1, 2001)]
        batches._ready.extend((one, route) for one in leased)
        left = leased.pop()
        begun = time.thread_time()
        places = {one.place for one in leased}
        assert office.dispatcher._attempts.recall(places) == leased
        assert time.thread_time() - begun < 0.05
        assert batches.waiting() == [left]
        batches._ready.clear()


def test_many_attempts_leave_the_event_loop_to_others_between_them(tmp_path: Path) -> None:
    with office_in(tmp_path) as office:
        office.opened.settle()
        turns: list[int] = []

        def turn() -> None:
            turns.append(len(office.dispatcher._ready))
            office.opened.loop.call_soon(turn)

        office.opened.loop.call_soon(turn)
        office.accept(1, *[ANN, BOB] * 500)
        office.until_logged("delivered", 1000)
        assert len(set(turns)) > 1000 / 200
