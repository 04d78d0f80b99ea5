# SPDX-License-Identifier: Apache-2.0
"""`genkan doctor` on SPF (RFC 7208): the record, what it costs to evaluate at worst, and whether it permits this server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from genkan.admin.doctor_finding import error, fine, note, quoted, txt_line, warning
from genkan.admin.doctor_mx import is_public
from genkan.dns.answer import Status
from genkan.dns.spf import explained_spf
from genkan.dns.spf_evaluation import MOST_EXCHANGES, MOST_TERMS, MOST_VOID, WITHOUT_DNS
from genkan.dns.spf_macros import BrokenRecord
from genkan.dns.spf_record import parse_record, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.admin.doctor_case import Case, Examination, Home
    from genkan.admin.doctor_finding import Observation
    from genkan.dns.resolver import Resolver
    from genkan.dns.spf_evaluation import SpfOutcome
    from genkan.dns.spf_macros import Macros
    from genkan.dns.spf_record import Directive, Record

LONG_RECORD: Final = 450  # octets; RFC 7208, 3.4: with the other TXT records it should fit into 512
MOST_COUNTED: Final = 40  # terms that are followed: enough to say how far beyond the limit a record is


async def check_spf(exam: Examination) -> Iterable[Observation]:
    """There is one record, it can be read and evaluated within the limits, and says something."""
    case = exam.case
    answer = await case.resolver.query(case.domain, "TXT")
    if answer.status is Status.FAILED:
        return [error("SPF", f"the record cannot be had: {answer.detail}", "correct the zone or its name servers")]
    texts = select(answer.texts)
    if not texts:
        remedy = "publish one that names your servers"
        return [
            warning("SPF", "there is no record: anybody may send in the domain's name", remedy, await _proposal(exam))
        ]
    if len(texts) > 1:
        return [error("SPF", f"{len(texts)} records begin with v=spf1, and so none counts", "keep one")]
    try:
        record = parse_record(texts[0])
    except BrokenRecord as fault:
        return [error("SPF", f"the record is broken: {fault}", "correct it")]
    found = [*_judge_text(texts[0]), *_judge_end(record), *await _judge_costs(case, record)]
    if case.home is not None:
        found.extend(await _judge_sources(exam, case.home))
    return found


async def _proposal(exam: Examination) -> str:
    """A record to begin with: that no host sends where none takes mail, else those that take it."""
    mx = await exam.mx()
    return txt_line(exam.case.domain, "v=spf1 -all" if mx.kind == "null" else "v=spf1 mx -all")


def _judge_text(text: str) -> Iterator[Observation]:
    yield fine("SPF", quoted(text))
    if len(text) > LONG_RECORD:
        remedy = f"keep it below {LONG_RECORD}, with include: where need be"
        yield warning("SPF", f"the record has {len(text)} octets: not every receiver can fetch it", remedy)


def _judge_end(record: Record) -> Iterator[Observation]:
    """How the record ends, and terms that mean nothing good."""
    if any(directive.mechanism == "ptr" for directive in record.directives):
        yield warning("SPF", "ptr is slow and not evaluated by everybody (RFC 7208, 5.5)", "name the servers otherwise")
    place = next((at for at, each in enumerate(record.directives) if each.mechanism == "all"), None)
    if place is None:
        if record.redirect is None:
            yield warning(
                "SPF", "the record has no all: it says nothing of other servers", "let it end with -all or ~all"
            )
        return
    if place < len(record.directives) - 1 or record.redirect is not None:
        yield note("SPF", "what stands behind all, or redirect= beside it, is never looked at", "take it out")
    match record.directives[place].outcome:
        case "pass":
            yield error("SPF", "+all permits everybody to send in the domain's name", "let it end with -all or ~all")
        case "neutral":
            yield warning("SPF", "?all says nothing of other servers", "let it end with -all or ~all")


async def _judge_costs(case: Case, record: Record) -> list[Observation]:
    walk = _Walk(case.resolver)
    await walk.follow(record, case.domain)
    found = [error("SPF", fault, "correct or take out that term") for fault in walk.faults]
    found += [warning("SPF", f"the DNS does not answer for {name}", "look again later") for name in walk.failed]
    terms = f"at least {walk.terms}" if walk.terms > MOST_COUNTED else str(walk.terms)
    counted = f"it takes {terms} of {MOST_TERMS} terms that ask the DNS"
    if walk.terms > MOST_TERMS:
        remedy = "name networks (ip4:, ip6:) in place of some"
        found.append(error("SPF", f"{counted}: receivers take it for broken", remedy))
    elif not found:
        found.append(fine("SPF", counted))
    if walk.void:
        judge = error if len(walk.void) > MOST_VOID else warning
        sentence = f"it asks for what is not there ({MOST_VOID} times at most): {', '.join(walk.void[:MOST_TERMS])}"
        found.append(judge("SPF", sentence, "take these terms out"))
    return found


class _Walk:
    """Counts what a record costs when no term matches before the last, whoever the client is (RFC 7208, 4.6.4).

    What a macro names depends on the message, and is counted but not followed.
    """

    def __init__(self, resolver: Resolver) -> None:
        self.terms = 0
        self.void: list[str] = []
        self.faults: list[str] = []
        self.failed: list[str] = []
        self._resolver = resolver

    async def follow(self, record: Record, domain: str) -> None:
        """Look at one record's terms up to all, which always matches, then at its redirect."""
        for directive in record.directives:
            if directive.mechanism == "all" or self.terms > MOST_COUNTED:
                return
            if directive.mechanism not in WITHOUT_DNS:
                self.terms += 1
                await self._look_at(directive, domain)
        if record.redirect is not None and self.terms <= MOST_COUNTED:
            self.terms += 1
            await self._include(_name(record.redirect, domain), domain)

    async def _look_at(self, directive: Directive, domain: str) -> None:
        name = _name(directive.domain, domain)
        match directive.mechanism:
            case "include":
                await self._include(name, domain)
            case "mx":
                await self._mx(name)
            case "a":
                await self._ask(name, "A", "AAAA")
            case "exists":
                await self._ask(name, "A")

    async def _include(self, name: str, domain: str) -> None:
        if not name:
            return
        answer = await self._resolver.query(name, "TXT")
        texts = select(answer.texts)
        if answer.status is Status.FAILED:
            self.failed.append(quoted(name))
        elif len(texts) != 1:
            count = f"{len(texts)} SPF records" if texts else "no SPF record"
            self.faults.append(f"{domain} includes {quoted(name)}, which has {count}")
        else:
            try:
                record = parse_record(texts[0])
            except BrokenRecord as fault:
                self.faults.append(f"{domain} includes {quoted(name)}, whose record is broken: {fault}")
            else:
                await self.follow(record, name)

    async def _mx(self, name: str) -> None:
        count = await self._ask(name, "MX")
        if count > MOST_EXCHANGES:
            self.faults.append(f"mx means {quoted(name)}, which has {count} MX records of {MOST_EXCHANGES} at most")

    async def _ask(self, name: str, *rdtypes: Literal["A", "AAAA", "MX"]) -> int:
        """How many records there are; none at all is void."""
        if not name:
            return 0
        answers = [await self._resolver.query(name, rdtype) for rdtype in rdtypes]
        count = sum(len(answer.records) for answer in answers)
        if any(answer.status is Status.FAILED for answer in answers):
            self.failed.append(quoted(name))
        elif not count:
            self.void.append(quoted(name))
        return count


def _name(parts: Macros | None, domain: str) -> str:
    """The name that a term means; "" where a macro makes it."""
    if parts is None:
        return domain
    return parts[0].removesuffix(".").lower() if len(parts) == 1 and isinstance(parts[0], str) else ""


async def _judge_sources(exam: Examination, home: Home) -> list[Observation]:
    """Whether the domain permits the addresses that we send from: those of the settings, else those of our hostname."""
    own = await exam.own_host()
    found = []
    sources = home.sources or (own.addresses if own is not None else ())
    for address in filter(is_public, sources):  # others stand behind an address that we do not know
        sender = f"postmaster@{exam.case.domain}"
        result = await explained_spf(exam.case.resolver, address, sender, home.hostname)
        if result.result == "pass":
            found.append(fine("SPF", f"this server, {address}, is permitted ({quoted(result.reason)})"))
        else:
            judge = warning if result.result in ("neutral", "temperror") else error
            sentence = f"this server, {address}, is not permitted: {result.result} ({quoted(result.reason)})"
            found.append(judge("SPF", sentence, _remedy(result.result, address)))
    return found


def _remedy(result: SpfOutcome, address: str) -> str:
    """What lets this address pass; a record that is broken or cannot be had is not mended by a longer one."""
    match result:
        case "permerror":
            return "correct the record first"
        case "temperror":
            return "correct the zone or its name servers, or look again later"
        case _:
            return f"put {'ip6' if ':' in address else 'ip4'}:{address} into the record"
