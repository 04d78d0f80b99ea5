# SPDX-License-Identifier: Apache-2.0
"""How next hops are spoken to: which name counts, what is kept, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import InvalidValue, NotFound
from genkan.directory.hops import Hop

if TYPE_CHECKING:
    from genkan.directory import Directory
    from genkan.directory.hops import HopFields


def test_the_closest_name_counts_and_counts_whole(directory: Directory) -> None:
    hops = directory.hops
    hops.set("out.test", tls="required", connections=2)
    hops.set("MX.out.test", source="192.0.2.1")
    hops.set("mx.out.test:587", username="ann", password="open sesame")
    assert hops.find("mx.out.test", 587, "out.test") == Hop("mx.out.test:587", username="ann", password="open sesame")
    assert hops.find("Mx.Out.test", 25, "out.test") == Hop("mx.out.test", source="192.0.2.1")
    assert hops.find("mx2.out.test", 25, "OUT.test") == Hop("out.test", tls="required", connections=2)
    assert hops.find("", 25, "out.test") == Hop("out.test", tls="required", connections=2)
    assert hops.find("mx2.out.test", 25) == Hop("")


def test_an_ipv6_address_has_brackets_in_its_name_only(directory: Directory) -> None:
    directory.hops.set("[2001:DB8::0:1]:24", tls="none")
    assert directory.hops.find("2001:db8::1", 24) == Hop("[2001:db8::1]:24", tls="none")
    assert directory.hops.find("2001:db8::1", 25) == Hop("")


def test_only_what_is_given_changes(directory: Directory) -> None:
    directory.hops.set("mx.out.test", tls="verified", username="ann", password="open sesame")
    directory.hops.set("mx.out.test", tls="", connections=3)
    found = Hop("mx.out.test", "", "", "ann", "open sesame", 3)
    assert directory.hops.list() == (found,)
    assert directory.hops.set("mx.out.test", username="", password=None) == Hop("mx.out.test", connections=3)


def test_a_change_counts_at_once_also_for_other_processes(directory: Directory, elsewhere: Directory) -> None:
    assert elsewhere.hops.find("mx.out.test", 25) == Hop("")
    directory.hops.set("mx.out.test", tls="none")
    elsewhere.refresh()
    assert elsewhere.hops.find("mx.out.test", 25).tls == "none"
    directory.hops.remove("MX.out.test")
    elsewhere.refresh()
    assert elsewhere.hops.find("mx.out.test", 25) == Hop("")


def test_a_password_is_not_in_what_could_be_logged(directory: Directory) -> None:
    hop = directory.hops.set("mx.out.test", username="ann", password="open sesame")
    assert "sesame" not in f"{hop!r} {hop}"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"tls": "always"}, "'always' is no TLS policy; give one of none, opportunistic, required, verified"),
        ({"source": "mx.in.test"}, "'mx.in.test' is no IP address to connect from"),
        ({"source": "::"}, ":: is no address to connect from; give one of this machine's"),
        ({"source": "fe80::1%eth0"}, "fe80::1%eth0 is no address to connect from"),
        ({"connections": 0}, "0 connections cannot be; give a number from 1 to 1000"),
        ({"connections": 1001}, "1001 connections cannot be"),
        ({"username": "ann"}, "AUTH as ann needs a password; give it with --password-stdin"),
        ({"username": "a\0b", "password": "x"}, "the name for AUTH is not usable"),
        ({"username": "a" * 501, "password": "x"}, "the name for AUTH is not usable"),
        ({"password": ""}, "the password is not usable; give 1 to 500 printable characters on one line"),
        ({"password": "x\ny"}, "the password is not usable"),
    ],
)
def test_what_cannot_be_says_what_to_give_and_changes_nothing(
    directory: Directory, fields: HopFields, error: str
) -> None:
    with pytest.raises(InvalidValue) as raised:
        directory.hops.set("mx.out.test", **fields)
    assert str(raised.value).startswith(error)
    assert directory.hops.list() == ()


def test_a_name_is_a_host_or_a_domain(directory: Directory) -> None:
    for name in ("", "ann@in.test", "*.in.test", "https://in.test/"):
        with pytest.raises(InvalidValue, match="write HOST or HOST:PORT"):
            directory.hops.set(name, tls="none")


def test_a_next_hop_that_is_not_set_cannot_be_removed(directory: Directory) -> None:
    with pytest.raises(NotFound, match=r"nothing is set for the next hop mx\.out\.test; see: genkan hop list"):
        directory.hops.remove("mx.out.test")
