# SPDX-License-Identifier: Apache-2.0
"""Ways to next hops: which addresses are tried, how sure TLS has to be, who we say we are; and why there is no way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from genkan.delivery.mx import OwnNames
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.smtp_carrier import Patience
from genkan.delivery.smtp_opener import SmtpOpener, SmtpPlan
from genkan.delivery.sts import MemoryPolicies, StsPolicies
from genkan.dns.resolver import Resolver
from tests.delivery.consignments import consignment
from tests.delivery.relaying import SERVER, carried, no_socket_left, opened, plan_to, run, turned_until, unreachable
from tests.delivery.worlds import smtp_world
from tests.dns.asking import PATIENT
from tests.support.dns_server import DnsServer, Manner, dns_server
from tests.support.next_hop import CLOSE, FLOOD, FULL, SILENT, Do, NextHop, lmtp_hop, next_hop
from tests.support.server import StoppedClock, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.delivery.outcome import Outcome
    from genkan.delivery.smtp_opener import SmtpWorld
    from tests.support.next_hop import Act, Script

HOST: Final = "mx.dest.test"
DOMAIN: Final = "dest.test"
AUTHORITY: Final = trustme.CA()
RIGHT: Final = AUTHORITY.issue_cert(HOST, key_type=trustme.KeyType.ECDSA)
WRONG: Final = AUTHORITY.issue_cert("other.test", key_type=trustme.KeyType.ECDSA)
STRANGE: Final = trustme.CA().issue_cert(HOST, key_type=trustme.KeyType.ECDSA)
ZONE: Final = f"{DOMAIN} 60 MX 10 {HOST}\n{HOST} 60 A 127.0.0.1\n"


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with no_socket_left():
        yield


@pytest.fixture
def files(tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    """Certificates with their keys, as a server reads them."""
    found = {}
    for name, issued in (("right", RIGHT), ("wrong", WRONG), ("strange", STRANGE)):
        chain, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        found[name] = chain, key
    return found


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


def taken_by(plan: SmtpPlan, world: SmtpWorld | None = None) -> list[Outcome]:
    """What becomes of a message over the way that is opened."""

    async def send() -> list[Outcome]:
        carrier = await opened(plan, world)
        outcomes = await carrier.carry(consignment())
        await carrier.close()
        return outcomes

    return run(send())


def by(server: str) -> list[Outcome]:
    return [Delivered(f"{server}: 250 2.0.0 taken", "nothing")]


# Which address.


def two_hosts(first: Act, *more: str) -> tuple[list[Outcome], list[str]]:
    """A message for a domain whose first host does so, and what was said to that."""
    port = free_port()
    zone = f"{DOMAIN} 60 MX 10 one.test\n{DOMAIN} 60 MX 20 two.test\none.test 60 A 127.0.0.2\ntwo.test 60 A 127.0.0.3\n"
    script: Script = {"connect": first} if not more else {"EHLO": first, "HELO": more[0]}
    with (
        dns_server(zone) as dns,
        next_hop(script, address=("127.0.0.2", port)) as one,
        next_hop(address=("127.0.0.3", port)) as two,
    ):
        outcomes = taken_by(SmtpPlan(DOMAIN, port=port), asking(dns, patience=Patience(0.2, 0.2)))
    assert (len(one.taken), len(two.taken)) == (0, 1)
    return outcomes, one.lines


def test_the_first_host_that_will_have_us_gets_the_mail() -> None:
    for act in ("554 5.7.1 go away", "421 4.3.2 busy", CLOSE, Do("raw", "HTTP/1.0 400\r\n")):
        assert two_hosts(act)[0] == by("two.test [127.0.0.3]")


def test_a_host_that_is_silent_or_floods_is_passed_over() -> None:
    for act in (SILENT, FLOOD):
        assert two_hosts(act)[0] == by("two.test [127.0.0.3]")


def test_a_host_that_refuses_is_taken_leave_of() -> None:
    assert two_hosts("554 5.7.1 go away")[1] == ["QUIT"]


def test_a_host_that_wants_neither_ehlo_nor_helo_is_passed_over() -> None:
    outcomes, lines = two_hosts("502 5.5.1 what?", "550 5.7.1 no")
    assert outcomes == by("two.test [127.0.0.3]")
    assert lines == ["EHLO mx.in.test", "HELO mx.in.test", "QUIT"]


def test_a_host_that_does_not_listen_is_passed_over(dns: DnsServer) -> None:
    dns.add(f"{DOMAIN} 60 MX 5 dead.test\ndead.test 60 A 127.0.0.9\n")
    with next_hop() as hop:
        assert taken_by(SmtpPlan(DOMAIN, port=hop.port), asking(dns)) == by(f"{HOST} [127.0.0.1]")


def test_a_server_without_ehlo_is_spoken_to_in_the_old_way() -> None:
    with next_hop({"EHLO": "502 5.5.1 what?"}) as hop:
        assert carried(hop, consignment()) == [[Delivered("127.0.0.1: 250 2.0.0 taken", "relayed")]]
    assert hop.lines[:2] == ["EHLO mx.in.test", "HELO mx.in.test"]
    assert (hop.taken[0].parameters, len(hop.said("DATA"))) == ("", 1)


def test_when_no_address_will_do_each_is_named_with_its_reason(dns: DnsServer) -> None:
    dns.add(f"{DOMAIN} 60 MX 5 dead.test\ndead.test 60 A 127.0.0.9\n")
    with next_hop({"connect": "554 5.7.1 go away"}) as hop:
        found = unreachable(SmtpPlan(DOMAIN, port=hop.port), asking(dns))
    first, second = found.reason.split("; ")
    assert first.startswith(f"dead.test [127.0.0.9]:{hop.port}: ")
    assert "refused" in first
    assert second == f"{HOST} [127.0.0.1]:{hop.port}: greeted us with 554 5.7.1 go away"
    expected = Deferred(found.reason, status="4.3.2", remote=HOST, reply="554 5.7.1 go away")
    assert found == expected


def test_addresses_that_are_silent_are_not_all_tried(dns: DnsServer) -> None:
    class Passing(StoppedClock):
        """A clock on which a minute passes whenever it is looked at."""

        def monotonic(self) -> float:
            self.seconds = getattr(self, "seconds", 0.0) + 60
            return self.seconds

    dns.add("".join(f"{HOST} 60 A 127.0.0.{number}\n" for number in range(2, 20)))
    world = asking(dns, clock=Passing(), patience=Patience(150, 150))
    assert len(unreachable(SmtpPlan(DOMAIN, port=free_port()), world).reason.split("; ")) == 3
    assert len(unreachable(SmtpPlan(DOMAIN, port=free_port()), asking(dns)).reason.split("; ")) == 8


def test_a_domain_whose_mail_comes_back_here_has_no_way(dns: DnsServer) -> None:
    with next_hop() as hop:
        own = OwnNames(frozenset({"mx.in.test"}), frozenset({(SERVER, hop.port)}))
        expected = Failed(f"mail for {DOMAIN} loops back to this server", status="5.4.6")
        assert unreachable(SmtpPlan(DOMAIN, port=hop.port), asking(dns, own=own)) == expected
        here = unreachable(plan_to(hop), asking(dns, own=own))
    assert here == Deferred(f"127.0.0.1 port {hop.port} is this server; correct the route", status="4.4.6")
    assert hop.connections == 0


def test_a_domain_that_is_not_there_fails(dns: DnsServer) -> None:
    assert unreachable(SmtpPlan("nowhere.test"), asking(dns)) == Failed(
        "there is no domain nowhere.test", status="5.1.2"
    )


def test_the_source_address_is_used_where_it_fits() -> None:
    with next_hop() as hop:
        world = smtp_world(sources={4: "127.0.0.2", 6: "::1"})
        taken_by(plan_to(hop), world)
        taken_by(plan_to(hop, source="127.0.0.3"), world)
        taken_by(plan_to(hop, source="::1"), world)
    assert hop.peers == ["127.0.0.2", "127.0.0.3", "127.0.0.1"]


def test_a_source_address_of_another_machine_defers() -> None:
    with next_hop() as hop:
        found = unreachable(plan_to(hop, source="192.0.2.1"))
    assert (type(found), found.status) == (Deferred, "4.4.1")
    assert found.reason.startswith(f"[127.0.0.1]:{hop.port}: ")


def test_a_socket_of_this_machine_takes_mail_by_lmtp(tmp_path: Path) -> None:
    path = str(tmp_path / "lmtp")
    plan = SmtpPlan(socket=path, lmtp=True, tls="none")
    with lmtp_hop(socket=tmp_path / "lmtp"):
        assert taken_by(plan) == [Delivered(f"{path}: 250 2.0.0 taken", "delivered")]
    found = unreachable(SmtpPlan(socket=str(tmp_path / "other"), lmtp=True, tls="none"))
    assert found.reason.startswith(f"{tmp_path}/other: ")
    assert found.status == "4.4.1"


def test_two_openers_are_equal_when_they_do_the_same() -> None:
    world = smtp_world()
    plan = SmtpPlan(DOMAIN, password="secret")
    assert SmtpOpener(world, plan) == SmtpOpener(world, replace(plan))
    assert hash(SmtpOpener(world, plan)) == hash(SmtpOpener(world, replace(plan)))
    assert SmtpOpener(world, plan) != SmtpOpener(world, replace(plan, password="other"))
    assert SmtpOpener(world, plan) != SmtpOpener(smtp_world(), plan)
    assert "secret" not in repr(plan)


@pytest.mark.parametrize("place", ["connect", "EHLO"])
@pytest.mark.parametrize("act", ["421 4.3.2 busy", CLOSE, SILENT, FLOOD, Do("raw", "nonsense\r\n")])
def test_a_server_that_fails_before_mail_defers(place: str, act: Act) -> None:
    with next_hop({place: act}) as hop:
        found = unreachable(plan_to(hop), smtp_world(patience=Patience(0.2, 0.2)))
    assert isinstance(found, Deferred)


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
    policies = StsPolicies(resolver, fetch, clock, MemoryPolicies(), lambda _domain, reason: pytest.fail(reason))
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


# AUTH.


@pytest.mark.parametrize(("mechanisms", "used"), [("LOGIN PLAIN", "PLAIN"), ("PLAIN SCRAM-SHA-256", "SCRAM-SHA-256")])
@pytest.mark.parametrize(("password", "known"), [("secret", True), ("other", False)])
def test_we_say_who_we_are_under_tls(
    mechanisms: str, used: str, password: str, known: bool, files: dict[str, tuple[Path, Path]]
) -> None:
    extensions = (*FULL, f"AUTH {mechanisms}")
    with next_hop(extensions=extensions, certificate=files["right"], accounts={"we": "secret"}) as hop:
        plan = plan_to(hop, login="we", password=password)
        if known:
            assert taken_by(plan) == by(SERVER)
        else:
            reason = f"[127.0.0.1]:{hop.port}: did not accept our password for we: 535 5.7.8 who are you?"
            assert unreachable(plan) == Deferred(reason, status="4.7.8", remote=SERVER)
    assert [line.split()[1] for line in hop.said("AUTH")] == [used]


def test_no_password_is_told_in_clear() -> None:
    with next_hop(extensions=("AUTH PLAIN LOGIN",), accounts={"we": "secret"}) as hop:
        found = unreachable(plan_to(hop, login="we", password="secret"))
    reason = f"[127.0.0.1]:{hop.port}: offers no AUTH that we can use here (TLS: False; offered: PLAIN LOGIN)"
    assert found == Deferred(reason, status="4.7.8", remote=SERVER)
    assert hop.said("AUTH") == []


def test_scram_shows_no_password_and_may_be_used_in_clear() -> None:
    with next_hop(extensions=(*FULL, "AUTH SCRAM-SHA-256"), accounts={"we": "secret"}) as hop:
        assert taken_by(plan_to(hop, login="we", password="secret")) == by(SERVER)


def test_a_password_that_no_mechanism_can_carry_defers() -> None:
    with next_hop(extensions=(*FULL, "AUTH SCRAM-SHA-256")) as hop:
        found = unreachable(plan_to(hop, login="we", password="\0"))
    assert (type(found), found.status) == (Deferred, "4.7.8")


@pytest.mark.parametrize("act", [CLOSE, SILENT, FLOOD, "334 ", "421 4.3.2 busy", Do("raw", "334 x\r\n" * 1000)])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_server_that_fails_in_auth_defers(act: Act, mechanism: str, files: dict[str, tuple[Path, Path]]) -> None:
    script: Script = {"AUTH": act}
    with next_hop(script, extensions=(f"AUTH {mechanism}",), certificate=files["right"]) as hop:
        plan = plan_to(hop, login="we", password="secret")
        found = unreachable(plan, smtp_world(patience=Patience(0.2, 0.2)))
    assert isinstance(found, Deferred)
    assert "secret" not in found.reason


def test_whoever_stops_waiting_for_a_way_leaves_none_open() -> None:
    async def open_and_stop() -> None:
        task = asyncio.create_task(opened(plan_to(hop), smtp_world(patience=Patience(60, 60))))
        await turned_until(lambda: bool(hop.lines))
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    with next_hop({"EHLO": SILENT}) as hop:
        run(open_and_stop())
