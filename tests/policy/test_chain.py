# SPDX-License-Identifier: Apache-2.0
"""A stage asks its checks in order, and waits only for a check that has to wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from genkan.policy.chain import Stage
from genkan.policy.verdict import Verdict
from genkan.smtp import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable

    Answer = Verdict | Awaitable[Verdict | None] | None

FIRST = Verdict("first", replies.SENDER_UNKNOWN)
SECOND = Verdict("second", replies.USER_UNKNOWN)


class Says:
    """A check that answers as it is told, and notes in the facts that it was asked."""

    def __init__(self, name: str, verdict: Verdict | None, *, later: bool = False) -> None:
        self.name = name
        self._verdict = verdict
        self._later = later

    def check(self, asked: list[str], /) -> Answer:
        asked.append(self.name)
        return self._wait() if self._later else self._verdict

    async def _wait(self) -> Verdict | None:
        await asyncio.sleep(0)
        return self._verdict


class Fails:
    """A check with a bug."""

    name = "fails"

    def check(self, _asked: list[str], /) -> Answer:
        raise ZeroDivisionError


def decide(*checks: Says | Fails) -> tuple[Verdict | None, list[str]]:
    asked: list[str] = []
    answer = Stage(*checks).decide(asked)
    if answer is None or isinstance(answer, Verdict):
        return answer, asked

    async def wait() -> Verdict | None:
        return await answer

    return asyncio.run(wait()), asked


@pytest.mark.parametrize("later", [False, True])
def test_the_first_objection_decides_and_nobody_is_asked_after_it(later: bool) -> None:
    checks = [Says("a", None), Says("b", FIRST, later=later), Says("c", SECOND)]
    assert decide(*checks) == (FIRST, ["a", "b"])


@pytest.mark.parametrize(
    "later", [(True, False, False), (False, True, False), (True, True, True), (False, False, False)]
)
def test_without_an_objection_all_are_asked_in_order(later: tuple[bool, ...]) -> None:
    checks = [Says(name, None, later=waits) for name, waits in zip("abc", later, strict=True)]
    assert decide(*checks) == (None, ["a", "b", "c"])


def test_a_check_behind_one_that_waits_still_decides() -> None:
    assert decide(Says("a", None, later=True), Says("b", SECOND), Says("c", FIRST)) == (SECOND, ["a", "b"])


def test_without_waiting_there_is_nothing_to_wait_for() -> None:
    assert Stage(Says("a", None), Says("b", FIRST)).decide([]) == FIRST


@pytest.mark.parametrize("before", [Says("a", None), Says("a", None, later=True)])
def test_a_check_that_fails_does_not_pass_for_an_objection_or_for_consent(before: Says) -> None:
    with pytest.raises(ZeroDivisionError):
        decide(before, Fails())


def test_an_empty_stage_has_no_objection() -> None:
    assert decide() == (None, [])
