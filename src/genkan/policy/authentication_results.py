# SPDX-License-Identifier: Apache-2.0
"""What is known of a message's origin, as our Authentication-Results field says it (RFC 8601, 2.7; RFC 6008; RFC 8617, 10.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.message.results import MethodResult, Property

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.dkim.arc import ArcResult
    from genkan.dkim.verification import DkimResult, Signatures
    from genkan.dmarc.evaluation import DmarcResult
    from genkan.policy.facts import TransactionFacts


def method_results(
    transaction: TransactionFacts, signatures: Signatures, dmarc: DmarcResult | None
) -> Iterator[MethodResult]:
    """The results of all methods that were tried, DMARC first, as the one that the others lead to; it is `None` if it was not."""
    if dmarc is not None:
        yield _dmarc(dmarc)
    spf = transaction.spf
    if spf is not None:
        ptype, _, name = spf.identity.partition(".")
        path = transaction.reverse_path
        value = spf.domain if path is None else str(path._replace(domain=spf.domain))  # in A-labels
        yield MethodResult("spf", spf.result, (Property(ptype, name, value),))
    for signature in signatures.dkim:
        yield _dkim(signature)
    if not signatures.dkim:
        yield MethodResult("dkim", "none")
    if signatures.arc.outcome != "none":
        yield _arc(signatures.arc)


def _dmarc(result: DmarcResult) -> MethodResult:
    properties = []
    if result.record is not None:
        properties.append(Property("policy", "dmarc", result.requested))
    if result.author_domain:
        properties.append(Property("header", "from", result.author_domain))
    return MethodResult("dmarc", result.outcome, tuple(properties), "" if result.outcome == "pass" else result.reason)


def _dkim(result: DkimResult) -> MethodResult:
    named = {
        "d": result.domain,
        "i": result.identity if result.identity != f"@{result.domain}" else "",
        "s": result.selector,
        "a": result.algorithm,
        "b": result.header_b,
    }
    properties = tuple(Property("header", name, value) for name, value in named.items() if value)
    return MethodResult("dkim", result.outcome, properties, _comment(result))


def _comment(result: DkimResult) -> str:
    words = [result.reason] if result.reason else []
    if result.key_bits:
        words.append(f"{result.key_bits}-bit key")
    if result.testing:
        words.append("the domain is testing")
    return ", ".join(words)


def _arc(result: ArcResult) -> MethodResult:
    properties = [] if result.oldest_pass is None else [Property("header", "oldest-pass", str(result.oldest_pass))]
    sealed = f"i={result.sets}, sealed by {', '.join(result.domains)}" if result.domains else f"i={result.sets}"
    return MethodResult(
        "arc", result.outcome, tuple(properties), f"{result.reason}, {sealed}" if result.reason else sealed
    )
