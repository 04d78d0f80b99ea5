# SPDX-License-Identifier: Apache-2.0
"""`genkan doctor` on MTA-STS (RFC 8461) and TLS reports (RFC 8460): what tells senders to insist on TLS, and us how it went."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from genkan.admin.doctor_finding import error, fine, note, quoted, txt_line, warning
from genkan.config_values import duration_text
from genkan.delivery.sts import PolicyError, matches_mx, parse_policy, record_id
from genkan.delivery.sts_fetch import PATH, BadCertificate, PolicyFetcher
from genkan.dkim.taglist import TagListError, parse_tags
from genkan.dns.answer import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.admin.doctor_case import Case, Examination, Host, MxHosts
    from genkan.admin.doctor_finding import Observation
    from genkan.admin.doctor_handshake import Handshake
    from genkan.delivery.sts import StsPolicy

SHORT_AGE: Final = timedelta(days=7)  # RFC 8461, 3.2: weeks or more

_match_sts: Final = re.compile(r"v=STSv1[ \t]*(?:;|\Z)").match
_match_report: Final = re.compile(r"v=TLSRPTv1[ \t]*(?:;|\Z)").match
_match_place: Final = re.compile(r"(?:mailto:[^\s,!@]+@[^\s,!@]+|https://[^\s,!]+)").fullmatch


async def check_sts(exam: Examination) -> Iterable[Observation]:
    """The record and the policy are there, and the policy fits the MX hosts and their certificates."""
    case = exam.case
    answer = await case.resolver.query(f"_mta-sts.{case.domain}", "TXT")
    if answer.status is Status.FAILED:
        return [error("MTA-STS", f"the record cannot be had: {answer.detail}", "correct the zone or its name servers")]
    records = [text for text in answer.texts if _match_sts(text)]
    if not records:
        return [_judge_absence(case)]
    identifier = record_id(records)
    if identifier is None:
        fault = "several records are there, and so none counts" if len(records) > 1 else "the record has no id"
        return [error("MTA-STS", fault, "keep one", _record_line(case))]
    try:
        octets = await PolicyFetcher(case.resolver, case.visitor.contexts("verified"), case.https_port)(case.domain)
        policy = parse_policy(octets, identifier, case.visitor.clock.now())
    except PolicyError as fault:
        return [error("MTA-STS", quoted(str(fault)), _remedy(case.domain, fault))]
    return [*_judge_policy(policy), *_judge_hosts(policy, await exam.mx(), await exam.handshakes())]


def _remedy(domain: str, fault: PolicyError) -> str:
    match fault.flaw if isinstance(fault, BadCertificate) else None:
        case "expired":
            return f"renew the certificate of mta-sts.{domain}"
        case "another name":
            return f"get a certificate that names mta-sts.{domain}"
        case "unproven":
            return f"get a certificate for mta-sts.{domain} from an authority, and serve it with those that signed it"
    return f"senders fetch it from https://mta-sts.{domain}{PATH}"


def _judge_absence(case: Case) -> Observation:
    remedy = f"put a policy at https://mta-sts.{case.domain}{PATH}, then publish this"
    return note("MTA-STS", "there is no policy: who stands between can take TLS away", remedy, _record_line(case))


def _record_line(case: Case) -> str:
    return txt_line(f"_mta-sts.{case.domain}", f"v=STSv1; id={case.visitor.clock.now():%Y%m%d%H%M%S}")


def _judge_policy(policy: StsPolicy) -> Iterator[Observation]:
    yield fine("MTA-STS", f"policy {policy.id}: mode {policy.mode}, max_age {duration_text(policy.max_age)}")
    if policy.mode != "enforce":
        yield note("MTA-STS", f"mode {policy.mode} keeps nobody from sending without TLS", "set it to enforce in time")
    if policy.max_age < SHORT_AGE:
        sentence = f"max_age is only {duration_text(policy.max_age)}"
        yield note("MTA-STS", sentence, "set it to some weeks: the policy protects those who know it already")


def _judge_hosts(policy: StsPolicy, mx: MxHosts, handshakes: dict[Host, Handshake]) -> Iterator[Observation]:
    """By the policy in force, senders do not use a host that it does not name, or whose certificate is not good."""
    if policy.mode == "none":
        return
    judge = error if policy.mode == "enforce" else warning
    for host in mx.hosts:
        if not matches_mx(policy, host.name):
            remedy = f"add the line `mx: {host.name}` and change the id in the record"
            yield judge("MTA-STS", f"the policy does not name {host.name}", remedy)
    for host, found in handshakes.items():
        if found.kind in ("clear", "broken", "doubtful"):
            remedy = "see what is said of its certificate"
            yield judge("MTA-STS", f"{host.name} does not prove that it is the host that the policy names", remedy)


async def check_tls_reports(exam: Examination) -> Iterable[Observation]:
    """The record that says who is told when TLS fails is there once, and names places that reports can go to."""
    case = exam.case
    name = f"_smtp._tls.{case.domain}"
    answer = await case.resolver.query(name, "TXT")
    if answer.status is Status.FAILED:
        return [error("TLS-RPT", f"the record cannot be had: {answer.detail}", "correct the zone or its name servers")]
    line = txt_line(name, f"v=TLSRPTv1; rua=mailto:postmaster@{case.domain}")
    records = [text for text in answer.texts if _match_report(text)]
    if not records:
        return [note("TLS-RPT", "nobody is told when senders have trouble with TLS", "publish this", line)]
    if len(records) > 1:
        return [error("TLS-RPT", f"{name} has several records, and so none counts", "keep one")]
    return [_judge_reports(records[0], line)]


def _judge_reports(record: str, line: str) -> Observation:
    try:
        tags = parse_tags(record)
    except TagListError as fault:
        return error("TLS-RPT", f"the record is broken: {fault}", "publish one such as this", line)
    places = [place.strip(" \t") for place in tags.get("rua", "").split(",")]
    wrong = next((place for place in places if not _match_place(place)), None)
    if wrong is not None:
        sentence = f"rua has {quoted(wrong)!r}, which is neither mailto: nor https:" if wrong else "rua names nobody"
        return error("TLS-RPT", sentence, "publish one such as this", line)
    return fine("TLS-RPT", f"reports go to {quoted(', '.join(places))}")
