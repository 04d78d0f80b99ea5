# SPDX-License-Identifier: Apache-2.0
"""A refusal as a value: which check objects, the catalogue's row that says so, and the operator's rule behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genkan.record.entry import Decision, cut

if TYPE_CHECKING:
    from genkan.record.entry import Rule
    from genkan.smtp.reply import ReplyRow


@dataclass(frozen=True, slots=True)
class Verdict:
    """An objection. `row` is what the client is told (`None`: it is cut off without a word), `fields` fill it.

    `check` names the check, `detail` what it saw, `rule` the line of a document that it obeys; they are for the log and
    the record, and never go on the wire.
    """

    check: str
    row: ReplyRow | None
    fields: dict[str, str] = field(default_factory=dict)
    detail: str = ""
    rule: Rule | None = None


def decision_of(verdict: Verdict | None) -> Decision | None:
    """A verdict as the record notes it."""
    if verdict is None:
        return None
    reply = "" if verdict.row is None else verdict.row.name
    return Decision(reply, verdict.check, cut(verdict.detail), verdict.rule, verdict.fields)
