# SPDX-License-Identifier: Apache-2.0
"""Decisions that another process writes into a worker's spool, beside the worker."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from genkan.spool.deciding import Changes, decide
from genkan.spool.hold import Decision
from genkan.spool.reading import find_message
from tests.spool.holding import accept_held, decide_about, hold_for, settle
from tests.support.spools import ACCEPTED, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.spools import SpoolOnLoop


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[SpoolOnLoop]:
    with open_spool_on_loop(tmp_path / "spool" / "1") as opened:
        accept_held(opened, 1, hold_for())
        yield opened


def test_the_first_decision_counts(opened: SpoolOnLoop) -> None:
    for verdict in ("approve", "reject"):
        held = decide_about(opened, 1, "approve" if verdict == "approve" else "reject", f"{verdict}@in.test")
        assert held is not None
        assert held.decision == Decision("approve", "approve@in.test", ACCEPTED, "seen")
    assert [one.by for one in settle(opened)[0]] == ["approve@in.test"]


def test_who_comes_after_it_was_carried_out_is_told_that_it_is_not_held(opened: SpoolOnLoop, tmp_path: Path) -> None:
    message = find_message(tmp_path, "B0000000001", ACCEPTED)
    assert message is not None
    decide_about(opened, 1, "approve")
    settle(opened)
    kept: list[str] = []
    assert decide(message, Decision("reject", "late@in.test", ACCEPTED), lambda: kept.append("kept")) is None
    assert kept == []
    assert len(opened.lease()[0]) == 1


def test_nothing_is_decided_when_what_belongs_to_it_cannot_be_kept(opened: SpoolOnLoop, tmp_path: Path) -> None:
    def fail() -> None:
        raise LookupError

    message = find_message(tmp_path, "B0000000001", ACCEPTED)
    assert message is not None
    with closing(Changes(opened.spool.folder)) as changes:
        with pytest.raises(LookupError):
            decide(message, Decision("reject", "boss@in.test", ACCEPTED), fail)
        assert not changes.were_made()
    assert find_message(tmp_path, "B0000000001", ACCEPTED) == message


def test_a_change_from_outside_is_noticed_once_and_the_workers_own_are_none(opened: SpoolOnLoop) -> None:
    with closing(Changes(opened.spool.folder)) as changes:
        assert opened.accept(envelope(2), b"content") is None
        assert not changes.were_made()
        decide_about(opened, 1, "reject")
        assert [changes.were_made(), changes.were_made()] == [True, False]
        settle(opened)
        assert not changes.were_made()
