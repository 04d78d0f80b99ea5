# SPDX-License-Identifier: Apache-2.0
"""Ways to next hops: which addresses are tried, how sure TLS has to be, who we say we are; and why there is no way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from genkan.delivery.mx import OwnNames
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.smtp_carrier import Patience
from genkan.delivery.smtp_opener import SmtpOpener, SmtpPlan
from tests.delivery.certificates import DOMAIN, HOST, ZONE, certificate_files
from tests.delivery.consignments import consignment
from tests.delivery.relaying import (
    SERVER,
    by,
    carried,
    no_socket_left,
    opened,
    plan_to,
    run,
    taken_by,
    turned_until,
    unreachable,
)
from tests.delivery.worlds import smtp_world
from tests.support.dns_server import DnsServer, dns_server
from tests.support.next_hop import CLOSE, FLOOD, FULL, SILENT, Do, lmtp_hop, next_hop
from tests.support.server import StoppedClock, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.delivery.outcome import Outcome
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
def dns() -> Iterator[DnsServer]:
    with dns_server(ZONE) as server:
        yield server


def asking(dns: DnsServer, **changes: Any) -> SmtpWorld:
    return smtp_world((dns.address,), **changes)


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
