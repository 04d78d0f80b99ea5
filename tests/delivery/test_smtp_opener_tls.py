# SPDX-License-Identifier: Apache-2.0
"""How sure TLS to a next hop has to be: what the route, DANE, MTA-STS and REQUIRETLS want of it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.smtp_opener import SmtpPlan
from genkan.delivery.sts import StsPolicies
from genkan.dns.resolver import Resolver
from tests.delivery.certificates import AUTHORITY, DOMAIN, HOST, RIGHT, STRANGE, ZONE, certificate_files
from tests.delivery.consignments import consignment
from tests.delivery.policies import KeptPolicies
from tests.delivery.relaying import SERVER, by, no_socket_left, opened, plan_to, run, taken_by, unreachable
from tests.delivery.worlds import smtp_world
from tests.dns.asking import PATIENT
from tests.support.dns_server import DnsServer, Manner, dns_server
from tests.support.next_hop import CLOSE, FULL, SILENT, Do, NextHop, next_hop
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import trustme

    from genkan.delivery.smtp_opener import SmtpWorld
    from tests.support.next_hop import Act, Script


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with no_socket_left():
        yield


@pytest.fixture
def files(tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    return certificate_files(tmp_path)


@pytest.fixture
def authorities(tmp_path: Path) -> Path:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with dns_server(ZONE) as server:
        yield server


def asking(dns: DnsServer, authorities: Path | None = None, **changes: Any) -> SmtpWorld:
    return smtp_world((dns.address,), authorities, **changes)


# TLS.


def test_tls_is_used_where_it_is_offered(files: dict[str, tuple[Path, Path]]) -> None:
    with next_hop(certificate=files["strange"]) as hop:
        assert taken_by(plan_to(hop)) == by(SERVER)
    assert hop.taken[0].tls
    assert hop.lines[:3] == ["EHLO mx.in.test", "STARTTLS", "EHLO mx.in.test"]
    assert hop.lines[-1] == "QUIT"


def test_a_route_without_tls_uses_none(files: dict[str, tuple[Path, Path]]) -> None:
    with next_hop(certificate=files["right"]) as hop:
        assert taken_by(plan_to(hop, tls="none")) == by(SERVER)
    assert not hop.taken[0].tls


@pytest.mark.parametrize("act", [CLOSE, Do("raw", "what?\r\n"), Do("raw", "\x16\x03\x01\x00\x02\x02\x28")])
def test_where_tls_is_not_required_a_broken_handshake_is_followed_by_clear_text(
    act: Act, files: dict[str, tuple[Path, Path]]
) -> None:
    with next_hop({"handshake": act}, certificate=files["right"]) as hop:
        assert taken_by(plan_to(hop)) == by(SERVER)
        found = unreachable(plan_to(hop, tls="required"))
    assert [taken.tls for taken in hop.taken] == [False]
    assert hop.connections == 3
    assert found.reason.startswith(f"[127.0.0.1]:{hop.port}: TLS failed: ")
    assert found.reason.endswith("(the route's policy)")
    assert (type(found), found.status) == (Deferred, "4.7.5")


def test_a_handshake_that_is_never_answered_ends(files: dict[str, tuple[Path, Path]]) -> None:
    with next_hop({"handshake": SILENT}, certificate=files["right"]) as hop:
        world = smtp_world(connect=0.2)
        assert taken_by(plan_to(hop), world) == by(SERVER)
        assert unreachable(plan_to(hop, tls="required"), world).status == "4.7.5"


@pytest.mark.parametrize("text", ["454 4.7.0 not now", "501 5.5.4 no"])
def test_starttls_that_is_refused(text: str, files: dict[str, tuple[Path, Path]]) -> None:
    with next_hop({"STARTTLS": text}, certificate=files["right"]) as hop:
        assert taken_by(plan_to(hop)) == by(SERVER)
        found = unreachable(plan_to(hop, tls="required"))
    reason = f"[127.0.0.1]:{hop.port}: answered STARTTLS with {text}"
    assert found == Deferred(reason, status="4.7.5", remote=SERVER, reply=text)
    assert hop.connections == 2


@pytest.mark.parametrize("policy", ["required", "verified"])
def test_required_tls_that_is_not_offered_defers(policy: Any) -> None:
    with next_hop() as hop:
        found = unreachable(plan_to(hop, tls=policy))
    reason = f"[127.0.0.1]:{hop.port}: offers no STARTTLS (the route's policy)"
    assert found == Deferred(reason, status="4.7.5", remote=SERVER)


def test_what_comes_in_clear_behind_the_answer_to_starttls_is_not_believed(
    files: dict[str, tuple[Path, Path]],
) -> None:
    injected = Do("raw", "220 2.0.0 go ahead\r\n250-hop.test\r\n250 AUTH PLAIN\r\n")
    with next_hop({"STARTTLS": injected}, certificate=files["right"]) as hop:
        found = unreachable(plan_to(hop))
    reason = f"[127.0.0.1]:{hop.port}: the server sent something in clear behind its answer to STARTTLS"
    assert found == Deferred(reason, status="4.4.1", remote=SERVER)
    assert hop.taken == []


def test_extensions_from_before_tls_are_forgotten(files: dict[str, tuple[Path, Path]]) -> None:
    script: Script = {"EHLO": ["250-hop.test\r\n250-SIZE 1\r\n250 STARTTLS", "250 hop.test"]}
    with next_hop(script, certificate=files["right"]) as hop:
        assert taken_by(plan_to(hop)) == [Delivered("127.0.0.1: 250 2.0.0 taken", "relayed")]
    assert hop.taken[0].tls


@pytest.mark.parametrize(
    ("name", "reason"), [("wrong", "Hostname mismatch"), ("strange", "unable to get local issuer")]
)
def test_a_certificate_that_does_not_verify_is_not_enough(
    name: str, reason: str, files: dict[str, tuple[Path, Path]], dns: DnsServer, authorities: Path
) -> None:
    with next_hop(certificate=files[name]) as hop:
        found = unreachable(SmtpPlan(host=HOST, port=hop.port, tls="verified"), asking(dns, authorities))
    assert reason in found.reason
    assert (type(found), found.status, hop.taken) == (Deferred, "4.7.5", [])


def test_a_certificate_that_verifies_is_enough(
    files: dict[str, tuple[Path, Path]], dns: DnsServer, authorities: Path
) -> None:
    with next_hop(certificate=files["right"]) as hop:
        plan = SmtpPlan(host=HOST, port=hop.port, tls="verified")
        assert taken_by(plan, asking(dns, authorities)) == by(f"{HOST} [127.0.0.1]")
        plan = SmtpPlan(DOMAIN, port=hop.port, tls="verified")
        assert taken_by(plan, asking(dns, authorities)) == by(f"{HOST} [127.0.0.1]")
    assert [taken.tls for taken in hop.taken] == [True, True]


# DANE.


def tlsa(issued: trustme.LeafCert, port: int) -> str:
    """The record of a certificate's key: DANE-EE, SHA-256."""
    certificate = load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"_{port}._tcp.{HOST} 60 TLSA 3 1 1 {sha256(key).hexdigest()}\n"


def with_dane(dns: DnsServer, hop: NextHop, issued: trustme.LeafCert) -> tuple[SmtpPlan, SmtpWorld]:
    dns.treat(".", Manner(authentic=True))
    dns.add(tlsa(issued, hop.port))
    return SmtpPlan(DOMAIN, port=hop.port), asking(dns, trusted_dns=True)


def test_a_certificate_that_dane_vouches_for_is_enough(files: dict[str, tuple[Path, Path]], dns: DnsServer) -> None:
    with next_hop(certificate=files["strange"]) as hop:
        assert taken_by(*with_dane(dns, hop, STRANGE)) == by(f"{HOST} [127.0.0.1]")
    assert hop.taken[0].tls


def test_a_certificate_that_dane_does_not_vouch_for_is_not_enough(
    files: dict[str, tuple[Path, Path]], dns: DnsServer
) -> None:
    with next_hop(certificate=files["right"]) as hop:
        found = unreachable(*with_dane(dns, hop, STRANGE))
    reason = f"{HOST} [127.0.0.1]:{hop.port}: no TLSA record of {HOST} is of its certificate"
    assert found == Deferred(reason, status="4.7.5", remote=HOST)
    assert hop.taken == []


def test_dane_does_not_fall_back_to_clear_text(files: dict[str, tuple[Path, Path]], dns: DnsServer) -> None:
    with next_hop({"handshake": CLOSE}, certificate=files["right"]) as hop:
        assert unreachable(*with_dane(dns, hop, RIGHT)).status == "4.7.5"
    with next_hop() as hop:
        assert "offers no STARTTLS" in unreachable(*with_dane(dns, hop, RIGHT)).reason
    assert hop.taken == []


def test_tlsa_records_that_cannot_be_had_defer(files: dict[str, tuple[Path, Path]], dns: DnsServer) -> None:
    with next_hop(certificate=files["right"]) as hop:
        plan, world = with_dane(dns, hop, RIGHT)
        dns.treat(f"_tcp.{HOST}", Manner(rcode="SERVFAIL"))
        found = unreachable(plan, world)
    assert f"the TLSA records of {HOST} cannot be had" in found.reason
    assert (type(found), found.status, hop.connections) == (Deferred, "4.4.3", 0)


# MTA-STS.


def with_sts(dns: DnsServer, authorities: Path, pattern: str, mode: str = "enforce") -> SmtpWorld:
    """A world in which the domain has a policy that names these hosts."""
    dns.add(f'_mta-sts.{DOMAIN} 60 TXT "v=STSv1; id=a1;"\n')

    async def fetch(_domain: str) -> bytes:
        return f"version: STSv1\nmode: {mode}\nmx: {pattern}\nmax_age: 86400\n".encode()

    clock = StoppedClock()
    resolver = Resolver((dns.address,), PATIENT, clock)
    policies = StsPolicies(resolver, fetch, clock, KeptPolicies(), lambda _domain, reason: pytest.fail(reason))
    return asking(dns, authorities, policies=policies)


def test_an_enforced_policy_wants_a_certificate_that_verifies(
    files: dict[str, tuple[Path, Path]], dns: DnsServer, authorities: Path
) -> None:
    world = with_sts(dns, authorities, HOST)
    with next_hop(certificate=files["right"]) as hop:
        assert taken_by(SmtpPlan(DOMAIN, port=hop.port), world) == by(f"{HOST} [127.0.0.1]")
    assert hop.taken[0].tls
    for name in ("wrong", "strange"):
        with next_hop(certificate=files[name]) as hop:
            found = unreachable(SmtpPlan(DOMAIN, port=hop.port), with_sts(dns, authorities, HOST))
        assert found.reason.endswith("(the domain's MTA-STS policy)")
        assert (found.status, hop.taken) == ("4.7.5", [])


def test_a_host_that_the_policy_does_not_name_gets_no_mail(dns: DnsServer, authorities: Path) -> None:
    with next_hop() as hop:
        found = unreachable(SmtpPlan(DOMAIN, port=hop.port), with_sts(dns, authorities, "other.test"))
    reason = f"{HOST} [127.0.0.1]:{hop.port}: the domain's MTA-STS policy does not name {HOST}"
    assert found == Deferred(reason, status="4.7.5", remote=HOST)
    assert hop.connections == 0


def test_a_policy_for_testing_demands_nothing(dns: DnsServer, authorities: Path) -> None:
    with next_hop() as hop:
        plan = SmtpPlan(DOMAIN, port=hop.port)
        assert taken_by(plan, with_sts(dns, authorities, "other.test", "testing")) == by(f"{HOST} [127.0.0.1]")


# REQUIRETLS.


def test_requiretls_goes_to_a_server_that_offers_it(
    files: dict[str, tuple[Path, Path]], dns: DnsServer, authorities: Path
) -> None:
    with next_hop(extensions=(*FULL, "REQUIRETLS"), certificate=files["right"]) as hop:
        plan = SmtpPlan(host=HOST, port=hop.port, requiretls=True)

        async def send() -> None:
            carrier = await opened(plan, asking(dns, authorities))
            mail = consignment()
            mail = replace(mail, envelope=mail.envelope._replace(requiretls=True))
            assert await carrier.carry(mail) == by(f"{HOST} [127.0.0.1]")
            await carrier.close()

        run(send())
    assert "REQUIRETLS" in hop.taken[0].parameters.split()


def test_requiretls_fails_where_it_is_not_offered(
    files: dict[str, tuple[Path, Path]], dns: DnsServer, authorities: Path
) -> None:
    with next_hop(certificate=files["right"]) as hop:
        plan = SmtpPlan(host=HOST, port=hop.port, requiretls=True)
        found = unreachable(plan, asking(dns, authorities))
    reason = f"{HOST} [127.0.0.1]:{hop.port}: does not offer REQUIRETLS"
    assert found == Failed(reason, status="5.7.30", remote=HOST)


def test_one_address_that_may_work_later_keeps_the_others_from_failing_the_mail(
    files: dict[str, tuple[Path, Path]], dns: DnsServer, authorities: Path
) -> None:
    dns.add(f"{HOST} 60 A 127.0.0.9\n")
    with next_hop(certificate=files["right"]) as hop:
        plan = SmtpPlan(host=HOST, port=hop.port, requiretls=True)
        found = unreachable(plan, asking(dns, authorities))
    assert isinstance(found, Deferred)
    assert "does not offer REQUIRETLS" in found.reason
