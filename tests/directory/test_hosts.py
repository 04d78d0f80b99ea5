# SPDX-License-Identifier: Apache-2.0
"""Hosts and ports as operators write them, and what is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.directory.errors import InvalidValue
from genkan.directory.hosts import is_loopback, parse_host, parse_place, place_text


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("MX.In.Test", ("mx.in.test", None)),
        ("mx.in.test:2525", ("mx.in.test", 2525)),
        ("localhost:1", ("localhost", 1)),
        ("192.0.2.1:65535", ("192.0.2.1", 65535)),
        ("[2001:DB8:0::1]", ("2001:db8::1", None)),
        ("[2001:db8::1]:24", ("2001:db8::1", 24)),
        ("bücher.test", ("xn--bcher-kva.test", None)),
    ],
)
def test_a_place_is_read_and_folded(text: str, place: tuple[str, int | None]) -> None:
    assert parse_place(text) == place
    assert parse_place(place_text(*place)) == place


@pytest.mark.parametrize(
    "text",
    [
        *("", ":25", "mx.in.test:", "mx.in.test:0", "mx.in.test:65536", "mx.in.test:123456", "mx.in.test:+1"),
        *("2001:db8::1", "[192.0.2.1]", "[mx.in.test]", "[fe80::1%eth0]", "[]", "[::1", "192.0.2", "192.0.2.1.5"),
        *("mx in.test", "ann@in.test", "-mx.test", "mx..test", "mx.in.test.", "a/b", "x" * 300),
    ],
)
def test_what_is_no_host_or_port_says_how_to_write_one(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"write HOST or HOST:PORT, as in mx\.in\.test:25"):
        parse_place(text)


@given(st.ip_addresses().map(str) | st.just("mx.in.test"), st.none() | st.integers(1, 65535))
def test_what_is_written_is_read_again(host: str, port: int | None) -> None:
    assert parse_place(place_text(host, port)) == (host, port)


def test_only_localhost_and_loopback_addresses_are_this_machine() -> None:
    assert [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1")] == [True, True, True]
    assert [is_loopback(host) for host in ("localhost.in.test", "192.0.2.1", "::", parse_host("mx.in.test"))] == [
        False,
        False,
        False,
        False,
    ]
