# SPDX-License-Identifier: Apache-2.0
"""Mail that is held: why, for whom to decide, until when, what becomes of it then; as values and as rows of the spool."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from genkan.spool.rows import microseconds, moment

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.spool.rows import Row

Kind = Literal["quarantine", "approval"]
Choice = Literal["approve", "reject"]

HELD: Final = 253_402_300_799_000_000  # microseconds since 1970; when held recipients are due: the end of the year 9999


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a message is kept back. `rule` says where the rule stands (`mail.dat:12`), `warning` is what its author wrote.

    `approvers` are the addresses of those who may decide, beside the operator. Who has not decided at the `deadline` has left
    it to `verdict`.
    """

    kind: Kind
    reason: str
    rule: str
    warning: str
    approvers: tuple[str, ...]
    deadline: datetime
    verdict: Choice


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody wants done with a held message; `by` is an approver's address or an operator's user name."""

    verdict: Choice
    by: str
    at: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A hold in a spool; with a `decision` when one was taken that the spool's worker has not carried out yet."""

    hold: Hold
    since: datetime
    decision: Decision | None


def hold_row(message: int, hold: Hold, created: datetime) -> Row:
    """What the query `insert_hold` wants."""
    return (
        message,
        hold.kind,
        hold.reason,
        hold.rule,
        hold.warning,
        json.dumps(hold.approvers),
        microseconds(hold.deadline),
        hold.verdict,
        microseconds(created),
    )


def held_from_row(row: Row) -> Held:
    """A hold as the query `hold` gives it. Raises `ValueError` on a damaged one."""
    kind, reason, rule, warning, approvers, deadline, verdict, created = row[:8]
    decision, by, at, comment = row[8:]
    named = tuple(map(str, json.loads(approvers)))
    hold = Hold(kind, reason, rule, warning, named, moment(deadline), verdict)
    decided = None if decision is None else Decision(decision, by or "", moment(at or 0), comment or "")
    return Held(hold, moment(created), decided)
