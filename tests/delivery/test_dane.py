# SPDX-License-Identifier: Apache-2.0
"""DANE: when TLSA records count, and which certificates they vouch for. The certificates come out of real handshakes."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha512
from typing import TYPE_CHECKING, Final

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import (
    CertificateBuilder,
    DNSName,
    Name,
    SubjectAlternativeName,
    load_der_x509_certificate,
    load_pem_x509_certificate,
)
from hypothesis import given
from hypothesis import strategies as st

from genkan.delivery.client_tls import ClientContexts
from genkan.delivery.dane import (
    MOST_CERTIFICATES,
    NO_DANE,
    Dane,
    authenticates,
    matches,
    presented_certificates,
    tlsa_requirement,
)
from genkan.delivery.mx import MxTargets, Target
from genkan.dns.answer import TlsaRecord
from genkan.dns.resolver import Resolver
from tests.dns.asking import PATIENT, Asking, run
from tests.support.dns_server import Manner, dns_server
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST: Final = "mx.example.test"
NOW: Final = datetime.now(UTC)
ROOT: Final = trustme.CA()
MIDDLE: Final = ROOT.create_child_ca()
ISSUED: Final = MIDDLE.issue_cert(HOST, key_type=trustme.KeyType.ECDSA)


def presented(issued: trustme.LeafCert) -> tuple[bytes, ...]:
    """What a client sees of a server with this certificate, after a handshake in memory."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ClientContexts()("dane").wrap_bio(here, there, server_hostname=HOST)
    server = context.wrap_bio(there, here, server_side=True)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return presented_certificates(client)


def der(pem: trustme.Blob) -> bytes:
    return load_pem_x509_certificate(pem.bytes()).public_bytes(Encoding.DER)


def key(certificate: trustme.Blob) -> bytes:
    return (
        load_pem_x509_certificate(certificate.bytes())
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


LEAF: Final = ISSUED.cert_chain_pems[0]
CHAIN: Final = presented(ISSUED)
WHOLE: Final = (*CHAIN, der(ROOT.cert_pem))


def record(usage: int, selector: int, matching: int, blob: trustme.Blob) -> TlsaRecord:
    octets = key(blob) if selector else der(blob)
    return TlsaRecord(usage, selector, matching, (octets, sha256(octets).digest(), sha512(octets).digest())[matching])


KINDS: Final = [(selector, matching) for selector in (0, 1) for matching in (0, 1, 2)]


def test_a_server_presents_its_certificate_and_those_above_it() -> None:
    assert presented(ISSUED) == (der(LEAF), der(MIDDLE.cert_pem))


# A server's own certificate.


@pytest.mark.parametrize(("selector", "matching"), KINDS)
def test_a_record_is_of_a_certificate_or_its_key(selector: int, matching: int) -> None:
    assert matches([record(3, selector, matching, LEAF)], CHAIN[0]) is True
    assert matches([record(3, selector, matching, MIDDLE.cert_pem)], CHAIN[0]) is False


def test_one_record_of_several_is_enough() -> None:
    assert matches([record(3, 1, 1, ROOT.cert_pem), record(3, 1, 1, LEAF)], CHAIN[0]) is True
    assert matches([], CHAIN[0]) is False


def test_names_and_dates_of_the_own_certificate_do_not_matter() -> None:
    expired = MIDDLE.issue_cert("other.test", not_after=NOW - timedelta(days=1))
    records = [record(3, 1, 1, expired.cert_chain_pems[0])]
    assert authenticates(records, presented(expired), [HOST], NOW) is True


@pytest.mark.parametrize("usage", [0, 1, 2, 255])
def test_a_record_of_another_use_is_not_of_the_own_certificate(usage: int) -> None:
    assert matches([record(3, 1, 1, LEAF)._replace(usage=usage)], CHAIN[0]) is False
    assert authenticates([record(3, 1, 1, LEAF)._replace(usage=usage)], CHAIN, [HOST], NOW) is False


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=70), st.binary(max_size=99))
def test_any_record_and_any_certificate_match_or_not(
    usage: int, selector: int, matching: int, data: bytes, certificate: bytes
) -> None:
    records = [TlsaRecord(usage, selector, matching, data)]
    assert authenticates(records, [certificate, certificate], [HOST, "a b", ""], NOW) is False
    assert authenticates(records, CHAIN, [HOST, "a b", ""], NOW) is False


# An authority's.


@pytest.mark.parametrize(("selector", "matching"), KINDS)
@pytest.mark.parametrize("authority", [ROOT, MIDDLE])
def test_a_record_is_of_an_authority_that_the_server_presents(
    authority: trustme.CA, selector: int, matching: int
) -> None:
    records = [record(2, selector, matching, authority.cert_pem)]
    assert authenticates(records, WHOLE, [HOST], NOW) is True
    assert authenticates(records, WHOLE[::-1], [HOST], NOW) is False
    assert authenticates([record(2, selector, matching, trustme.CA().cert_pem)], WHOLE, [HOST], NOW) is False


def test_an_authority_may_stand_in_the_record_alone() -> None:
    assert authenticates([record(2, 0, 0, ROOT.cert_pem)], CHAIN, [HOST], NOW) is True
    assert authenticates([record(2, 0, 1, ROOT.cert_pem)], CHAIN, [HOST], NOW) is False


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([HOST], True),
        (["example.test", HOST], True),
        (["example.test"], False),
        (["MX.example.test"], True),
        ([], False),
    ],
)
def test_below_an_authority_the_name_matters(names: list[str], expected: bool) -> None:
    assert authenticates([record(2, 1, 1, MIDDLE.cert_pem)], CHAIN, names, NOW) is expected


def test_below_an_authority_the_dates_matter() -> None:
    records = [record(2, 1, 1, MIDDLE.cert_pem)]
    expired = MIDDLE.issue_cert(HOST, not_after=NOW - timedelta(days=1))
    assert authenticates(records, presented(expired), [HOST], NOW) is False


def test_a_certificate_that_the_authority_did_not_sign_is_not_vouched_for() -> None:
    foreign = presented(trustme.CA().issue_cert(HOST))
    assert authenticates([record(2, 1, 1, ROOT.cert_pem)], (foreign[0], der(ROOT.cert_pem)), [HOST], NOW) is False


def test_a_servers_certificate_is_no_authority() -> None:
    own_key = load_pem_private_key(ISSUED.private_key_pem.bytes(), None)
    assert isinstance(own_key, EllipticCurvePrivateKey)
    forged = (
        CertificateBuilder()
        .subject_name(Name([]))
        .issuer_name(load_der_x509_certificate(CHAIN[0]).subject)
        .public_key(own_key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(SubjectAlternativeName([DNSName("forged.test")]), critical=True)
        .sign(own_key, SHA256())
        .public_bytes(Encoding.DER)
    )
    for anchor in (LEAF, MIDDLE.cert_pem, ROOT.cert_pem):
        assert authenticates([record(2, 1, 1, anchor)], (forged, *WHOLE), ["forged.test"], NOW) is False
    assert authenticates([record(2, 1, 1, LEAF)], CHAIN, [HOST], NOW) is False


def test_of_a_long_chain_only_the_beginning_is_looked_at() -> None:
    filler = (CHAIN[0],) * (MOST_CERTIFICATES - 1)
    assert authenticates([record(2, 1, 1, MIDDLE.cert_pem)], (*filler, CHAIN[1]), [HOST], NOW) is True
    assert authenticates([record(2, 1, 1, MIDDLE.cert_pem)], (CHAIN[0], *filler, CHAIN[1]), [HOST], NOW) is False
    assert authenticates([record(3, 1, 1, LEAF)], (), [HOST], NOW) is False


# When records count.

TARGET: Final = Target(HOST, "192.0.2.1", 25)
SURE: Final = MxTargets((TARGET,), authentic=True, authentic_hosts=frozenset({HOST}))
DIGEST: Final = "ab" * 32
GOOD: Final = TlsaRecord(3, 1, 1, b"\xab" * 32)


@pytest.fixture
def asking() -> Iterator[Asking]:
    clock = StoppedClock()
    with dns_server(f"_25._tcp.{HOST} 60 TLSA 3 1 1 {DIGEST}") as server:
        server.treat(".", Manner(authentic=True))
        yield Asking(server, clock, Resolver((server.address,), PATIENT, clock))


def demanded(asking: Asking, targets: MxTargets = SURE, *, trusted: bool = True) -> Dane:
    return run(tlsa_requirement(asking.resolver, targets, TARGET, trusted=trusted))


def test_an_authentic_record_demands_its_certificate(asking: Asking) -> None:
    assert demanded(asking) == Dane("authenticate", (GOOD,))


@pytest.mark.parametrize(
    ("targets", "trusted"),
    [
        (SURE, False),
        (MxTargets((TARGET,), authentic=False, authentic_hosts=frozenset({HOST})), True),
        (MxTargets((TARGET,), authentic=True), True),
    ],
)
def test_without_an_authentic_way_to_it_a_host_is_not_asked_for(
    asking: Asking, targets: MxTargets, trusted: bool
) -> None:
    assert demanded(asking, targets, trusted=trusted) == NO_DANE
    assert asking.server.questions == []


def test_records_that_are_not_authentic_demand_nothing(asking: Asking) -> None:
    asking.server.treat(".", Manner())
    assert demanded(asking) == NO_DANE


def test_no_records_demand_nothing(asking: Asking) -> None:
    asking.server.remove(f"_25._tcp.{HOST}")
    assert demanded(asking) == NO_DANE


def test_records_that_cannot_be_had_are_not_the_same_as_none(asking: Asking) -> None:
    asking.server.treat("_tcp." + HOST, Manner(rcode="SERVFAIL"))
    reason = f"the TLSA records of {HOST} cannot be had: {asking.server.address}: SERVFAIL"
    assert demanded(asking) == Dane("unknown", reason=reason)


def test_the_records_of_the_targets_port_are_asked_for(asking: Asking) -> None:
    target = TARGET._replace(port=2525)
    assert run(tlsa_requirement(asking.resolver, SURE, target, trusted=True)) == NO_DANE
    assert asking.server.questions == [(f"_2525._tcp.{HOST}", "TLSA")]


UNUSABLE: Final = (f"0 0 1 {DIGEST}", f"1 1 1 {DIGEST}", f"4 1 1 {DIGEST}", f"3 2 1 {DIGEST}", "3 1 3 ab")


@pytest.mark.parametrize("data", UNUSABLE)
def test_records_of_unusable_kinds_demand_encryption(asking: Asking, data: str) -> None:
    asking.server.remove(f"_25._tcp.{HOST}")
    asking.server.add(f"_25._tcp.{HOST} 60 TLSA {data}")
    assert demanded(asking) == Dane("encrypt")


def test_among_others_only_usable_records_count(asking: Asking) -> None:
    asking.server.add("\n".join(f"_25._tcp.{HOST} 60 TLSA {data}" for data in (*UNUSABLE, f"2 0 2 {DIGEST * 2}")))
    assert demanded(asking) == Dane("authenticate", (TlsaRecord(2, 0, 2, b"\xab" * 64), GOOD))
