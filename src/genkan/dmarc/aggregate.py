# SPDX-License-Identifier: Apache-2.0
"""What an aggregate report is about: rows that are counted, and what stands above them (RFC 9990, 3.1). Values only.

A row says nothing of a single message or of its recipients (RFC 9990, 7.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from genkan.dmarc.evaluation import DmarcResult
    from genkan.dmarc.record import Alignment, DmarcRecord, Policy

Disposition = Literal["none", "pass", "quarantine", "reject"]
OverrideType = Literal["local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder"]
DiscoveryMethod = Literal["psl", "treewalk"]

MOST_SIGNATURES: Final = 4  # in a row; RFC 9990, 3.1.3, has 100 at most, and anybody can write more


class Signature(NamedTuple):
    """A DKIM signature that was looked at: d=, s=, and the result by RFC 8601, 2.7.1; reports of old know no selector."""

    domain: str
    selector: str
    result: str


class SpfAuthResult(NamedTuple):
    """The domain of the reverse-path, or of HELO for the null one, and the result by RFC 8601, 2.7.2."""

    domain: str
    result: str


class Override(NamedTuple):
    """Why the disposition is not what the policy asks for (RFC 9990, 3.1.6)."""

    type: OverrideType
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What messages have in common that are counted together. `source` is the client's address.

    `disposition` is what was done: "pass" is a message that passed where the policy asks for more than none.
    `envelope_from` is the domain of the reverse-path, "" for the null one.
    """

    source: str
    disposition: Disposition
    dkim_aligned: bool
    spf_aligned: bool
    header_from: str
    envelope_from: str = ""
    signatures: tuple[Signature, ...] = ()
    spf: SpfAuthResult | None = None
    overrides: tuple[Override, ...] = ()


class Seen(NamedTuple):
    """What is known of a message beside its author; `source` and `envelope_from` are as in `Row`."""

    source: str
    envelope_from: str
    signatures: Sequence[Signature]
    spf: SpfAuthResult | None


@dataclass(frozen=True, slots=True)
class PublishedPolicy:
    """The record as the reporter saw it, and where (RFC 9990, 3.1.1.5); "" where it does not say."""

    domain: str
    p: Policy
    sp: Policy | Literal[""] = ""
    np: Policy | Literal[""] = ""
    adkim: Alignment | Literal[""] = ""
    aspf: Alignment | Literal[""] = ""
    fo: str = ""
    testing: bool = False
    discovery: DiscoveryMethod | Literal[""] = ""


class Reporter(NamedTuple):
    """Who reports: a name, and an address to write to; `generator` is the software."""

    organization: str
    email: str
    generator: str = ""


class Period(NamedTuple):
    """From the first second to the last, both in it, in UTC."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """One report: about one domain, with how many messages each row stands for. `error` is for the domain's owner."""

    reporter: Reporter
    id: str
    period: Period
    policy: PublishedPolicy
    rows: tuple[tuple[Row, int], ...]
    error: str = ""


def published_policy(domain: str, record: DmarcRecord) -> PublishedPolicy:
    """A record of ours to tell of, with its defaults."""
    return PublishedPolicy(
        domain,
        record.p,
        record.sp or "",
        record.np or "",
        record.adkim,
        record.aspf,
        record.fo,
        record.testing,
        "treewalk",
    )


def row_of(result: DmarcResult, seen: Seen, done: Policy, override: Override | None = None) -> Row:
    """The row of a message that passed or failed. `done` is what was done for DMARC's sake; `override` why, if not the policy.

    Signatures that tell most come first: those that pass and are the author's, then others that pass (RFC 9990, 3.1.3).
    """
    overrides: list[Override] = []
    if result.outcome == "fail" and result.policy != result.requested:
        overrides.append(Override("policy_test_mode"))
    if result.outcome == "fail" and done != result.policy:
        overrides.append(override or Override("local_policy"))
    enforcing = result.outcome == "pass" and result.requested != "none"
    return Row(
        source=seen.source,
        disposition="pass" if enforcing and done == "none" else done,
        dkim_aligned=result.dkim_aligned,
        spf_aligned=result.spf_aligned,
        header_from=result.author_domain,
        envelope_from=seen.envelope_from,
        signatures=tuple(sorted(seen.signatures, key=lambda one: _rank(one, result)))[:MOST_SIGNATURES],
        spf=seen.spf,
        overrides=tuple(overrides),
    )


def _rank(signature: Signature, result: DmarcResult) -> int:
    if signature.result != "pass":
        return 3
    if signature.domain not in result.aligned:
        return 2
    return 0 if signature.domain == result.author_domain else 1
