# SPDX-License-Identifier: Apache-2.0
"""Transactions and judgements of DMARC, as a message may come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.dkim.verification import DkimResult, Signatures
from genkan.dmarc.evaluation import DmarcResult
from genkan.dmarc.record import DmarcRecord
from genkan.policy.facts import ConnectionFacts, SpfFinding, TransactionFacts
from genkan.policy.origin import Judged, Treatment
from genkan.smtp.address import Mailbox
from genkan.smtp.command import MailParameters

if TYPE_CHECKING:
    from genkan.dmarc.evaluation import DmarcOutcome

RECORD: Final = DmarcRecord("reject", rua=("mailto:dmarc@example.com",))
REJECTED: Final = Treatment("reject")
PATH: Final = Mailbox("x", "Bounce.example.net")
SPF: Final = SpfFinding("pass", "smtp.mailfrom", "Bounce.example.net")


def transaction(client: str = "192.0.2.1", path: Mailbox | None = PATH) -> TransactionFacts:
    facts = TransactionFacts(ConnectionFacts(client, "smtp"), 0.0, path, blank=False, parameters=MailParameters())
    facts.spf = SPF
    return facts


def judged(
    outcome: DmarcOutcome = "fail",
    record: DmarcRecord | None = RECORD,
    treatment: Treatment = REJECTED,
    domain: str = "example.com",
) -> Judged:
    """A message in the name of `domain`, which it signed if it passed."""
    aligned = (domain,) if outcome == "pass" else ()
    policy = "none" if record is None else record.p
    result = DmarcResult(outcome, "", domain, domain, record, policy, policy, aligned=aligned)
    dkim = (DkimResult("pass", domain=domain, selector="s"),) if aligned else (DkimResult("permerror"),)
    return Judged(Signatures(dkim), result, treatment)
