# SPDX-License-Identifier: Apache-2.0
"""The three ways send the same octets and want the same answers."""

from __future__ import annotations

from tests.support.transcript import Closed, Expect, Send, StartTls, Step
from tests.support.ways import WAYS, as_written, by_octets, pipelined

GREETED: list[Step] = [Expect(1, "220 hi"), Send(2, b"HELO a\r\n"), Expect(3, "250 a"), Send(4, b"QUIT\r\n")]
STEPS: list[Step] = [*GREETED, Expect(5, "221 bye"), Closed(6)]


def octets(steps: list[Step]) -> bytes:
    return b"".join(step.octets for step in steps if isinstance(step, Send))


def test_as_written_changes_nothing() -> None:
    assert list(as_written(STEPS)) == STEPS


def test_by_octets_splits_every_write() -> None:
    steps = list(by_octets(STEPS))
    assert octets(steps) == octets(STEPS)
    assert {len(step.octets) for step in steps if isinstance(step, Send)} == {1}
    assert [step for step in steps if not isinstance(step, Send)] == [s for s in STEPS if not isinstance(s, Send)]


def test_pipelined_waits_for_the_greeting_and_sends_the_rest_at_once() -> None:
    assert list(pipelined(STEPS)) == [
        Expect(1, "220 hi"),
        Send(2, b"HELO a\r\nQUIT\r\n"),
        Expect(3, "250 a"),
        Expect(5, "221 bye"),
        Closed(6),
    ]


def test_pipelined_sends_nothing_behind_a_handshake_before_it() -> None:
    steps: list[Step] = [Send(1, b"STARTTLS\r\n"), Expect(2, "220 go"), StartTls(3), Send(4, b"NOOP\r\n")]
    assert list(pipelined(steps)) == steps


def test_ways_go_by_the_names_of_transcripts() -> None:
    assert {"written": as_written, "octets": by_octets, "pipelined": pipelined} == WAYS
