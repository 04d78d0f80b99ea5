# SPDX-License-Identifier: Apache-2.0
"""Whether a message is from its author's domain, and what that wants done if it is not (RFC 9989, 4.4, 5.3 and 5.4).

What is done is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from genkan.dmarc.author import plain_domain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genkan.dmarc.author import Author
    from genkan.dmarc.discovery import Discovery, TreeWalks
    from genkan.dmarc.record import Alignment, DmarcRecord, Place, Policy

DmarcOutcome = Literal["pass", "fail", "none", "permerror", "temperror"]


class Checked(Protocol):
    """What SPF or one DKIM signature came to, such as `SpfAuthResult` and `Signature`: a result of RFC 8601, 2.7, for a domain.

    For SPF that is the domain of the reverse-path, for the null one that of HELO (RFC 7208, 2.4).
    """

    @property
    def result(self) -> str:
        """Only "pass" and "temperror" matter."""
        ...

    @property
    def domain(self) -> str:
        """In any form."""
        ...


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """The outcome by the names of RFC 8601, 2.7.3, with what led to it.

    `requested` is the policy that is meant for the message, were it to fail, and `policy` what is left of it while the owner
    is testing: that is to be applied on "fail", and on "permerror", where it is the strictest that a message without one author
    can have failed. `policy_domain` and `record` are as in `Discovery`. `aligned` are the signing domains that pass and are
    the author's, in their order; `reason` is in words.
    """

    outcome: DmarcOutcome
    reason: str
    author_domain: str = ""
    policy_domain: str = ""
    record: DmarcRecord | None = None
    requested: Policy = "none"
    policy: Policy = "none"
    spf_aligned: bool = False
    aligned: tuple[str, ...] = ()

    @property
    def dkim_aligned(self) -> bool:
        """Whether a signature is the author's."""
        return bool(self.aligned)


async def evaluate(author: Author, spf: Checked, dkim: Sequence[Checked], walks: TreeWalks) -> DmarcResult:
    """Judge a message by what SPF and DKIM came to. Raises nothing that the lookup does not raise.

    Whoever calls it bounds how many signatures there are; what they can have asked is bounded by `walks`.
    """
    if author.domain:
        return await _evaluate(author.domain, spf, dkim, walks)
    if author.is_unclear:
        return DmarcResult(
            "permerror", f"{author.problem}; whom it names is not clear", requested="reject", policy="reject"
        )
    for domain in author.claimed:  # before what has signed it is asked for, which may be more than is asked for at all
        await walks.discover(domain)
    claims = [await _evaluate(domain, spf, dkim, walks) for domain in author.claimed]
    return _strictest(author.problem, claims)


def _strictest(problem: str, claims: Sequence[DmarcResult]) -> DmarcResult:
    """The judgement of a message that names several domains as its author's, or none for sure, by those of the domains.

    RFC 9989 does not judge such a message; but who is shown one of the domains must not be deceived by naming another.
    """
    failed = [claim for claim in claims if claim.outcome == "fail"]
    for policy in ("reject", "quarantine"):
        for claim in failed:
            if claim.policy == policy:
                return replace(claim, outcome="permerror", reason=f"{problem}; {claim.reason}")
    unknown = next((claim for claim in claims if claim.outcome == "temperror"), None)
    return DmarcResult("permerror", problem) if unknown is None else unknown


async def _evaluate(domain: str, spf: Checked, dkim: Sequence[Checked], walks: TreeWalks) -> DmarcResult:
    """The judgement of mail whose author's domain this is."""
    walk = await walks.discover(domain)
    result = DmarcResult("none", "there is no record", domain, walk.policy_domain, walk.record)
    if walk.record is None:
        return replace(result, outcome="temperror", reason=f"{walk.failed} cannot be had") if walk.failed else result
    if not walk.record.usable:
        return replace(result, outcome="permerror", reason=f"the record of {walk.policy_domain} has a wrong policy")
    judged = await _judged(result, walk.record, (spf, *dkim), _Alignment(walk, walks))
    return await _with_policy(judged, walk.record, walks)


async def _judged(
    result: DmarcResult, record: DmarcRecord, checks: Sequence[Checked], alignment: _Alignment
) -> DmarcResult:
    """The result with its outcome; SPF is the first of the checks."""
    answers = [await alignment.of(check, record.adkim if place else record.aspf) for place, check in enumerate(checks)]
    aligned = tuple(check.domain for check, answer in zip(checks[1:], answers[1:], strict=True) if answer == "yes")
    author = result.author_domain
    if answers[0] == "yes" or aligned:
        by = f"signed by {aligned[0]}" if aligned else f"sent for {checks[0].domain}"
        outcome: DmarcOutcome = "pass"
        reason = f"{by}, which is aligned with {author}"
    elif "unknown" in answers:
        outcome, reason = "temperror", f"what is aligned with {author} cannot be had"
    else:
        outcome, reason = "fail", f"nothing that passes is aligned with {author}"
    return replace(result, outcome=outcome, reason=reason, spf_aligned=answers[0] == "yes", aligned=aligned)


async def _with_policy(result: DmarcResult, record: DmarcRecord, walks: TreeWalks) -> DmarcResult:
    """The result with the policies that are meant for its author (RFC 9989, 4.10.1)."""
    place: Place = "domain" if result.policy_domain == result.author_domain else "subdomain"
    if place == "subdomain" and record.requested("no such subdomain") != record.requested("subdomain"):
        found = await walks.find_texts(result.author_domain)
        if found.status == "no such name":
            place = "no such subdomain"
        elif found.status == "failed" and result.outcome == "fail":
            reason = f"whether {result.author_domain} exists cannot be had"
            result = replace(result, outcome="temperror", reason=reason)
    requested = record.requested(place)
    return replace(result, requested=requested, policy=record.applied(requested))


class _Alignment:
    """Whose domains are the author's. Whoever is not below the author's organizational domain costs no question."""

    def __init__(self, author: Discovery, walks: TreeWalks) -> None:
        self._author = author
        self._walks = walks

    async def of(self, check: Checked, mode: Alignment) -> Literal["yes", "no", "unknown"]:
        """Whether a check has passed for a domain that is aligned; one that could not end might have (RFC 9989, 5.3.6)."""
        if check.result not in ("pass", "temperror"):
            return "no"
        answer = await self._is_aligned(check.domain, mode)
        if answer is None or (answer and check.result == "temperror"):
            return "unknown"
        return "yes" if answer else "no"

    async def _is_aligned(self, text: str, mode: Alignment) -> bool | None:
        """RFC 9989, 4.10.2; `None` when the DNS does not answer."""
        domain, organizational = plain_domain(text), self._author.organizational_domain
        if domain is None or domain == self._author.domain or mode == "s":
            return domain == self._author.domain
        if not organizational:
            return None
        if domain != organizational and not domain.endswith(f".{organizational}"):
            return False
        walk = await self._walks.discover(domain)
        return None if walk.failed else walk.organizational_domain == organizational
