# SPDX-License-Identifier: Apache-2.0
"""Whether TLSA records vouch for a next hop's certificate: DANE for SMTP (RFC 7672).

Records count only when the DNS server says that it has checked every step to them, and the operator trusts it. Names are
looked for under the MX host's own name; one that is an alias (RFC 2181, 10.3, forbids it) has to have its records there.
"""

from __future__ import annotations

import hmac
import sys
from hashlib import sha256, sha512
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import (
    AuthorityKeyIdentifier,
    BasicConstraints,
    Certificate,
    DNSName,
    ExtendedKeyUsage,
    KeyUsage,
    SubjectAlternativeName,
    SubjectKeyIdentifier,
    load_der_x509_certificate,
)
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from genkan.dns.answer import Status

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from genkan.delivery.mx import MxTargets, Target
    from genkan.dns.answer import TlsaRecord
    from genkan.dns.resolver import Resolver

MOST_CERTIFICATES: Final = 10  # of a chain that a server presents; more are not looked at

_DANE_TA, _DANE_EE = 2, 3  # RFC 7218, 2.1; the PKIX ones, 0 and 1, are not for mail (RFC 7672, 3.1.3)
_CERTIFICATE, _PUBLIC_KEY = 0, 1
_WHOLE, _SHA256, _SHA512 = 0, 1, 2
_DIGEST_SIZES: Final = {_SHA256: 32, _SHA512: 64}

_ANY: Final = Criticality.AGNOSTIC


class Dane(NamedTuple):
    """What the TLSA records of a host demand (RFC 7672, 2.2).

    "none": nothing; "authenticate": a certificate that one of `records` vouches for; "encrypt": TLS with whatever
    certificate, since no record is of a kind that we can use; "unknown": they could not be had, and the host must not be used.
    """

    kind: Literal["none", "encrypt", "authenticate", "unknown"]
    records: tuple[TlsaRecord, ...] = ()
    reason: str = ""


NO_DANE: Final = Dane("none")


async def tlsa_requirement(resolver: Resolver, targets: MxTargets, target: Target, *, trusted: bool) -> Dane:
    """What the records for one of the targets demand. `trusted` is the setting dns.trusted.

    Hosts without an authentic way to them are not asked for: whoever can forge their MX needs no certificate of theirs.
    """
    if not trusted or not targets.is_authentic(target.host):
        return NO_DANE
    answer = await resolver.query(f"_{target.port}._tcp.{target.host}", "TLSA")
    if answer.status is Status.FAILED:  # RFC 7672, 2.1.2: perhaps somebody keeps them from us
        return Dane("unknown", reason=f"the TLSA records of {target.host} cannot be had: {answer.detail}")
    if not answer.authentic or not answer.tlsa:
        return NO_DANE
    usable = tuple(record for record in answer.tlsa if is_usable(record))
    return Dane("authenticate", usable) if usable else Dane("encrypt")


def is_usable(record: TlsaRecord) -> bool:
    """Whether the record is of a kind we know, and well-formed (RFC 7672, 3.1)."""
    if record.usage not in (_DANE_TA, _DANE_EE) or record.selector not in (_CERTIFICATE, _PUBLIC_KEY):
        return False
    if record.matching == _WHOLE:
        return bool(record.data)
    return len(record.data) == _DIGEST_SIZES.get(record.matching)


def matches(records: Iterable[TlsaRecord], certificate_der: bytes) -> bool:
    """Whether a DANE-EE record is of this certificate, a server's own; its names and dates do not matter (RFC 7672, 3.1.1)."""
    certificate = _certificate(certificate_der)
    return certificate is not None and any(
        _is_of(record, certificate) for record in records if record.usage == _DANE_EE
    )


def authenticates(
    records: Sequence[TlsaRecord], certificates: Sequence[bytes], names: Iterable[str], now: datetime
) -> bool:
    """Whether a record vouches for a server that presents these certificates, its own first, in DER.

    By a DANE-TA record, one of the others is the trust anchor: then names and dates matter. `names` are the host and the
    domain that the mail is for (RFC 7672, 3.2.2).
    """
    if not certificates:
        return False
    return matches(records, certificates[0]) or any(
        _leads_to_anchor(records, certificates[:MOST_CERTIFICATES], name, now) for name in names
    )


def presented_certificates(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    """All certificates that the server has presented, unchecked, in DER, its own first; call it after the handshake."""
    if sys.version_info >= (3, 13):
        return tuple(connection.get_unverified_chain())
    chain = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001  # public since 3.13
    return tuple(certificate.public_bytes(2) for certificate in chain or ())  # 2: _ssl.ENCODING_DER


def _is_of(record: TlsaRecord, certificate: Certificate) -> bool:
    octets = certificate.public_bytes(Encoding.DER)
    if record.selector == _PUBLIC_KEY:
        octets = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    match record.matching:
        case 0:
            return hmac.compare_digest(octets, record.data)
        case 1:
            return hmac.compare_digest(sha256(octets).digest(), record.data)
        case 2:
            return hmac.compare_digest(sha512(octets).digest(), record.data)
        case _:
            return False


def _certificate(der: bytes) -> Certificate | None:
    """The certificate, with a key that can be read; `None` for what is none."""
    try:
        certificate = load_der_x509_certificate(der)
        certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return certificate


def _leads_to_anchor(records: Sequence[TlsaRecord], certificates: Sequence[bytes], name: str, now: datetime) -> bool:
    """Whether the first of the certificates is for this name, and by the others leads to one that a DANE-TA record is of."""
    own, *others = (_certificate(der) for der in certificates)
    issuers = [certificate for certificate in others if certificate is not None]
    anchored = [record for record in records if record.usage == _DANE_TA]
    whole = [_certificate(record.data) for record in anchored if (record.selector, record.matching) == (0, _WHOLE)]
    anchors = [issuer for issuer in issuers if any(_is_of(record, issuer) for record in anchored)]
    anchors.extend(certificate for certificate in whole if certificate is not None)
    if own is None or not anchors:
        return False
    builder = PolicyBuilder().store(Store(anchors)).time(now).extension_policies(ca_policy=_ISSUERS, ee_policy=_SERVERS)
    try:
        builder.build_server_verifier(DNSName(name)).verify(own, issuers)
    except (VerificationError, ValueError):
        return False
    return True


# A trust anchor in the DNS is mostly a private one, whose certificates are not made by the rules for public ones. What is
# left is what RFC 5280, 6.1, wants: signatures, dates, who may issue, and the name.
_ISSUERS: Final = (
    ExtensionPolicy.webpki_defaults_ca()
    .may_be_present(KeyUsage, _ANY, None)
    .may_be_present(AuthorityKeyIdentifier, _ANY, None)
    .may_be_present(SubjectKeyIdentifier, _ANY, None)
    .may_be_present(ExtendedKeyUsage, _ANY, None)
)
_SERVERS: Final = (
    ExtensionPolicy.webpki_defaults_ee()
    .require_present(SubjectAlternativeName, _ANY, None)
    .may_be_present(AuthorityKeyIdentifier, _ANY, None)
    .may_be_present(KeyUsage, _ANY, None)
    .may_be_present(BasicConstraints, _ANY, None)
    .may_be_present(ExtendedKeyUsage, _ANY, None)
)
