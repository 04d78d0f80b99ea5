# SPDX-License-Identifier: Apache-2.0
"""What rules want done with a message besides taking it: marks, another destination, a person's word, a copy kept.

The checks of the content write it down; the listener carries it out when the message is accepted, or a refusal leaves a copy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from datetime import timedelta

    from genkan.record.entry import Rule
    from genkan.smtp.address import Mailbox


@dataclass(frozen=True, slots=True)
class Holding:
    """Why a message waits for somebody, or is kept in the quarantine; what is `None` is left to the settings."""

    kind: Literal["approval", "quarantine"]
    reason: str
    rule: Rule
    warning: str = ""
    approvers: tuple[str, ...] = ()
    deadline: timedelta | None = None
    verdict: str | None = None  # approve or reject


@dataclass(frozen=True, slots=True)
class Handling:
    """How a message goes on: `tag` is put before its Subject, `fields` before its header section, as name and body.

    `forward` takes the place of its recipients; `holding` keeps it back.
    """

    tag: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    forward: Mailbox | None = None
    holding: Holding | None = None


AS_IT_IS: Final = Handling()


@dataclass(slots=True)
class Handlings:
    """How a message goes on for each of its recipients.

    `accounts` has those for whom it goes on in another way than `message` says, by mailbox. `hold` keeps it back for all.
    `copies` are kept in the quarantine, whatever else happens; with `refuse_client` the client gets a line in effect.dat.
    """

    message: Handling = AS_IT_IS
    accounts: dict[Mailbox, Handling] = field(default_factory=dict)
    hold: Holding | None = None
    copies: list[Holding] = field(default_factory=list)
    refuse_client: bool = False

    def of(self, mailbox: Mailbox) -> Handling:
        """How the message goes on for one recipient."""
        handling = self.accounts.get(mailbox, self.message)
        if self.hold is None or handling.holding is not None:
            return handling
        return Handling(handling.tag, handling.fields, handling.forward, self.hold)

    @property
    def is_plain(self) -> bool:
        """Whether the message goes on as it is, in one piece."""
        return self.hold is None and not self.accounts and not self.copies and self.message is AS_IT_IS

    def said(self) -> list[str]:
        """What is done, in a few words each, for the record."""
        if self.is_plain:
            return []
        words = [f"{_said(handling)} for {mailbox}" for mailbox, handling in self.accounts.items()]
        whole = _said(self.of_message())
        return [*([whole] if whole else []), *words, *(["copy in the quarantine"] if self.copies else [])]

    def of_message(self) -> Handling:
        """How the message goes on for those who have nothing of their own."""
        if self.hold is None:
            return self.message
        return Handling(self.message.tag, self.message.fields, self.message.forward, self.hold)


def _said(handling: Handling) -> str:
    parts = [
        f"subject tagged {handling.tag!r}" if handling.tag else "",
        *(f"field {name} added" for name, _ in handling.fields),
        f"forwarded to {handling.forward}" if handling.forward else "",
        f"held: {handling.holding.reason}" if handling.holding else "",
    ]
    return ", ".join(part for part in parts if part)
