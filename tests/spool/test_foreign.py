# SPDX-License-Identifier: Apache-2.0
"""One process accepts into a spool, another delivers from it: what the second frees and shares, the first learns."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
import uvloop

from genkan.spool.deciding import Changes
from genkan.spool.foreign import ForeignSpool
from genkan.spool.post import Post
from genkan.spool.queue import Lease
from genkan.spool.recording import Consequence, Finished, Record, TakeChanges
from genkan.spool.spool import Spool, SpoolLimits
from genkan.storage.lock import FolderInUse
from tests.support.spools import ACCEPTED, ANN, BOB, SpoolOnLoop, envelope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.spool.queue import Leased

LIMITS = SpoolLimits(inline_size=100, segment_size=4096)


@contextmanager
def receiving(folder: Path, loop: asyncio.AbstractEventLoop) -> Iterator[SpoolOnLoop]:
    spool = Spool(folder, LIMITS, loop, delivers=False)
    try:
        yield SpoolOnLoop(spool, loop)
    finally:
        spool.close()
        loop.run_until_complete(asyncio.sleep(0))


@contextmanager
def delivering(folder: Path, loop: asyncio.AbstractEventLoop) -> Iterator[ForeignSpool]:
    spool = ForeignSpool(folder, loop)
    try:
        yield spool
    finally:
        spool.close()
        loop.run_until_complete(asyncio.sleep(0))


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with closing(uvloop.new_event_loop()) as loop:
        yield loop


def lease(opened: SpoolOnLoop, foreign: ForeignSpool) -> list[Leased]:
    found: list[list[Leased]] = []
    foreign.submit(Lease(foreign, ACCEPTED, 100, lambda _error, leased, _next: found.append(leased)))
    opened.turn_until(lambda: bool(found))
    return found[0]


def finish(opened: SpoolOnLoop, foreign: ForeignSpool, number: int, *posts: Post) -> None:
    done: list[object] = []
    consequences = [Consequence(post, ((number, 0),)) for post in posts]
    foreign.submit(Record(foreign, [Finished(number, 0)], done.append, consequences))
    opened.turn_until(lambda: bool(done))
    assert done == [None]


def take_changes(opened: SpoolOnLoop) -> None:
    opened.spool.submit(TakeChanges(opened.spool))
    opened.settle()


def test_what_one_accepts_the_other_delivers_and_its_space_is_used_again(
    tmp_path: Path, loop: asyncio.AbstractEventLoop
) -> None:
    with receiving(tmp_path / "1", loop) as opened, delivering(tmp_path / "1", loop) as foreign:
        opened.accept(envelope(1), os.urandom(3000))
        (leased,) = lease(opened, foreign)
        assert leased.recipient == ANN
        finish(opened, foreign, 1)
        assert opened.spool._segments._live  # nobody has told it yet
        take_changes(opened)
        assert not opened.spool._segments._live


def test_content_that_the_other_shares_is_not_overwritten(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    content = os.urandom(3000)
    with receiving(tmp_path / "1", loop) as opened, delivering(tmp_path / "1", loop) as foreign:
        opened.accept(envelope(1), content)
        lease(opened, foreign)
        finish(opened, foreign, 1, Post(envelope(2, BOB), b"", 1))
        take_changes(opened)
        for number in range(3, 7):
            opened.accept(envelope(number), os.urandom(3000))
        assert opened.content(2) == content


def test_a_process_that_starts_anew_counts_what_is_live_and_not_what_it_was_told(
    tmp_path: Path, loop: asyncio.AbstractEventLoop
) -> None:
    with receiving(tmp_path / "1", loop) as opened, delivering(tmp_path / "1", loop) as foreign:
        opened.accept(envelope(1), os.urandom(3000))
        lease(opened, foreign)
        finish(opened, foreign, 1, Post(envelope(2, BOB), b"", 1))
    with receiving(tmp_path / "1", loop) as opened:
        assert sum(opened.spool._segments._live.values()) == 1
        take_changes(opened)
        assert sum(opened.spool._segments._live.values()) == 1


def test_whoever_only_receives_leaves_leases_alone_and_whoever_delivers_ends_those_of_a_crash(
    tmp_path: Path, loop: asyncio.AbstractEventLoop
) -> None:
    with receiving(tmp_path / "1", loop) as opened:
        opened.accept(envelope(1), b"x")
        with delivering(tmp_path / "1", loop) as foreign:
            assert len(lease(opened, foreign)) == 1
    with receiving(tmp_path / "1", loop) as opened:
        assert opened.lease() == ([], None)
        with delivering(tmp_path / "1", loop) as foreign:
            assert [one.attempt for one in lease(opened, foreign)] == [2]


def test_two_cannot_deliver_from_one_spool(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    with receiving(tmp_path / "1", loop), delivering(tmp_path / "1", loop):
        with pytest.raises(FolderInUse):
            ForeignSpool(tmp_path / "1", loop)
        with pytest.raises(FolderInUse):
            Spool(tmp_path / "1", LIMITS, loop)


def test_every_commit_of_another_process_is_noticed(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    with receiving(tmp_path / "1", loop) as opened, closing(Changes(tmp_path / "1", of_everybody=True)) as changes:
        assert changes.were_made() is False
        opened.accept(envelope(1), b"x")
        assert (changes.were_made(), changes.were_made()) == (True, False)
