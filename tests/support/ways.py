# SPDX-License-Identifier: Apache-2.0
"""The three ways to run one transcript: as written, one octet a write, and pipelined (RFC 2920).

Each turns steps into steps; what the server says must be the same in all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.transcript import Expect, ExpectMatch, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.support.transcript import Step


def as_written(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps themselves."""
    return iter(steps)


def by_octets(steps: Iterable[Step]) -> Iterator[Step]:
    """Every octet in a write of its own."""
    for step in steps:
        if isinstance(step, Send):
            yield from (Send(step.line, bytes((octet,))) for octet in step.octets)
        else:
            yield step


def pipelined(steps: Iterable[Step]) -> Iterator[Step]:
    """All that can be sent without seeing an answer in one write, then all answers to it.

    A greeting is waited for, and so is whatever stands before a step that is no line: TLS, a challenge to answer, time.
    """
    sent: list[Send] = []
    answers: list[Step] = []
    for step in steps:
        if isinstance(step, Send):
            sent.append(step)
        elif isinstance(step, Expect | ExpectMatch) and sent:
            answers.append(step)
        else:
            yield from _together(sent, answers)
            sent, answers = [], []
            yield step
    yield from _together(sent, answers)


def _together(sent: list[Send], answers: list[Step]) -> Iterator[Step]:
    if sent:
        yield Send(sent[0].line, b"".join(step.octets for step in sent))
    yield from answers


WAYS: Final[dict[str, Callable[[Iterable[Step]], Iterator[Step]]]] = {
    "written": as_written,
    "octets": by_octets,
    "pipelined": pipelined,
}
"""The ways by the names that a transcript's `ways:` line uses."""
