# SPDX-License-Identifier: Apache-2.0
"""Hosts of links, addresses in texts, and the names that are looked up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.rules.mail_hosts import MAX_HOSTS, Lookup, author_address, first_address, hosts_in

pieces = st.sampled_from(
    ["http://", "https://", "www.", "a.test", "@", ":", "/", ".", " ", "日本.jp", "192.0.2.1", "-", "<", '"', "a"]
)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("see http://Shop.Example/buy?x=1 now", ("shop.example",)),
        ('<a href="https://a.test:8080/">', ("a.test",)),
        ("http://user:secret@a.test/", ("a.test",)),
        ("http://192.0.2.1/ http://192.0.2.300/ http://1.2.3/", ("192.0.2.1",)),
        ("http://日本.jp/", ("xn--wgv71a.jp",)),
        ("http://a.test. (http://b.test)", ("a.test", "b.test")),
        ("visit www.a.test or mail ann@www.b.test", ("www.a.test",)),
        ("http://localhost http:///x https://", ()),
        ("http://a.test http://A.test", ("a.test",)),
    ],
)
def test_hosts_of_links_are_found(text: str, hosts: tuple[str, ...]) -> None:
    assert hosts_in([text]) == hosts


def test_hosts_are_bounded() -> None:
    assert len(hosts_in([f"http://h{n}.test" for n in range(1000)])) == MAX_HOSTS
    assert hosts_in(["http://-/" * 10, *(f"http://x{n}/" for n in range(1000)), "http://a.test"]) == ()


def test_a_lookup_has_a_name_in_its_zone_and_addresses_are_turned_round() -> None:
    assert Lookup("a.test", "list.test", "", True).name == "a.test.list.test"
    assert Lookup("192.0.2.1", "list.test", "", True).name == "1.2.0.192.list.test"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("write to Ann.Lee+x@Mail.In.test.", "ann.lee+x@mail.in.test"),
        ("<ann@in.test>, bob@in.test", "ann@in.test"),
        ("@ a@ @b.test a@b x@y.test", "x@y.test"),
        ("連絡先ann@in.testまで", "ann@in.test"),
        ("none", ""),
    ],
)
def test_the_first_address_in_a_text_is_found(text: str, address: str) -> None:
    assert first_address(["", text]) == address


@pytest.mark.parametrize(
    ("from_field", "address"),
    [
        ("ann@in.test (Ann)", "ann@in.test"),
        ('"bob@in.test" <Eve@out.test>', "eve@out.test"),
        ("Ann <none> ann@in.test", "ann@in.test"),
        ("", ""),
    ],
)
def test_the_address_of_the_author_is_the_one_in_brackets(from_field: str, address: str) -> None:
    assert author_address(from_field) == address


@given(st.lists(pieces, max_size=30).map("".join) | st.text(max_size=60))
def test_hosts_of_any_text_can_be_looked_up(text: str) -> None:
    for host in hosts_in([text]):
        assert host.isascii()
        assert host == host.lower()
        assert "." in host
    first_address([text])
    author_address(text)


@pytest.mark.parametrize("piece", ["@", "a@", "a@a.", "http://", "http://aaaa", "www.", "http://日本語.jp@"])
def test_hostile_text_costs_one_pass(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    hosts_in([text])
    first_address([text])
