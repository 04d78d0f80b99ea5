# SPDX-License-Identifier: Apache-2.0
"""Client addresses in rules: every writing, what it matches, and that the index finds what a plain search finds."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.rules.clients import (
    EVERY_CLIENT,
    NOWHERE,
    ClientIndex,
    ClientPattern,
    client_of,
    is_loopback,
    parse_client_pattern,
)
from genkan.rules.reading import LineError

octets = st.integers(0, 255) | st.sampled_from([0, 1, 10, 192])
ipv4 = st.tuples(octets, octets, octets, octets).map(lambda parts: ".".join(map(str, parts)))
wildcards = st.tuples(*[octets.map(str) | st.just("*")] * 4).map(".".join)
ipv6 = st.integers(0, 2**128 - 1).map(lambda number: str(ip_address(number | 1 << 127)))
patterns = st.one_of(
    ipv4,
    wildcards,
    ipv6,
    st.tuples(ipv4, st.integers(0, 32)).map(lambda both: f"{both[0]}/{both[1]}"),
    st.tuples(ipv6, st.integers(0, 128)).map(lambda both: f"{both[0]}/{both[1]}"),
)


def matches(pattern: str, client_address: str) -> bool:
    index = ClientIndex([(0, parse_client_pattern(pattern))])
    return index.first(client_of(client_address)) == 0


def plainly_matches(pattern: str, client_address: str) -> bool:
    """The same, by comparing texts and networks."""
    client = ip_address(client_address)
    client = getattr(client, "ipv4_mapped", None) or client
    if pattern in ("*", "*.*.*.*"):
        return True
    if "*" in pattern:
        parts = str(client).split(".")
        return len(parts) == 4 and all(a in ("*", b) for a, b in zip(pattern.split("."), parts, strict=True))
    return client in ip_network(pattern, strict=False)


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("192.168.*.*", "192.168.7.9", "192.169.7.9"),
        ("10.*.*.*", "10.255.0.1", "11.0.0.1"),
        ("192.168.1.*", "192.168.1.200", "192.168.2.200"),
        ("10.*.3.*", "10.9.3.9", "10.9.4.9"),
        ("192.168.1.0/28", "192.168.1.15", "192.168.1.16"),
        ("192.168.1.5/28", "192.168.1.15", "192.168.1.16"),
        ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ("2001:DB8::1", "2001:db8:0:0::1", "2001:db8::2"),
        ("::/0", "2001:db8::1", "203.0.113.1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9"),
    ],
)
def test_a_pattern_matches_what_it_says(pattern: str, inside: str, outside: str) -> None:
    assert (matches(pattern, inside), matches(pattern, outside)) == (True, False)


@pytest.mark.parametrize("pattern", ["*", "*.*.*.*"])
@pytest.mark.parametrize("client_address", ["192.0.2.1", "2001:db8::1", "::1", "no address"])
def test_bare_asterisks_match_every_client(pattern: str, client_address: str) -> None:
    assert matches(pattern, client_address)


def test_an_ipv4_client_that_comes_over_ipv6_is_judged_as_ipv4() -> None:
    assert client_of("::ffff:192.0.2.1") == client_of("192.0.2.1")
    assert matches("192.0.2.*", "::ffff:192.0.2.1")
    assert not matches("::/0", "::ffff:192.0.2.1")


def test_the_interface_behind_a_link_local_client_is_not_compared() -> None:
    assert matches("fe80::1", "fe80::1%eth0")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "192.168.1",
        "192.168.1.1.1",
        "192.168.1.256",
        "192.168.01.1",
        "192.168.1.1*",
        "192.168.1.-1",
        "192.168.1.1/33",
        "192.168.1.1/",
        "192.168.1.0/255.255.255.0",
        "192.168.*.*/16",
        "*.*.*.*/0",
        "１０.0.0.1",
        "2001:db8::/129",
        "2001:db8::g",
        "2001:db8:::1",
        "fe80::1%eth0",
        ":",
    ],
)
def test_what_is_no_pattern_says_how_to_write_one(pattern: str) -> None:
    with pytest.raises(LineError, match="has '") as caught:
        parse_client_pattern(pattern)
    assert caught.value.remedy.startswith("write it as in 192")


def test_loopback_is_known_in_both_versions() -> None:
    loopback = [is_loopback(client_of(address)) for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")]
    assert loopback == [True] * 4
    assert not is_loopback(client_of("128.0.0.1"))
    assert not is_loopback(client_of("::2"))
    assert not is_loopback(EVERY_CLIENT)


@pytest.mark.parametrize(
    ("pattern", "length"),
    [("*", 0), ("*.1.1.1", 0), ("10.*.*.*", 8), ("10.0.0.0/7", 7), ("10.1.1.1", 32), ("2001:db8::/32", 32)],
)
def test_the_prefix_length_counts_the_leading_bits_that_are_fixed(pattern: str, length: int) -> None:
    assert parse_client_pattern(pattern).prefix_length() == length


@given(patterns, ipv4 | ipv6 | ipv4.map("::ffff:{}".format))
def test_matching_is_what_comparing_text_and_networks_gives(pattern: str, client_address: str) -> None:
    assert matches(pattern, client_address) == plainly_matches(pattern, client_address)


@given(patterns)
def test_a_pattern_is_written_as_it_is_read(pattern: str) -> None:
    parsed = parse_client_pattern(pattern)
    assert parse_client_pattern(str(parsed)) == parsed


@given(st.lists(patterns, max_size=30), ipv4)
def test_the_index_finds_the_first_pattern_that_matches(written: list[str], client_address: str) -> None:
    index = ClientIndex((position, parse_client_pattern(pattern)) for position, pattern in enumerate(written))
    matching = [at for at, pattern in enumerate(written) if plainly_matches(pattern, client_address)]
    assert index.first(client_of(client_address)) == min(matching, default=NOWHERE)
    each = {parse_client_pattern(written[at]) for at in matching}
    assert sorted(index.each(client_of(client_address))) == sorted(
        min(at for at in matching if parse_client_pattern(written[at]) == pattern) for pattern in each
    )


@given(patterns, patterns)
def test_a_pattern_covers_another_when_no_client_of_that_one_is_outside(wide: str, narrow: str) -> None:
    covers = ClientIndex([(0, parse_client_pattern(wide))]).first(parse_client_pattern(narrow)) == 0
    inside = [str(client) for client in _some_clients(parse_client_pattern(narrow))]
    if covers:
        assert all(plainly_matches(wide, client) for client in inside)


def _some_clients(pattern: ClientPattern) -> list[object]:
    """Clients of a pattern at its edges."""
    if pattern.version == 0:
        return [ip_address("192.0.2.1"), ip_address("2001:db8::1")]
    everything = (1 << (32 if pattern.version == 4 else 128)) - 1
    edges = (pattern.value, pattern.value | everything ^ pattern.mask)
    kind = type(ip_address("0.0.0.0" if pattern.version == 4 else "::"))  # noqa: S104  # an address to compare
    return [kind(number) for number in edges]
