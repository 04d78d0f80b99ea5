# SPDX-License-Identifier: Apache-2.0
"""Which messages are counted for the reports to their authors' domains, and as what (RFC 9990, 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.dmarc.aggregate import Override, Seen, Signature, SpfAuthResult, row_of
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from genkan.dmarc.aggregate import Row
    from genkan.policy.facts import SpfFinding, TransactionFacts
    from genkan.policy.origin import Judged

_LONGEST: Final = 253  # characters of a name of the DNS
_FOUND: Final = ("pass", "fail", "policy")  # outcomes of a signature whose key was found


def row_to_count(transaction: TransactionFacts, judged: Judged) -> Row | None:
    """The row of a message that DMARC passed or failed by a record; `None` for all others, of which there is nothing to tell.

    It does not matter what else became of the message: reports are about all that came.
    """
    dmarc, treatment = judged.dmarc, judged.treatment
    if dmarc.outcome not in ("pass", "fail") or dmarc.record is None:
        return None
    path = transaction.reverse_path
    seen = Seen(
        source=transaction.connection.client_address,
        envelope_from="" if path is None else fold_domain(path.domain)[:_LONGEST],
        signatures=[
            Signature(one.domain, one.selector, one.outcome)
            for one in judged.signatures.dkim
            if one.domain and one.outcome in _FOUND  # the names of others are whatever a stranger has written
        ],
        spf=_checked(transaction.spf),
    )
    sealer = treatment.sealer
    override = Override("trusted_forwarder", f"sealed by {sealer}") if sealer else None
    return row_of(dmarc, seen, treatment.disposition, override)


def _checked(spf: SpfFinding | None) -> SpfAuthResult | None:
    return None if spf is None else SpfAuthResult(fold_domain(spf.domain)[:_LONGEST], spf.result)
