# SPDX-License-Identifier: Apache-2.0
"""The memory for answers: how long it believes them, and what leaves when it is full."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dns.answer import TEXT_OCTETS, Answer, MailExchange, Record, Status, TlsaRecord
from genkan.dns.cache import ENTRY_OCTETS, Cache, Question
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Callable

A: Final = Question("a.test", "A")
B: Final = Question("b.test", "A")
C: Final = Question("c.test", "A")

STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcdef"), st.integers(0, 5), st.integers(0, 9)),
        st.tuples(st.just("get"), st.sampled_from("abcdef"), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.integers(0, 3), st.just(0)),
    ),
    max_size=60,
)


def answer(ttl: int = 10, text: str = "192.0.2.1") -> Answer:
    return Answer(Status.FOUND, (text,), ttl)


def test_an_answer_leaves_when_its_time_is_over() -> None:
    clock = StoppedClock()
    cache = Cache(clock)
    cache.put(A, answer(10))
    clock.advance(timedelta(seconds=9.9))
    assert cache.get(A) == answer(10)
    clock.advance(timedelta(seconds=0.1))
    assert cache.get(A) is None
    assert len(cache) == 0


def test_an_answer_without_time_is_not_kept_and_ends_the_one_before() -> None:
    cache = Cache(StoppedClock())
    cache.put(A, answer(10))
    cache.put(A, answer(0))
    assert cache.get(A) is None
    assert len(cache) == 0


def test_what_was_not_asked_for_longest_makes_room() -> None:
    cache = Cache(StoppedClock(), most_entries=2)
    cache.put(A, answer())
    cache.put(B, answer())
    cache.get(A)
    cache.put(C, answer())
    assert [cache.get(question) is not None for question in (A, B, C)] == [True, False, True]


def room_for(entries: int, octets: int, name: str = A.name) -> int:
    """Memory for that many entries of one record each, whose texts have so many octets together."""
    return entries * (ENTRY_OCTETS + len(name) + TEXT_OCTETS) + octets


def test_long_answers_make_room_too() -> None:
    cache = Cache(StoppedClock(), most_octets=room_for(2, 10))
    cache.put(A, answer(text="12345"))
    cache.put(B, answer(text="12345"))
    cache.put(C, answer(text="123456"))
    assert [cache.get(question) is not None for question in (A, B, C)] == [False, False, True]
    whole = room_for(2, 10) - room_for(1, 0)
    cache.put(A, answer(text="1" * (whole + 1)))
    assert len(cache) == 0
    cache.put(A, answer(text="1" * whole))
    assert cache.get(A) is not None


def text_of(number: int) -> Record:
    return bytes((200 + number // 250 % 50, number % 250)).decode("latin-1")


def exchange_of(number: int) -> Record:
    return MailExchange(1000 + number, f"{number}.test")


def tlsa_of(number: int) -> Record:
    return TlsaRecord(3, 1, 1, b"%d" % number)


@pytest.mark.parametrize(
    ("records", "make"),
    [(500, text_of), (500, exchange_of), (500, tlsa_of), (1, text_of), (0, text_of)],
    ids=["500 TXT", "500 MX", "500 TLSA", "one TXT", "none"],
)
def test_what_it_counts_is_about_the_memory_it_takes(records: int, make: Callable[[int], Record]) -> None:
    most = 1024 * 1024
    cache = Cache(StoppedClock(), most_octets=most)
    tracemalloc.start()
    try:
        for number in range(4000 if records < 2 else 60):
            ttl = 1000 + number
            cache.put(
                Question(f"{number}.test", "TXT"),
                Answer(Status.FOUND, tuple(make(each) for each in range(records)), ttl),
            )
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.6 * most < taken < 1.2 * most


@given(STEPS)
def test_it_gives_only_what_was_put_last_and_is_young_enough_and_stays_within_its_bounds(
    steps: list[tuple[str, str, int, int]],
) -> None:
    clock = StoppedClock()
    cache = Cache(clock, most_entries=3, most_octets=room_for(3, 12, "a"))
    put: dict[str, tuple[Answer, float]] = {}
    for step, name, seconds, length in steps:
        question = Question(name, "TXT")
        if step == "put":
            put[name] = (answer(seconds, "x" * length), clock.monotonic() + seconds)
            cache.put(question, put[name][0])
        elif step == "get":
            found = cache.get(question)
            assert found is None or (found, clock.monotonic() < put[name][1]) == (put[name][0], True)
        else:
            clock.advance(timedelta(seconds=seconds))
        kept = [cache.get(Question(each, "TXT")) for each in "abcdef"]
        present = [each for each in kept if each is not None]
        assert len(present) == len(cache) <= 3
        assert sum(len(each.texts[0]) for each in present) <= room_for(3 - len(present), 12, "a")


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30))
def test_within_its_bounds_it_forgets_nothing(names: list[str]) -> None:
    cache = Cache(StoppedClock(), most_entries=3)
    for number, name in enumerate(names):
        cache.put(Question(name, "A"), answer(text=str(number)))
    last = {name: str(number) for number, name in enumerate(names)}
    assert {name: cache.get(Question(name, "A")) for name in last} == {
        name: answer(text=text) for name, text in last.items()
    }
