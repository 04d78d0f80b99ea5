# SPDX-License-Identifier: Apache-2.0
"""Answers that may still be believed, by question; what was asked for longest ago makes room for the new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from genkan.clock import Clock
    from genkan.dns.answer import Answer, RecordType

MOST_ENTRIES: Final = 20_000
MOST_OCTETS: Final = (
    16 * 1024 * 1024
)  # of memory: whoever runs a zone decides how long its answers are, and of how many records
ENTRY_OCTETS: Final = 512  # of memory that an entry takes, without its name and its records


class Question(NamedTuple):
    """What is asked: a name in lower case without a final dot, and a type."""

    name: str
    rdtype: RecordType


class _Entry(NamedTuple):
    answer: Answer
    expires: float
    octets: int


class Cache:
    """Bounded in entries and in octets of memory; an answer leaves when its time to live is over."""

    def __init__(self, clock: Clock, most_entries: int = MOST_ENTRIES, most_octets: int = MOST_OCTETS) -> None:
        """The clock's monotonic time is what answers grow old by."""
        self._clock = clock
        self._most_entries = most_entries
        self._most_octets = most_octets
        self._octets = 0
        self._entries: dict[Question, _Entry] = {}  # in the order of use

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question) -> Answer | None:
        """The answer if it may still be believed."""
        entry = self._entries.pop(question, None)
        if entry is None:
            return None
        answer, expires, octets = entry
        if expires <= self._clock.monotonic():
            self._octets -= octets
            return None
        self._entries[question] = entry
        return answer

    def put(self, question: Question, answer: Answer) -> None:
        """Keep an answer for its time to live; one of 0 seconds is not kept."""
        self._drop(question)
        if answer.ttl <= 0:
            return
        octets = ENTRY_OCTETS + len(question.name) + answer.size
        self._entries[question] = _Entry(answer, self._clock.monotonic() + answer.ttl, octets)
        self._octets += octets
        while len(self._entries) > self._most_entries or self._octets > self._most_octets:
            self._drop(next(iter(self._entries)))

    def _drop(self, question: Question) -> None:
        entry = self._entries.pop(question, None)
        if entry is not None:
            self._octets -= entry.octets
