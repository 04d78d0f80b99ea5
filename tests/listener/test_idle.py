# SPDX-License-Identifier: Apache-2.0
"""The watch over silent clients: who was silent for how long, with one timer for all."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from genkan.listener.idle import IdleWatch
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 300.0


class Peer:
    """Notes that it was told that the patience is over."""

    def __init__(self, told: list[Peer]) -> None:
        self._told = told

    def timed_out(self) -> None:
        self._told.append(self)


class Persistent(Peer):
    """Is heard of again at the moment it is told, as a connection that waits for us."""

    def __init__(self, told: list[Peer], watch: IdleWatch) -> None:
        super().__init__(told)
        self._watch = watch

    def timed_out(self) -> None:
        super().timed_out()
        self._watch.heard(self)


class Room:
    """A watch with its clock, and whom it told."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.clock = StoppedClock()
        self.watch = IdleWatch(PATIENCE, self.clock, loop)
        self.told: list[Peer] = []

    def peer(self) -> Peer:
        peer = Peer(self.told)
        self.watch.heard(peer)
        return peer

    def after(self, seconds: float) -> list[Peer]:
        """Let time pass; who has been told by then."""
        self.clock.advance(timedelta(seconds=seconds))
        self.watch.sweep()
        return self.told


@pytest.fixture
def room() -> Iterator[Room]:
    loop = asyncio.new_event_loop()
    yield Room(loop)
    loop.close()


def test_who_is_silent_for_the_whole_time_is_told_once(room: Room) -> None:
    peer = room.peer()
    assert room.after(PATIENCE - 1) == []
    assert room.after(1) == [peer]
    assert room.after(2 * PATIENCE) == [peer]


def test_who_is_heard_of_again_gets_the_whole_time_again(room: Room) -> None:
    first, second = room.peer(), room.peer()
    room.after(PATIENCE - 1)
    room.watch.heard(first)
    assert room.after(1) == [second]
    assert room.after(PATIENCE - 1) == [second, first]


def test_who_has_left_is_not_told(room: Room) -> None:
    peer = room.peer()
    room.watch.forget(peer)
    room.watch.forget(peer)
    assert room.after(PATIENCE) == []


def test_who_is_heard_of_while_being_told_is_told_again_later(room: Room) -> None:
    peer = Persistent(room.told, room.watch)
    room.watch.heard(peer)
    assert room.after(PATIENCE) == [peer]
    assert room.after(PATIENCE) == [peer, peer]


def test_hearing_gives_the_moment(room: Room) -> None:
    room.after(7)
    assert room.watch.heard(Peer(room.told)) == 7.0
