# SPDX-License-Identifier: Apache-2.0
"""What an SPF record says of a client: check_host() of RFC 7208, 4. Pure: it yields questions to the DNS, and is sent answers.

The limits of RFC 7208, 4.6.4, hold for one evaluation as a whole, and so bound how many questions a stranger's zone can cause;
some of ours bound what is done with their answers. Both hold for answers from the cache, during which everybody waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from genkan.dns.answer import Status
from genkan.dns.cache import Question
from genkan.dns.name import parse_name
from genkan.dns.spf_macros import (
    LONGEST_RECORD,
    BrokenRecord,
    Expansion,
    cut,
    is_within,
    parse_explanation,
)
from genkan.dns.spf_record import parse_record, select
from genkan.ip import parse_address

if TYPE_CHECKING:
    from genkan.dns.answer import Answer, RecordType
    from genkan.dns.spf_macros import Asked, Asking, Macros
    from genkan.dns.spf_record import Directive, Record

SpfOutcome = Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"]

MOST_TERMS: Final = 10  # that ask the DNS
MOST_VOID: Final = 2  # of those, that ask for what is not there
MOST_EXCHANGES: Final = 10  # MX records of one name
MOST_ADDRESSES: Final = 1000  # of `a` and `mx`, of all terms together; the RFC bounds only the names
MOST_OCTETS: Final = 4 * LONGEST_RECORD  # of all records, which are ten of 450 octets in a well-kept zone
LONGEST_EXPLANATION: Final = 500  # characters

WITHOUT_DNS: Final = frozenset(("all", "ip4", "ip6"))


class Judgement(NamedTuple):
    """How an evaluation ended. `reason` has the term that decided and whose record it stands in, or what is wrong.

    `explanation` is where the domain says more about a fail: the name to ask for, and the domain whose record names it.
    """

    outcome: SpfOutcome
    reason: str
    explanation: tuple[Macros, str] | None = None


class _Failed(Exception):
    """The evaluation cannot go on; `judge` catches it."""

    def __init__(self, outcome: SpfOutcome, reason: str) -> None:
        super().__init__(reason)
        self.judgement = Judgement(outcome, reason)


def judge(asked: Asked, domain: str) -> Asking[Judgement]:
    """Evaluate the record of a domain, in lower case without a final dot. Raises nothing, whatever the answers are."""
    try:
        return (yield from _Evaluation(asked).check_host(domain))
    except _Failed as failed:
        return failed.judgement


def explain(asked: Asked, judgement: Judgement) -> Asking[str]:
    """The domain's own words about its fail, printable and not too long; "" where it has none to use (RFC 7208, 6.2)."""
    if judgement.explanation is None:
        return ""
    name, domain = judgement.explanation
    expansion = Expansion(asked)
    answer = yield Question((yield from expansion.name(name, domain)), "TXT")
    if len(answer.texts) != 1:
        return ""
    try:
        text = yield from expansion.text(parse_explanation(answer.texts[0]), domain)
    except BrokenRecord:
        return ""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:LONGEST_EXPLANATION])


class _Evaluation:
    """One evaluation, with what it has used of its limits."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._version, self._client = asked.client.version, int(asked.client)
        self._expansion = Expansion(asked)
        self._terms = 0
        self._void = 0
        self._octets = 0
        self._addresses = 0

    def check_host(self, domain: str) -> Asking[Judgement]:
        """RFC 7208, 4. Raises `_Failed` for errors, of the DNS and in records."""
        if "." not in domain or parse_name(domain) is None:
            return Judgement("none", f"{cut(domain)!r} is no domain name")
        answer = yield Question(domain, "TXT")
        if answer.status is Status.FAILED:
            raise _Failed("temperror", f"the record of {domain}: {answer.detail}")
        texts = select(answer.texts)
        if not texts:
            return Judgement("none", f"{domain} has no SPF record")
        if len(texts) > 1:
            raise _Failed("permerror", f"{domain} has {len(texts)} SPF records")
        self._octets += len(texts[0])
        if self._octets > MOST_OCTETS:
            raise _Failed("permerror", f"{domain}: records of more than {MOST_OCTETS} octets")
        try:
            record = parse_record(texts[0])
        except BrokenRecord as fault:
            raise _Failed("permerror", f"the record of {domain}: {fault}") from None
        return (yield from self._follow(record, domain))

    def _follow(self, record: Record, domain: str) -> Asking[Judgement]:
        for directive in record.directives:
            if directive.mechanism in WITHOUT_DNS:
                matches = self._names(directive)
            else:
                matches = yield from self._finds(directive, domain)
            if matches:
                explanation = None if record.explanation is None else (record.explanation, domain)
                return Judgement(directive.outcome, f"{domain}: {cut(directive.text)}", explanation)
        if record.redirect is None:
            return Judgement("neutral", f"{domain}: no term matches")
        self._count("redirect", domain)
        target = yield from self._expansion.name(record.redirect, domain)
        judgement = yield from self.check_host(target)
        if judgement.outcome == "none":
            raise _Failed("permerror", f"{domain}: redirect={cut(target)} has no SPF record")
        return judgement

    def _names(self, directive: Directive) -> bool:
        """Whether a mechanism that does without the DNS matches."""
        if directive.mechanism == "all":
            return True
        version = 4 if directive.mechanism == "ip4" else 6
        return self._version == version and self._is_near(directive.address, directive)

    def _finds(self, directive: Directive, domain: str) -> Asking[bool]:
        """Whether a mechanism that asks the DNS matches."""
        self._count(directive.text, domain)
        target = domain
        if directive.domain is not None:
            target = yield from self._expansion.name(directive.domain, domain)
        match directive.mechanism:
            case "include":
                return (yield from self._include(target, domain))
            case "a":
                answer = yield from self._ask(target, self._asked.address_type, domain)
                return self._has_client(answer, directive)
            case "mx":
                return (yield from self._mx(target, directive, domain))
            case "exists":
                return bool((yield from self._ask(target, "A", domain)).records)
            case _:
                return (yield from self._ptr(target))

    def _include(self, target: str, domain: str) -> Asking[bool]:
        judgement = yield from self.check_host(target)
        if judgement.outcome == "none":
            raise _Failed("permerror", f"{domain}: include:{cut(target)} has no SPF record")
        return judgement.outcome == "pass"

    def _mx(self, target: str, directive: Directive, domain: str) -> Asking[bool]:
        exchanges = (yield from self._ask(target, "MX", domain)).exchanges
        if len(exchanges) > MOST_EXCHANGES:
            raise _Failed("permerror", f"{cut(target)} has {len(exchanges)} MX records")
        for exchange in exchanges:
            answer = yield Question(exchange.name, self._asked.address_type)
            if self._has_client(_sure(answer, exchange.name), directive):
                return True
        return False

    def _ptr(self, target: str) -> Asking[bool]:
        """Where the DNS fails here, it does not match (RFC 7208, 5.5)."""
        for name in (yield from self._expansion.pointers()):
            if is_within(name, target) and (yield from self._expansion.leads_back(name)):
                return True
        return False

    def _ask(self, name: str, rdtype: RecordType, domain: str) -> Asking[Answer]:
        """The answer to a term's own question, which may be void. Hosts of an `mx` do not count: many have no IPv6 address."""
        answer = _sure((yield Question(name, rdtype)), name)
        if answer.status is not Status.FOUND:
            self._void += 1
            if self._void > MOST_VOID:
                raise _Failed("permerror", f"{domain}: more than {MOST_VOID} terms ask for what is not there")
        return answer

    def _count(self, term: str, domain: str) -> None:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise _Failed("permerror", f"{domain}: more than {MOST_TERMS} terms ask the DNS, at {cut(term)}")

    def _has_client(self, answer: Answer, directive: Directive) -> bool:
        self._addresses += len(answer.records)
        if self._addresses > MOST_ADDRESSES:
            raise _Failed("permerror", f"{cut(directive.text)}: more than {MOST_ADDRESSES} addresses to compare")
        return any(self._is_near(int(parse_address(text)), directive) for text in answer.texts)

    def _is_near(self, address: int, directive: Directive) -> bool:
        """Whether an address of the client's kind is the client's in the bits that count."""
        bits = 32 - directive.prefix4 if self._version == 4 else 128 - directive.prefix6
        return self._client >> bits == address >> bits


def _sure(answer: Answer, name: str) -> Answer:
    if answer.status is Status.FAILED:
        raise _Failed("temperror", f"{cut(name)}: {answer.detail}")
    return answer
