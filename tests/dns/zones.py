# SPDX-License-Identifier: Apache-2.0
"""A zone without a server, for what asks its questions by yielding them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from genkan.dns.answer import Answer, Status, failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genkan.dns.answer import Record
    from genkan.dns.cache import Question
    from genkan.dns.spf_macros import Asking

T = TypeVar("T")
Zone = dict[tuple[str, str], tuple["Record", ...]]

BROKEN = "broken.test"  # fails, and all below it


def answered(asking: Asking[T], zone: Mapping[tuple[str, str], tuple[Record, ...]]) -> tuple[T, list[Question]]:
    """What it finds out, and what it asked."""
    asked: list[Question] = []
    try:
        question = next(asking)
        while True:
            asked.append(question)
            question = asking.send(_answer(question, zone))
    except StopIteration as stop:
        found: T = stop.value
        return found, asked


def _answer(question: Question, zone: Mapping[tuple[str, str], tuple[Record, ...]]) -> Answer:
    if question.name == BROKEN or question.name.endswith(f".{BROKEN}"):
        return failure("SERVFAIL")
    records = zone.get((question.name, question.rdtype))
    if records is not None:
        return Answer(Status.FOUND, records, 60)
    known = any(name == question.name for name, _ in zone)
    return Answer(Status.NO_DATA if known else Status.NO_SUCH_NAME)
