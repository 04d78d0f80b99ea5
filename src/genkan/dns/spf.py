# SPDX-License-Identifier: Apache-2.0
"""Whether a domain permits a client to send in its name: SPF (RFC 7208), asked through our resolver, its cache and deadlines.

What is in the cache already is judged at once, without a task; that is most mail.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar, get_args

from genkan.dns.name import name_text, parse_name
from genkan.dns.spf_evaluation import Judgement, SpfOutcome, explain, judge
from genkan.dns.spf_macros import Asked
from genkan.ip import parse_address

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from genkan.dns.answer import Answer
    from genkan.dns.cache import Question
    from genkan.dns.resolver import Resolver
    from genkan.dns.spf_macros import Asking

__all__ = ["SpfOutcome", "SpfResult", "explained_spf", "outcome_of", "spf"]

T = TypeVar("T")


class SpfResult(NamedTuple):
    """What the domain says, and why: the term of the record that decided, or what is wrong with it.

    `domain` is the one that was asked about, "" for what is no domain. `explanation` is its own text on a fail (RFC 7208, 6.2),
    so nothing to be believed.
    """

    result: SpfOutcome
    domain: str = ""
    reason: str = ""
    explanation: str = ""


class _Identity(NamedTuple):
    """What is judged: a domain as it is asked for, and all that macros may want."""

    domain: str
    asked: Asked

    @property
    def client(self) -> str:
        return str(self.asked.client)


def outcome_of(text: object) -> SpfOutcome | None:
    """The outcome of that name, `None` for anything else."""
    return next((outcome for outcome in get_args(SpfOutcome) if outcome == text), None)


def spf(resolver: Resolver, client_address: str, sender: str, hello_domain: str) -> SpfResult | Awaitable[SpfResult]:
    """The result for a mailbox, written without quoting, or for the HELO identity where `sender` is "" (RFC 7208, 2.3, 2.4).

    Does not raise, and ends within the resolver's deadline: then it is "temperror".
    """
    identity = _identity(resolver, client_address, sender, hello_domain)
    if identity is None:  # RFC 7208, 4.3
        return SpfResult("none", reason="there is no domain to ask about")
    evaluation = judge(identity.asked, identity.domain)
    known = _from_cache(resolver, evaluation)
    if isinstance(known, Judgement):
        return _result(identity, known)
    return _wait(resolver, identity, evaluation, known)


async def explained_spf(resolver: Resolver, client_address: str, sender: str, hello_domain: str) -> SpfResult:
    """As `spf`, with the domain's explanation of a fail; the server never needs it, and asks nobody for it."""
    identity = _identity(resolver, client_address, sender, hello_domain)
    if identity is None:
        return SpfResult("none", reason="there is no domain to ask about")
    try:
        async with asyncio.timeout(resolver.timeout):
            judgement = await _ask(resolver, judge(identity.asked, identity.domain), identity.client)
    except TimeoutError:
        return _too_late(resolver, identity)
    words = ""
    if judgement.outcome == "fail":
        with suppress(TimeoutError):
            async with asyncio.timeout(resolver.timeout):
                words = await _ask(resolver, explain(identity.asked, judgement), identity.client)
    return _result(identity, judgement)._replace(explanation=words)


def _identity(resolver: Resolver, client_address: str, sender: str, hello_domain: str) -> _Identity | None:
    local_part, _, domain = (sender or f"postmaster@{hello_domain}").rpartition("@")
    name = None if domain.startswith("[") else parse_name(domain)
    if name is None or len(name) < 2:
        return None
    text = name_text(name)
    client = parse_address(client_address)
    return _Identity(text, Asked(client, local_part or "postmaster", text, hello_domain, resolver.clock.now))


def _from_cache(resolver: Resolver, evaluation: Asking[T]) -> T | Question:
    """What it comes to by answers that are known, or the first question that has to be asked."""
    try:
        question = next(evaluation)
        while (answer := resolver.cached(question.name, question.rdtype)) is not None:
            question = evaluation.send(answer)
    except StopIteration as stop:
        found: T = stop.value
        return found
    return question


async def _wait(
    resolver: Resolver, identity: _Identity, evaluation: Asking[Judgement], question: Question
) -> SpfResult:
    try:
        async with asyncio.timeout(resolver.timeout):
            answer = await resolver.query(question.name, question.rdtype, identity.client)
            judgement = await _ask(resolver, evaluation, identity.client, answer)
    except TimeoutError:
        return _too_late(resolver, identity)
    return _result(identity, judgement)


async def _ask(resolver: Resolver, evaluation: Asking[T], client: str, answer: Answer | None = None) -> T:
    """Ask one question after the other; `answer` is that to the one which it has asked already."""
    try:
        while True:
            question = next(evaluation) if answer is None else evaluation.send(answer)
            answer = resolver.cached(question.name, question.rdtype)
            if answer is None:
                answer = await resolver.query(question.name, question.rdtype, client)
    except StopIteration as stop:
        found: T = stop.value
        return found


def _result(identity: _Identity, judgement: Judgement) -> SpfResult:
    return SpfResult(judgement.outcome, identity.domain, judgement.reason)


def _too_late(resolver: Resolver, identity: _Identity) -> SpfResult:
    return SpfResult("temperror", identity.domain, f"no answer within {resolver.timeout:g} s")
