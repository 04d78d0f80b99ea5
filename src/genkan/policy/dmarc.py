# SPDX-License-Identifier: Apache-2.0
"""The check of a message's origin at its end: what DKIM, ARC and DMARC say is noted, and DMARC obeyed (setting `dmarc.mode`).

A message that its author's domain disowns is refused or kept back where the setting says so, unless a forwarder whom the
operator trusts has sealed that it was the author's when it came to him (RFC 8617, 7.2.1; RFC 9989, 5.4 and 7.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.policy.handling import Holding
from genkan.policy.origin import Judged, Treatment
from genkan.policy.origin_facts import origin_facts, sealed_as_passed
from genkan.policy.verdict import Verdict
from genkan.record.entry import Rule
from genkan.smtp import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from genkan.config_authenticity import Dmarc
    from genkan.dkim.arc import ArcResult
    from genkan.dmarc.evaluation import DmarcResult
    from genkan.policy.facts import ContentFacts
    from genkan.policy.origin import Authenticity, Judging


class DmarcCheck:
    """Notes what is known of a message's origin, and treats a message that is not its author's as the settings say."""

    name = "dmarc"

    def __init__(self, settings: Dmarc) -> None:
        """The settings `dmarc.*`."""
        self._mode = settings.mode
        self._defers = settings.dns_failure == "defer"
        self._trusted = frozenset(settings.trusted_sealers)

    def check(self, content: ContentFacts) -> Awaitable[Verdict | None] | None:
        """Wait for the judgement, where there is one."""
        return None if content.judging is None else self._judge(content, content.judging)

    async def _judge(self, content: ContentFacts, judging: Judging) -> Verdict | None:
        found = await judging.finish()
        _note(content, found)
        dmarc = found.dmarc
        if dmarc is None:
            return None
        if dmarc.outcome == "temperror" and self._defers:
            return Verdict(self.name, replies.DMARC_UNAVAILABLE, detail=dmarc.reason)
        treatment = self.treatment(dmarc, found.signatures.arc)
        content.judged = Judged(found.signatures, dmarc, treatment)
        domain = dmarc.author_domain
        rule = Rule(
            self.name, text=f"p={dmarc.requested} of {dmarc.policy_domain}" if domain else f"dmarc.mode = {self._mode}"
        )
        if treatment.disposition == "reject":
            if not domain:
                return Verdict(self.name, replies.AUTHOR_UNCLEAR, detail=dmarc.reason, rule=rule)
            return Verdict(self.name, replies.DMARC_REFUSED, {"domain": domain}, dmarc.reason, rule)
        if treatment.disposition == "quarantine":
            reason = f"not proven to be from {domain}" if domain else "it does not say plainly who has written it"
            content.rules.append(rule)
            content.handlings.hold = Holding("quarantine", f"DMARC: {reason}", rule)
        return None

    def treatment(self, dmarc: DmarcResult, arc: ArcResult) -> Treatment:
        """What the settings make of a judgement."""
        if dmarc.outcome not in ("fail", "permerror") or dmarc.policy == "none" or self._mode in ("off", "mark"):
            return Treatment("none")
        if dmarc.outcome == "fail" and sealed_as_passed(arc, dmarc.author_domain) and arc.domains[0] in self._trusted:
            return Treatment("none", arc.domains[0])
        return Treatment("reject" if dmarc.policy == "reject" and self._mode == "refuse" else "quarantine")


def _note(content: ContentFacts, found: Authenticity) -> None:
    """Keep what was found for the record, for the rules, and for whoever gets the message."""
    content.facts.update(origin_facts(found))
    content.results = found.field
    if found.field and content.text is not None:
        content.text = content.text.with_field(found.field)
