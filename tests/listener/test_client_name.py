# SPDX-License-Identifier: Apache-2.0
"""The client's name: in the Received field, the logs and the record; what is not asked; that nobody waits long or is refused."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.dns.resolver import Resolver
from genkan.listener.client_name import ClientName, ClientNames
from genkan.record.entry import ConnectionEntry, TransactionEntry
from tests.listener.ruled import MESSAGE, call, kept, record, ruled, send
from tests.support.caller import TLS, Caller, connections, proxy_v1
from tests.support.dns_server import Manner, dns_server
from tests.support.server import StoppedClock, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.dns_server import DnsServer
    from tests.support.server import RunningServer

ZONE: Final = "10.2.0.192.in-addr.arpa 300 PTR mx.out.test\nmx.out.test 300 A 192.0.2.10\n"
POINTER: Final = ("10.2.0.192.in-addr.arpa", "PTR")


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with dns_server(ZONE) as server:
        yield server


def settings(dns: DnsServer, more: str = "") -> str:
    return f'spf.mode = "off"\n[dns]\nservers = ["{dns.address}"]\n{more}'


def events(server: RunningServer, event: str) -> list[dict[str, Any]]:
    return [entry for entry in map(json.loads, server.log.splitlines()) if entry["event"] == event]


def trace(server: RunningServer) -> str:
    """The last message's Received field on one line."""
    return " ".join(kept(server.config)[-1].trace.decode().split())


def deliver(server: RunningServer, client: str = "192.0.2.10") -> None:
    with call(server, client) as caller:
        assert send(caller, MESSAGE, b"ann") == 250


def test_a_confirmed_name_is_in_the_received_field_the_logs_and_the_record(tmp_path: Path, dns: DnsServer) -> None:
    with ruled(tmp_path, {}, settings(dns)) as server:
        with call(server) as caller:
            assert send(caller, MESSAGE, b"ann") == 250
            assert caller.ask(b"MAIL FROM:<nobody@in.test>", b"QUIT") == [550, 221]
            assert caller.rest() == b""
        assert "from client.test (mx.out.test [192.0.2.10])" in trace(server)
        for event in ("accepted", "refused", "connection"):
            assert [entry["client_domain"] for entry in events(server, event)] == ["mx.out.test"]
    entries = record(server.config)
    assert [type(entry) for entry in entries] == [TransactionEntry, TransactionEntry, ConnectionEntry]
    assert [entry.client_domain for entry in entries] == ["mx.out.test"] * 3


def test_a_known_name_is_not_asked_for_again(tmp_path: Path, dns: DnsServer) -> None:
    with ruled(tmp_path, {}, settings(dns)) as server:
        deliver(server)
        deliver(server)
        assert dns.questions == [POINTER, ("mx.out.test", "A")]
        assert all("mx.out.test" in message.trace.decode() for message in kept(server.config))


def test_a_name_that_is_known_is_there_at_once(dns: DnsServer) -> None:
    async def look_up_twice() -> list[tuple[str, bool]]:
        names = ClientNames(
            Resolver((dns.address,), timedelta(seconds=10), StoppedClock()), (), asyncio.get_running_loop()
        )
        found = []
        for _ in range(2):
            name = ClientName()
            names.look_up(name, "192.0.2.10")
            found.append((name.domain, name.asking is not None))
            if name.asking is not None:
                await name.asking
        return found

    assert asyncio.run(look_up_twice()) == [("", True), ("mx.out.test", False)]


def test_the_name_stays_after_starttls_and_in_a_second_message(tmp_path: Path, dns: DnsServer) -> None:
    with ruled(tmp_path, {}, settings(dns) + TLS) as server, call(server) as caller:
        assert caller.ask(b"STARTTLS") == [220]
        caller.start_tls()
        assert caller.ask(b"EHLO client.test") == [250]
        assert [send(caller, MESSAGE, b"ann"), send(caller, MESSAGE, b"ann")] == [250, 250]
        assert "(mx.out.test [192.0.2.10])" in trace(server)
    assert dns.count(*POINTER) == 1


@pytest.mark.parametrize(
    ("client", "more"),
    [
        ("127.0.0.1", ""),
        ("127.0.0.1", '[spf]\nmode = "off"\nexempt = []\n'),
        ("192.0.2.10", "reverse = false\n"),
        ("192.0.2.10", '[spf]\nmode = "off"\nexempt = ["192.0.2.0/24"]\n'),
    ],
)
def test_nobody_is_asked_about_loopback_exempt_clients_or_where_it_is_switched_off(
    tmp_path: Path, dns: DnsServer, client: str, more: str
) -> None:
    text = settings(dns, more)
    if "[spf]" in more:
        text = text.removeprefix('spf.mode = "off"\n')
    with ruled(tmp_path, {}, text) as server:
        deliver(server, client)
        assert f"(unverified [{client}])" in trace(server)
    assert dns.questions == []


def test_who_is_cut_off_at_once_is_not_asked_about(tmp_path: Path, dns: DnsServer) -> None:
    with (
        ruled(tmp_path, {"rejectsmtpip.dat": "192.0.2.10\n"}, settings(dns)) as server,
        Caller(server, first=proxy_v1("192.0.2.10"), greeted=False) as caller,
    ):
        assert caller.rest() == b""
    assert dns.questions == []


def test_no_reply_before_the_mail_data_waits_for_the_name_and_that_waits_for_it(tmp_path: Path, dns: DnsServer) -> None:
    dns.treat(".", Manner(held=True))
    with ruled(tmp_path, {}, settings(dns, 'timeout = "20s"\n')) as server, call(server) as caller:
        assert caller.ask(b"MAIL FROM:<x@out.test>", b"RCPT TO:<ann@in.test>") == [250, 250]
        begin_content(caller)
        dns.until_asked(*POINTER)
        dns.release()
        assert caller.code() == 250
        assert "(mx.out.test [192.0.2.10])" in trace(server)


def begin_content(caller: Caller) -> None:
    caller.send(b"BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE)


def test_a_dead_name_server_costs_the_first_mail_its_deadline_and_refuses_nobody(
    tmp_path: Path, dns: DnsServer
) -> None:
    dns.treat(".", Manner(silent=True))
    with ruled(tmp_path, {}, settings(dns, 'timeout = "1s"\n')) as server, call(server) as caller:
        begun = time.monotonic()
        assert send(caller, MESSAGE, b"ann") == 250
        assert time.monotonic() - begun < 2
        begun = time.monotonic()
        assert send(caller, MESSAGE, b"ann") == 250
        assert time.monotonic() - begun < 0.5
        assert "(unverified [192.0.2.10])" in trace(server)


def test_who_leaves_while_its_mail_data_waits_leaves_nothing_behind(tmp_path: Path, dns: DnsServer) -> None:
    dns.treat(".", Manner(held=True))
    with ruled(tmp_path, {}, settings(dns, 'timeout = "20s"\n')) as server:
        with call(server) as caller:
            assert caller.ask(b"MAIL FROM:<x@out.test>", b"RCPT TO:<ann@in.test>") == [250, 250]
            begin_content(caller)
            dns.until_asked(*POINTER)
            caller.reset()
        until(lambda: not connections(server), "the end of the connection")
        dns.release()
        deliver(server)
        assert len(kept(server.config)) == 1
        assert server.call(lambda: server.worker._spools[0]._drafts) == 0
        assert events(server, "failure") == []


def test_a_name_that_does_not_lead_back_is_not_told(tmp_path: Path, dns: DnsServer) -> None:
    dns.remove("mx.out.test")
    with ruled(tmp_path, {}, settings(dns)) as server:
        deliver(server)
        assert "(unverified [192.0.2.10])" in trace(server)
