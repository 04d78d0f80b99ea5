# SPDX-License-Identifier: Apache-2.0
"""Mail of our own is spooled once for each key, also by who only delivers, and also after it was delivered."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import uvloop

from genkan.spool.foreign import ForeignSpool
from genkan.spool.own_mail import REMEMBERED, PostOnce
from genkan.spool.post import Post
from genkan.spool.recording import Finished
from genkan.spool.spool import Spool, SpoolLimits
from genkan.spool.writer import Batch
from genkan.storage.engine import StorageError
from tests.support.spools import ACCEPTED, BOB, SpoolOnLoop, Taker, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from genkan.spool.queue import Queue


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[SpoolOnLoop]:
    with open_spool_on_loop(tmp_path / "1") as opened:
        yield opened


def post(
    opened: SpoolOnLoop, posts: dict[str, Post], now: datetime = ACCEPTED, queue: Queue | None = None
) -> StorageError | None:
    answers: list[StorageError | None] = []
    queue = queue or opened.spool
    queue.submit(PostOnce(queue, posts, now, answers.append))
    opened.turn_until(lambda: bool(answers))
    return answers[0]


def queued(opened: SpoolOnLoop) -> list[tuple[str, bytes | None]]:
    leased, _ = opened.lease(ACCEPTED + REMEMBERED * 2)
    return [(one.envelope.message_id, one.content) for one in leased]


def test_a_message_is_spooled_and_due_at_once(opened: SpoolOnLoop) -> None:
    content = b"Subject: x\r\n\r\n" + b"y" * 100_000
    assert post(opened, {"a": Post(envelope(1, BOB), content)}) is None
    (leased,), _ = opened.lease()
    assert (leased.recipient, leased.size, opened.content(1)) == (BOB, len(content), content)


def test_the_same_key_is_spooled_once_also_when_it_has_been_delivered(opened: SpoolOnLoop) -> None:
    assert post(opened, {"a": Post(envelope(1), b"1")}) is None
    opened.lease()
    opened.record(Finished(1, 0))
    assert post(opened, {"a": Post(envelope(2), b"2"), "b": Post(envelope(3), b"3")}) is None
    assert queued(opened) == [("B0000000003", b"3")]


def test_a_key_is_forgotten_when_nobody_can_try_again(opened: SpoolOnLoop) -> None:
    post(opened, {"a": Post(envelope(1), b"1")})
    later = ACCEPTED + REMEMBERED + timedelta(seconds=1)
    post(opened, {"a": Post(envelope(2), b"2")}, later)
    assert [message_id for message_id, _ in queued(opened)] == ["B0000000001", "B0000000002"]


def test_what_could_not_be_spooled_can_be_spooled_again(opened: SpoolOnLoop) -> None:
    opened.accept(envelope(1), b"1")
    error = post(opened, {"a": Post(envelope(2), b"2"), "b": Post(envelope(1), b"the id is taken")})
    assert isinstance(error, StorageError)
    assert post(opened, {"a": Post(envelope(3), b"3")}) is None
    assert [message_id for message_id, _ in queued(opened)] == ["B0000000001", "B0000000003"]


def test_who_delivers_is_told_of_what_is_new_and_only_of_that(opened: SpoolOnLoop) -> None:
    opened.spool.taker = taker = Taker(room=2)
    for message, left in ((1, 1), (2, 1)):
        assert post(opened, {"a": Post(envelope(message), b"x")}) is None
        assert taker.left == left
    assert isinstance(post(opened, {"b": Post(envelope(3), b"x"), "c": Post(envelope(1), b"x")}), StorageError)
    assert taker.left == 1


def test_a_message_that_another_has_spooled_since_a_batch_failed_is_not_new(opened: SpoolOnLoop) -> None:
    opened.spool.taker = taker = Taker(room=2)
    answers: list[StorageError | None] = []
    job = PostOnce(opened.spool, {"a": Post(envelope(1), b"1")}, ACCEPTED, answers.append)
    with closing(opened.database()) as connection:
        job.run(Batch(connection))
        connection.execute("ROLLBACK")
    assert post(opened, {"a": Post(envelope(2), b"2")}) is None
    opened.spool.submit(job)
    opened.turn_until(lambda: bool(answers))
    assert (answers, taker.left, queued(opened)) == ([None], 1, [("B0000000002", b"2")])


def test_who_only_delivers_from_a_spool_can_spool_too(tmp_path: Path) -> None:
    with closing(uvloop.new_event_loop()) as loop:
        spool = Spool(tmp_path / "1", SpoolLimits(), loop, delivers=False)
        foreign = ForeignSpool(tmp_path / "1", loop)
        opened = SpoolOnLoop(spool, loop)
        assert post(opened, {"a": Post(envelope(1), b"1")}, queue=foreign) is None
        assert queued(opened) == [("B0000000001", b"1")]
        foreign.close()
        spool.close()
        opened.loop.run_until_complete(_nothing())


async def _nothing() -> None:
    """Let the loop turn once."""
