# SPDX-License-Identifier: Apache-2.0
"""What is found out about a message's origin, and what is made of it. Values only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from genkan.dkim.verification import Signatures
    from genkan.dmarc.evaluation import DmarcResult

Disposition = Literal["none", "quarantine", "reject"]


class Authenticity(NamedTuple):
    """What is known of a message's origin; `dmarc` is `None` where it was not asked.

    `field` is our Authentication-Results field, with its CRLF.
    """

    signatures: Signatures
    dmarc: DmarcResult | None
    field: bytes


class Judging(Protocol):
    """A judgement that ends when the message does."""

    async def finish(self) -> Authenticity:
        """What it comes to; the content is complete."""
        ...


class Treatment(NamedTuple):
    """What is done for DMARC's sake, and the forwarder who was believed, if one was."""

    disposition: Disposition
    sealer: str = ""


class Judged(NamedTuple):
    """A message that DMARC was asked about: what came out, by which signatures, and what was made of it."""

    signatures: Signatures
    dmarc: DmarcResult
    treatment: Treatment
