# SPDX-License-Identifier: Apache-2.0
"""PROXY headers: the parser on good, split and hostile octets, and the reader on real sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from genkan.listener.proxy import (
    MAX_V1,
    MAX_V2,
    NEED_MORE,
    ProxyError,
    ProxyHeader,
    parse_proxy_header,
    receive_proxy_header,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    NewLoop = Callable[[], asyncio.AbstractEventLoop]
    Dialogue = Callable[[socket.socket, socket.socket], Awaitable[None]]

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.10 198.51.100.1 56324 25\r\n"
V1_HEADER = ProxyHeader("192.0.2.10", 56324, len(V1))


def v2(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(block).to_bytes(2) + block


def v2_tcp4(source: str, port: int, extensions: bytes = b"") -> bytes:
    ports = port.to_bytes(2) + (25).to_bytes(2)
    return v2(0x21, 0x11, IPv4Address(source).packed + IPv4Address("198.51.100.1").packed + ports + extensions)


def v2_tcp6(source: str, port: int) -> bytes:
    ports = port.to_bytes(2) + (25).to_bytes(2)
    return v2(0x21, 0x21, IPv6Address(source).packed + IPv6Address("2001:db8::25").packed + ports)


GOOD = {
    "v1_tcp4": (V1, "192.0.2.10", 56324),
    "v1_tcp6": (b"PROXY TCP6 2001:DB8:0::10 2001:db8::25 4000 25\r\n", "2001:db8::10", 4000),
    "v1_mapped": (b"PROXY TCP6 ::ffff:192.0.2.10 ::1 0 65535\r\n", "192.0.2.10", 0),
    "v1_unknown": (b"PROXY UNKNOWN\r\n", None, 0),
    "v1_unknown_with_rest": (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None, 0),
    "v1_unknown_longest": (b"PROXY UNKNOWN ".ljust(MAX_V1 - 2, b"x") + b"\r\n", None, 0),
    "v2_tcp4": (v2_tcp4("192.0.2.10", 56324), "192.0.2.10", 56324),
    "v2_tcp4_with_extensions": (v2_tcp4("192.0.2.10", 1, b"\x04\x00\x03abc"), "192.0.2.10", 1),
    "v2_tcp6": (v2_tcp6("2001:db8::10", 4000), "2001:db8::10", 4000),
    "v2_mapped": (v2_tcp6("::ffff:192.0.2.10", 4000), "192.0.2.10", 4000),
    "v2_local": (v2(0x20, 0x00, b""), None, 0),
    "v2_local_with_address": (v2(0x20, 0x11, bytes(12)), None, 0),
    "v2_unspecified": (v2(0x21, 0x00, b"whatever"), None, 0),
    "v2_unix": (v2(0x21, 0x31, bytes(216)), None, 0),
    "v2_longest": (v2_tcp4("192.0.2.10", 1, bytes(MAX_V2 - 28)), "192.0.2.10", 1),
}

HOSTILE = {
    "smtp": b"EHLO client.example\r\n",
    "client_hello": b"\x16\x03\x01\x02\x00\x01",
    "lower_case": b"proxy TCP4 192.0.2.10 198.51.100.1 56324 25\r\n",
    "v1_no_end": b"PROXY TCP4 ".ljust(MAX_V1, b"1"),
    "v1_too_long": b"PROXY UNKNOWN ".ljust(MAX_V1 - 1, b"x") + b"\r\n",
    "v1_bare_newline": b"PROXY TCP4 192.0.2.10 198.51.100.1 56324 25\n",
    "v1_no_family": b"PROXY \r\n",
    "v1_other_family": b"PROXY UDP4 192.0.2.10 198.51.100.1 56324 25\r\n",
    "v1_family_mixed": b"PROXY TCP4 2001:db8::10 198.51.100.1 56324 25\r\n",
    "v1_destination_mixed": b"PROXY TCP6 2001:db8::10 198.51.100.1 56324 25\r\n",
    "v1_name": b"PROXY TCP4 localhost 198.51.100.1 56324 25\r\n",
    "v1_leading_zero": b"PROXY TCP4 192.0.02.10 198.51.100.1 56324 25\r\n",
    "v1_not_ascii": "PROXY TCP4 192.0.2.１０ 198.51.100.1 56324 25\r\n".encode(),
    "v1_zone": b"PROXY TCP6 fe80::1%eth0 2001:db8::25 56324 25\r\n",
    "v1_double_blank": b"PROXY TCP4  192.0.2.10 198.51.100.1 56324 25\r\n",
    "v1_port_missing": b"PROXY TCP4 192.0.2.10 198.51.100.1 56324\r\n",
    "v1_more_words": b"PROXY TCP4 192.0.2.10 198.51.100.1 56324 25 x\r\n",
    "v1_port_range": b"PROXY TCP4 192.0.2.10 198.51.100.1 65536 25\r\n",
    "v1_port_sign": b"PROXY TCP4 192.0.2.10 198.51.100.1 +5632 25\r\n",
    "v1_port_zeros": b"PROXY TCP4 192.0.2.10 198.51.100.1 0025 25\r\n",
    "v1_port_huge": b"PROXY TCP4 192.0.2.10 198.51.100.1 99999999999999999 25\r\n",
    "v2_version": v2(0x11, 0x11, bytes(12)),
    "v2_command": v2(0x22, 0x11, bytes(12)),
    "v2_datagram": v2(0x21, 0x12, bytes(12)),
    "v2_family": v2(0x21, 0x41, bytes(12)),
    "v2_short_tcp4": v2(0x21, 0x11, bytes(11)),
    "v2_short_tcp6": v2(0x21, 0x21, bytes(35)),
    "v2_too_long": v2(0x21, 0x11, bytes(MAX_V2 - 15)),
    "v2_length_only": SIGNATURE + b"\x21\x11\xff\xff",
    "v2_signature": SIGNATURE[:-1] + b"\r" + bytes(8),
}

LOOPS: list[NewLoop] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize(("octets", "address", "port"), GOOD.values(), ids=list(GOOD))
def test_header_is_read_whatever_stands_behind_it(octets: bytes, address: str | None, port: int) -> None:
    expected = ProxyHeader(address, port, len(octets))
    assert [parse_proxy_header(octets + behind) for behind in (b"", b"EHLO", octets)] == [expected] * 3


@pytest.mark.parametrize("octets", [good[0] for good in GOOD.values()], ids=list(GOOD))
def test_every_beginning_of_a_header_needs_more(octets: bytes) -> None:
    assert {parse_proxy_header(octets[:end]) for end in range(len(octets))} == {NEED_MORE}


@pytest.mark.parametrize("octets", HOSTILE.values(), ids=list(HOSTILE))
def test_anything_else_is_an_error(octets: bytes) -> None:
    with pytest.raises(ProxyError):
        parse_proxy_header(octets)


@given(st.sampled_from([b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21", b""]), st.binary(max_size=40))
def test_no_octets_raise_anything_but_the_named_error(start: bytes, rest: bytes) -> None:
    octets = start + rest
    try:
        header = parse_proxy_header(octets)
    except ProxyError:
        return
    assert header is NEED_MORE or header.length <= len(octets)


@given(st.binary(max_size=2 * MAX_V2))
def test_a_header_that_needs_more_is_bounded(rest: bytes) -> None:
    for start, most in ((b"PROXY ", MAX_V1), (SIGNATURE, MAX_V2)):
        octets = start + rest
        try:
            header = parse_proxy_header(octets)
        except ProxyError:
            continue
        assert header is not NEED_MORE or len(octets) < most


@given(st.ip_addresses(v=4), st.integers(0, 65535))
def test_both_versions_say_the_same(address: IPv4Address, port: int) -> None:
    line = f"PROXY TCP4 {address} 198.51.100.1 {port} 25\r\n".encode()
    first, second = parse_proxy_header(line), parse_proxy_header(v2_tcp4(str(address), port))
    assert isinstance(first, ProxyHeader)
    assert isinstance(second, ProxyHeader)
    assert (first.client_address, first.client_port) == (second.client_address, second.client_port)


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> NewLoop:
    factory: NewLoop = request.param
    return factory


def on_tcp(new_loop: NewLoop, dialogue: Dialogue) -> None:
    """Run a dialogue with both ends of a TCP connection over loopback: (client, server)."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as port, socket.create_connection(port.getsockname()) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with closing(port.accept()[0]) as server:
                server.setblocking(False)
                await dialogue(client, server)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


async def receive(server: socket.socket, timeout: float = 5) -> ProxyHeader:
    return await receive_proxy_header(asyncio.get_running_loop(), server, timeout)


@pytest.mark.parametrize("octets", [V1, v2_tcp4("192.0.2.10", 56324)], ids=["v1", "v2"])
def test_what_stands_behind_the_header_stays_in_the_socket(new_loop: NewLoop, octets: bytes) -> None:
    async def dialogue(client: socket.socket, server: socket.socket) -> None:
        client.sendall(octets + b"\x16\x03\x01 hello")
        header = await receive(server)
        assert (header.client_address, header.client_port) == ("192.0.2.10", 56324)
        assert server.recv(100) == b"\x16\x03\x01 hello"

    on_tcp(new_loop, dialogue)


@pytest.mark.parametrize("octets", [V1, v2_tcp4("192.0.2.10", 56324, b"\x04\x00\x01x")], ids=["v1", "v2"])
def test_a_header_may_come_octet_by_octet(new_loop: NewLoop, octets: bytes) -> None:
    async def dialogue(client: socket.socket, server: socket.socket) -> None:
        reading = asyncio.ensure_future(receive(server))
        for octet in octets + b"next":
            client.sendall(bytes([octet]))
            await asyncio.sleep(0)
        assert (await reading).length == len(octets)
        assert server.recv(4, socket.MSG_WAITALL) == b"next"

    on_tcp(new_loop, dialogue)


def test_a_waiting_reader_leaves_nothing_that_keeps_the_socket_readable(new_loop: NewLoop) -> None:
    async def dialogue(client: socket.socket, server: socket.socket) -> None:
        reading = asyncio.ensure_future(receive(server))
        client.sendall(V1[:20])
        for _ in range(200):  # far more turns of the loop than the reader has use for
            await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):
            server.recv(1, socket.MSG_PEEK)
        assert not reading.done()
        client.sendall(V1[20:])
        assert await reading == V1_HEADER

    on_tcp(new_loop, dialogue)


@pytest.mark.parametrize("sent", [b"", V1[:-1], SIGNATURE], ids=["nothing", "v1", "v2"])
def test_a_client_that_closes_early_is_an_error(new_loop: NewLoop, sent: bytes) -> None:
    async def dialogue(client: socket.socket, server: socket.socket) -> None:
        client.sendall(sent)
        client.close()
        with pytest.raises(ProxyError, match="closed before its PROXY header ended"):
            await receive(server)

    on_tcp(new_loop, dialogue)


def test_a_reset_is_an_error(new_loop: NewLoop) -> None:
    async def dialogue(client: socket.socket, server: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        with pytest.raises(ProxyError, match="connection lost"):
            await receive(server)

    on_tcp(new_loop, dialogue)


def test_a_silent_client_is_given_up_in_time(new_loop: NewLoop) -> None:
    async def dialogue(client: socket.socket, server: socket.socket) -> None:
        client.sendall(V1[:10])
        with pytest.raises(ProxyError, match=r"no complete PROXY header within 0\.02 s"):
            await receive(server, 0.02)
        assert not asyncio.get_running_loop().remove_reader(server)

    on_tcp(new_loop, dialogue)


def test_a_stranger_is_refused_without_consuming_a_line(new_loop: NewLoop) -> None:
    async def dialogue(client: socket.socket, server: socket.socket) -> None:
        client.sendall(b"EHLO client.example\r\n")
        with pytest.raises(ProxyError, match="is this client a proxy"):
            await receive(server)
        assert server.recv(100) == b"EHLO client.example\r\n"

    on_tcp(new_loop, dialogue)


@pytest.mark.parametrize("sizes", [(1, 500), (20, 3, 500), (45, 1, 500)])
def test_any_pieces_over_a_socket_pair_give_the_header(new_loop: NewLoop, sizes: tuple[int, ...]) -> None:
    async def run() -> None:
        client, server = socket.socketpair()
        with closing(client), closing(server):
            server.setblocking(False)
            reading = asyncio.ensure_future(receive(server))
            octets = V1 + b"EHLO"
            for size in sizes:
                client.sendall(octets[:size])
                octets = octets[size:]
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            assert await reading == V1_HEADER
            assert server.recv(100) == b"EHLO"

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())
