# SPDX-License-Identifier: Apache-2.0
"""How the record keeps what is known of a message's origin, and how it is read again when the checks are asked once more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar, get_args

from genkan.dkim.arc import NO_CHAIN, ArcResult
from genkan.dkim.verification import Signatures
from genkan.dmarc.evaluation import DmarcOutcome, DmarcResult
from genkan.dmarc.record import Policy
from genkan.message.results import dmarc_pass
from genkan.policy.origin import Authenticity
from genkan.record.entry import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genkan.record.entry import Fact

DMARC: Final = "dmarc"
POLICY: Final = "dmarc policy"
DKIM: Final = "dkim"
ARC: Final = "arc"
SEALED: Final = "arc dmarc"  # whether the newest sealer says that DMARC passed
RESULTS: Final = "authentication results"  # the body of our field, unfolded

T = TypeVar("T")

_OUTCOMES: Final[tuple[DmarcOutcome, ...]] = get_args(DmarcOutcome)
_POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
_POLICY: Final = re.compile(r"(\w+) of (\S*) for (\S*)")
_FOLD: Final = re.compile(r"\r\n(?=[ \t])")


def sealed_as_passed(arc: ArcResult, author_domain: str) -> bool:
    """Whether the chain holds and its newest sealer says that DMARC passed for this author when the message came to him."""
    return arc.outcome == "pass" and dmarc_pass(arc.results) in ("", author_domain)


def origin_facts(found: Authenticity) -> dict[str, Fact]:
    """The facts of one message."""
    facts: dict[str, Fact] = {}
    dmarc, arc = found.dmarc, found.signatures.arc
    if found.signatures.dkim:
        facts[DKIM] = cut(", ".join(f"{one.outcome} {one.domain or '?'}" for one in found.signatures.dkim))
    if arc.outcome != "none":
        facts[ARC] = cut(f"{arc.outcome} {' '.join(arc.domains)}".rstrip())
        facts[SEALED] = sealed_as_passed(arc, "" if dmarc is None else dmarc.author_domain)
    if dmarc is not None:
        facts[DMARC] = dmarc.outcome
    if dmarc is not None and (dmarc.policy_domain or dmarc.policy != "none"):
        facts[POLICY] = f"{dmarc.policy} of {dmarc.policy_domain} for {dmarc.author_domain}"
    facts[RESULTS] = _FOLD.sub("", found.field.decode("ascii").partition(":")[2]).strip()
    return facts


def recorded_origin(facts: Mapping[str, Fact]) -> Authenticity | None:
    """What the check of DMARC needs of them; `None` where nobody had asked. The field is not made again."""
    outcome = _one_of(_OUTCOMES, facts.get(DMARC))
    if outcome is None:
        return None
    dmarc = DmarcResult(outcome, "as recorded")
    stated = _POLICY.fullmatch(str(facts.get(POLICY, "")))
    policy = _one_of(_POLICIES, stated[1]) if stated else None
    if stated and policy:
        dmarc = DmarcResult(outcome, "as recorded", stated[3], stated[2], requested=policy, policy=policy)
    return Authenticity(Signatures(arc=_arc(facts)), dmarc, b"")


def recorded_field(facts: Mapping[str, Fact]) -> bytes:
    """Our Authentication-Results field as rules saw it, on one line; b"" where there was none."""
    body = facts.get(RESULTS)
    return f"Authentication-Results: {body}\r\n".encode() if body else b""


def _arc(facts: Mapping[str, Fact]) -> ArcResult:
    outcome, _, domains = str(facts.get(ARC, "")).partition(" ")
    if outcome not in ("pass", "fail"):
        return NO_CHAIN
    results = "dmarc=pass" if facts.get(SEALED) else ""
    return ArcResult("pass" if outcome == "pass" else "fail", domains=tuple(domains.split()), results=results)


def _one_of(names: tuple[T, ...], text: object) -> T | None:
    return next((name for name in names if name == text), None)
