# SPDX-License-Identifier: Apache-2.0
"""The memory for answers: how long it believes them, and what leaves when it is full."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from genkan.dns.answer import Answer, Status
from genkan.dns.cache import Cache, Question
from tests.support.server import StoppedClock

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


def test_long_answers_make_room_too() -> None:
    cache = Cache(StoppedClock(), most_octets=10)
    cache.put(A, answer(text="12345"))
    cache.put(B, answer(text="12345"))
    cache.put(C, answer(text="123456"))
    assert [cache.get(question) is not None for question in (A, B, C)] == [False, False, True]
    cache.put(A, answer(text="12345678901"))
    assert len(cache) == 0
    cache.put(A, answer(text="1234567890"))
    assert cache.get(A) is not None


@given(STEPS)
def test_it_gives_only_what_was_put_last_and_is_young_enough_and_stays_within_its_bounds(
    steps: list[tuple[str, str, int, int]],
) -> None:
    clock = StoppedClock()
    cache = Cache(clock, most_entries=3, most_octets=12)
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
        assert sum(each.size for each in present) <= 12


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30))
def test_within_its_bounds_it_forgets_nothing(names: list[str]) -> None:
    cache = Cache(StoppedClock(), most_entries=3)
    for number, name in enumerate(names):
        cache.put(Question(name, "A"), answer(text=str(number)))
    last = {name: str(number) for number, name in enumerate(names)}
    assert {name: cache.get(Question(name, "A")) for name in last} == {
        name: answer(text=text) for name, text in last.items()
    }
