# SPDX-License-Identifier: Apache-2.0
"""One message to a server with a script, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.smtp_carrier import Patience
from tests.delivery.consignments import CONTENT, FIELDS, consignment
from tests.delivery.relaying import SERVER, opened, plan_to, run
from tests.delivery.worlds import smtp_world
from tests.support.next_hop import FULL, next_hop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from tests.support.next_hop import NextHop, Script

HASTY: Final = smtp_world(patience=Patience(0.2, 0.2))
WHOLE: Final = FIELDS + CONTENT
WITHOUT_CHUNKING: Final = tuple(word for word in FULL if word != "CHUNKING")
ALL_SETS: Final = [FULL, WITHOUT_CHUNKING, ("CHUNKING",), ("8BITMIME", "SIZE"), ()]
RELAYED: Final = Delivered("127.0.0.1: 250 2.0.0 taken", "relayed")
TAKEN: Final = Delivered("127.0.0.1: 250 2.0.0 taken", "nothing")
LOST: Final = Deferred("127.0.0.1: the server closed the connection", status="4.4.2", remote=SERVER)
LATE: Final = Deferred("127.0.0.1 did not answer in time", status="4.4.2", remote=SERVER)
THREE: Final = ("ann@in.test", "bob@in.test", "cy@in.test")


def said(text: str, kind: type[Deferred | Failed] = Deferred) -> Outcome:
    """What becomes of a recipient to which the server says so; `text` has an enhanced code."""
    return kind(f"127.0.0.1 said: {text}", status=text.split()[1], remote=SERVER, reply=text)


def sent_by(
    script: Script, *recipients: str, extensions: tuple[str, ...] = FULL, mail: Consignment | None = None
) -> tuple[list[Outcome], bool, NextHop]:
    """One consignment to a server with this script: the outcomes, whether more could be carried, and the server."""

    async def send() -> tuple[list[Outcome], bool]:
        carrier = await opened(plan_to(hop), HASTY)
        outcomes = await carrier.carry(mail or consignment(*recipients))
        usable = carrier.usable
        await carrier.close()
        return outcomes, usable

    with next_hop(script, extensions=extensions) as hop:
        outcomes, usable = run(send())
    return outcomes, usable, hop


def outcomes_of(script: Script, *recipients: str, extensions: tuple[str, ...] = FULL) -> list[Outcome]:
    outcomes, _, hop = sent_by(script, *recipients, extensions=extensions)
    if not any(isinstance(outcome, Delivered) for outcome in outcomes):
        assert hop.taken == []
    return outcomes


def of_blocks(*blocks: bytes, size: int | None = None) -> Consignment:
    """Content in just these blocks."""

    async def given() -> AsyncGenerator[bytes, None]:
        for block in blocks:
            yield block

    return replace(consignment(), content=given, size=sum(map(len, blocks)) if size is None else size)


def enveloped(mail: Consignment, **changes: Any) -> Consignment:
    return replace(mail, envelope=mail.envelope._replace(**changes))
