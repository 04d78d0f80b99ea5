# SPDX-License-Identifier: Apache-2.0
"""`genkan doctor` on the certificates of MX hosts after STARTTLS (RFC 3207), and on their TLSA records (RFC 7672)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate

from genkan.admin.doctor_finding import Observation, error, fine, note, quoted, warning
from genkan.delivery.dane import authenticates, is_usable
from genkan.dns.answer import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from genkan.admin.doctor_case import Case, Examination, Host
    from genkan.admin.doctor_handshake import Handshake
    from genkan.dns.answer import Answer

EXPIRES_SOON: Final = timedelta(days=14)  # what renews itself has done so by then


async def check_certificates(exam: Examination) -> Iterable[Observation]:
    """Each MX host offers TLS with a certificate for its name, of an authority that everybody knows; so does our file."""
    now = exam.case.visitor.clock.now()
    found = [each for host, seen in (await exam.handshakes()).items() for each in _judge(host, seen, now)]
    home = exam.case.home
    if home is not None:
        for finding in home.certificate:
            sentence = f"{finding.subject} {finding.sentence}"
            found.append(Observation("certificate", finding.level, sentence, finding.remedy))
    return found


def _judge(host: Host, seen: Handshake, now: datetime) -> Iterator[Observation]:
    name, detail = host.name, quoted(seen.detail)
    match seen.kind:
        case "unreached":
            remedy = "many networks block port 25: look from another one, too"
            yield warning("certificate", f"{name} cannot be asked: {seen.detail}", remedy)
        case "clear":
            yield warning("certificate", f"{name} offers no STARTTLS: mail travels in clear", "give it a certificate")
        case "broken":
            yield error("certificate", f"{name} offers STARTTLS, and then TLS fails: {detail}", "correct its TLS")
        case "doubtful":
            remedy = f"get a certificate for {name} from an authority, and serve it with those that signed it"
            yield warning("certificate", f"{name} does not prove who it is: {detail}", remedy)
        case "proven":
            yield _judge_end(name, seen.certificates[0], now)


def _judge_end(name: str, certificate: bytes, now: datetime) -> Observation:
    end = load_der_x509_certificate(certificate).not_valid_after_utc
    sentence = f"the certificate of {name} is good until {end:%Y-%m-%d}"
    if end - now < EXPIRES_SOON:
        return warning("certificate", f"{sentence}, which is soon", "renew it")
    return fine("certificate", sentence)


async def check_dane(exam: Examination) -> Iterable[Observation]:
    """Where an MX host has TLSA records, one of them is of its certificate. Without any there is nothing to say."""
    found = []
    case, handshakes = exam.case, await exam.handshakes()
    names = [f"_{case.visitor.port}._tcp.{host.name}" for host in handshakes]
    answers = await asyncio.gather(*(case.resolver.query(name, "TLSA") for name in names))
    for (host, seen), answer in zip(handshakes.items(), answers, strict=True):
        if answer.status is Status.FAILED:
            remedy = "correct the zone: senders who use DANE put its mail off"
            found.append(error("DANE", f"the TLSA records of {host.name} cannot be had: {answer.detail}", remedy))
        elif answer.tlsa:
            found.extend(_judge_tlsa(case, host, seen, answer))
    return found


def _judge_tlsa(case: Case, host: Host, seen: Handshake, answer: Answer) -> Iterator[Observation]:
    usable = [record for record in answer.tlsa if is_usable(record)]
    if len(usable) < len(answer.tlsa):
        sentence = f"{host.name} has TLSA records that mail has no use for"
        yield warning("DANE", sentence, "publish such as 3 1 1 or 2 1 1 (RFC 7672, 3.1)")
    if not answer.authentic:
        sentence = f"the name server does not say that DNSSEC vouches for the TLSA records of {host.name}"
        yield note("DANE", sentence, "sign the zone, or ask a name server that checks DNSSEC (dns.servers)")
    if seen.kind == "unreached":
        yield note("DANE", f"{host.name} cannot be compared with its TLSA records", "look from another network")
    elif not seen.certificates:
        yield error(
            "DANE", f"{host.name} has TLSA records and no TLS: senders who use DANE put its mail off", "correct its TLS"
        )
    elif not usable:
        return
    elif authenticates(usable, seen.certificates, (host.name, case.domain), case.visitor.clock.now()):
        yield fine("DANE", f"a TLSA record of {host.name} is of its certificate")
    else:
        sentence = f"no TLSA record of {host.name} is of its certificate: senders who use DANE put its mail off"
        yield error("DANE", sentence, "publish this beside the others", _tlsa_line(case, host, seen))


def _tlsa_line(case: Case, host: Host, seen: Handshake) -> str:
    """The record for the certificate that the host shows: DANE-EE, its public key, SHA-256 (RFC 7672, 3.1.1)."""
    key = load_der_x509_certificate(seen.certificates[0]).public_key()
    digest = sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    return f"_{case.visitor.port}._tcp.{host.name}. IN TLSA 3 1 1 {digest}"
