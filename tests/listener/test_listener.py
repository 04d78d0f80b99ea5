# SPDX-License-Identifier: Apache-2.0
"""Listeners: binding, implicit TLS, PROXY headers in front of it, and an end that nobody slips through."""

from __future__ import annotations

import json
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

import pytest

from genkan.config_values import ListenAddress
from genkan.listener.listener import bind
from tests.support.caller import BEGIN, TLS, Caller, client_hello, connections, install, listener, proxy_v1, reception
from tests.support.server import serving, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import RunningServer

CLIENT: Final = "192.0.2.10"
ALL_ROLES: Final = "".join(listener(role, proxied=True) for role in ("smtp", "submission", "submissions"))
NETWORK: Final = 'proxy_protocol = ["127.0.0.0/8"]'


def proxy_v2(client_address: str) -> bytes:
    """A PROXY header of version 2, with an extension behind the addresses."""
    extension = b"\x04\x00\x03abc"
    if ":" in client_address:
        family, addresses = 0x21, IPv6Address(client_address).packed + IPv6Address("::1").packed
    else:
        family, addresses = 0x11, IPv4Address(client_address).packed + IPv4Address("127.0.0.1").packed
    block = addresses + struct.pack(">HH", 40000, 25) + extension
    return b"\r\n\r\n\x00\r\nQUIT\n" + bytes((0x21, family)) + struct.pack(">H", len(block)) + block


def hello_of(caller: Caller) -> str:
    caller.send(b"EHLO client.test\r\n")
    return caller.reply()[0]


def refusals(server: RunningServer) -> list[str]:
    """The checks that refused something, in order."""
    entries = map(json.loads, server.log.splitlines())
    return [entry["check"] for entry in entries if entry["event"] == "refused"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_bound_socket_listens_where_it_was_told(host: str) -> None:
    with bind(ListenAddress(host, 0), shared=False) as sock:
        address = sock.getsockname()
        assert address[0] == host
        with socket.create_connection(address[:2], 5):
            accepted, _ = sock.accept()
            accepted.close()


def test_an_address_is_shared_only_when_that_was_asked_for() -> None:
    with bind(ListenAddress("127.0.0.1", 0), shared=True) as first:
        port = first.getsockname()[1]
        with bind(ListenAddress("127.0.0.1", port), shared=True):
            pass
        with pytest.raises(OSError, match="in use"):
            bind(ListenAddress("127.0.0.1", port), shared=False)


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (proxy_v1(CLIENT), CLIENT),
        (b"PROXY TCP6 2001:db8::10 ::1 40000 25\r\n", "2001:db8::10"),
        (proxy_v2(CLIENT), CLIENT),
        (proxy_v2("2001:db8::10"), "2001:db8::10"),
        (proxy_v2("::ffff:192.0.2.10"), CLIENT),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    ],
)
@pytest.mark.parametrize("split", [False, True])
def test_the_client_is_who_the_proxy_says(tmp_path: Path, header: bytes, address: str, split: bool) -> None:
    first = header[:9] if split else header
    with reception(tmp_path, TLS, ALL_ROLES) as server, Caller(server, first=first, greeted=False) as caller:
        if split:
            server.call(lambda: None)
            caller.send(header[9:])
        assert caller.code() == 220
        assert hello_of(caller) == f"250-mx.in.test Hello [{address}], pleased to meet you"


def test_a_proxy_header_and_a_whole_dialogue_may_come_in_one_write(tmp_path: Path) -> None:
    first = proxy_v2(CLIENT) + BEGIN + b"QUIT\r\n"
    with reception(tmp_path, "", listener(proxied=True)) as server, Caller(server, first=first) as caller:
        assert caller.codes(4) == [250, 250, 250, 221]


@pytest.mark.parametrize("header", [proxy_v1(CLIENT), proxy_v2(CLIENT)])
def test_a_proxy_header_and_a_client_hello_may_come_in_one_write(tmp_path: Path, header: bytes) -> None:
    with reception(tmp_path, TLS, ALL_ROLES) as server:
        for _ in range(10):
            with Caller(server, "submissions", greeted=False) as caller:
                assert caller.start_tls_and_say(BEGIN[:18] + b"QUIT\r\n", 3, before=header) == [220, 250, 221]


def test_starttls_behind_a_proxy_header(tmp_path: Path) -> None:
    with reception(tmp_path, TLS, ALL_ROLES) as server, Caller(server, "submission", first=proxy_v1(CLIENT)) as caller:
        assert caller.ask(b"EHLO client.test", b"STARTTLS") == [250, 220]
        caller.start_tls()
        assert hello_of(caller) == f"250-mx.in.test Hello [{CLIENT}], pleased to meet you"


@pytest.mark.parametrize(
    "first", [b"EHLO client.test\r\n", b"PROXY TCP4 nonsense\r\n", b"\x16\x03\x01\x02\x00", b"PROXY"]
)
def test_a_proxy_without_a_usable_header_is_cut_off_without_a_word(tmp_path: Path, first: bytes) -> None:
    with reception(tmp_path, "", listener(proxied=True)) as server:
        with Caller(server, first=first, greeted=False) as caller:
            caller.end_sending()
            assert caller.rest() == b""
        until(lambda: refusals(server) == ["proxy-header"], "the refusal in the log")


def test_a_client_that_is_no_proxy_speaks_for_itself(tmp_path: Path) -> None:
    proxied = listener(proxied=True).replace("127.0.0.0/8", "198.51.100.0/24")
    with reception(tmp_path, "", proxied) as server, Caller(server) as caller:
        assert hello_of(caller) == "250-mx.in.test Hello [127.0.0.1], pleased to meet you"
        caller.send(proxy_v1(CLIENT))
        assert caller.code() == 500


@pytest.mark.parametrize("proxied", [False, True])
def test_implicit_tls_greets_only_after_the_handshake(tmp_path: Path, proxied: bool) -> None:
    with reception(tmp_path, TLS, listener("submissions", proxied=proxied)) as server:
        header = proxy_v1(CLIENT) if proxied else b""
        with Caller(server, "submissions", first=header, greeted=False) as caller:
            caller.start_tls()
            assert caller.ask(b"", b"EHLO client.test") == [220, 500]
        with Caller(server, "submissions", first=header + b"EHLO client.test\r\n", greeted=False) as caller:
            assert b"220" not in caller.rest()


def test_who_has_not_arrived_when_the_server_stops_is_not_waited_for(tmp_path: Path) -> None:
    with serving(install(tmp_path, TLS, ALL_ROLES)) as server:
        callers = [
            Caller(server, role, first=first, greeted=False)
            for role in ("smtp", "submissions")
            for first in (b"", proxy_v1(CLIENT)[:8], proxy_v1(CLIENT) + client_hello()[:8])
        ]
        until(lambda: len(connections(server)) == 1, "the greeting of the one that spoke plainly")
    for caller in callers:
        assert caller.rest().partition(b"\r\n")[0] in {b"", b"220 mx.in.test Genkan ESMTP receiver"}
        caller.close()


@pytest.mark.parametrize("proxied", [False, True])
def test_a_listener_may_be_stopped_twice(tmp_path: Path, proxied: bool) -> None:
    with reception(tmp_path, "", listener(proxied=proxied)) as server:
        (stopped,) = server.worker.listeners
        server.call(stopped.stop)
        server.call(stopped.stop)


def test_who_arrives_while_the_server_stops_is_told_so(tmp_path: Path) -> None:
    with reception(tmp_path, "", listener(proxied=True)) as server:
        (stopping,) = server.worker.listeners
        stopping.door.stopping = True
        with Caller(server, first=proxy_v1(CLIENT), greeted=False) as caller:
            assert caller.rest() == b"421 4.3.2 mx.in.test Shutting down, closing connection\r\n"
