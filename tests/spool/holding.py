# SPDX-License-Identifier: Apache-2.0
"""Held mail for tests of the spool: make it, decide about it as another process does, carry it out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from genkan.spool.deciding import decide
from genkan.spool.hold import Decision, Hold
from genkan.spool.reading import find_message
from genkan.spool.settling import Settle
from tests.support.spools import ACCEPTED, envelope

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.message.envelope import Recipient
    from genkan.spool.hold import Choice, Held, Kind
    from genkan.spool.settling import Settled
    from genkan.storage.engine import StorageError
    from tests.support.spools import SpoolOnLoop

DEADLINE: Final = ACCEPTED + timedelta(days=1)


def hold_for(kind: Kind = "approval", verdict: Choice = "reject", deadline: datetime = DEADLINE) -> Hold:
    """A hold of that kind, for one approver."""
    return Hold(kind, "attachment", "mail.dat:12", "look\ntwice", ("boss@in.test",), deadline, verdict)


def accept_held(
    opened: SpoolOnLoop, number: int, hold: Hold, content: bytes = b"content", *recipients: Recipient
) -> StorageError | None:
    """Accept a message that is held: the error, or `None` once it is durable."""
    outcomes: list[StorageError | None] = []
    opened.spool.accept(envelope(number, *recipients), opened.draft(content), outcomes.append, hold)
    opened.turn_until(lambda: bool(outcomes))
    return outcomes[0]


def settle(opened: SpoolOnLoop, now: datetime = ACCEPTED) -> tuple[list[Settled], datetime | None]:
    """Carry out what is due at `now`; what was, and when more is."""
    answers: list[tuple[StorageError | None, list[Settled], datetime | None]] = []
    opened.spool.submit(Settle(opened.spool, now, lambda *answer: answers.append(answer)))
    opened.turn_until(lambda: bool(answers))
    error, settled, next_due = answers[0]
    assert error is None
    return settled, next_due


def decide_about(opened: SpoolOnLoop, number: int, verdict: Choice, by: str = "boss@in.test") -> Held | None:
    """Decide as another process does, through a connection of its own; the spool lies in STORAGE/spool/N."""
    message = find_message(opened.spool.folder.parents[1], f"B{number:010}", ACCEPTED)
    assert message is not None
    return decide(message, Decision(verdict, by, ACCEPTED, "seen"), lambda: None)
