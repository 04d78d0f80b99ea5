# SPDX-License-Identifier: Apache-2.0
"""The tree walk: which names are asked for, which record counts, which domain is the organization's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dmarc.discovery import MOST_NAMES, MOST_QUERIES, Discovery, Found, TreeWalks, walk_names
from genkan.dmarc.record import DmarcRecord
from tests.dmarc.zones import FAILED, Zone, run

if TYPE_CHECKING:
    from tests.dmarc.zones import Names

RECORD = "v=DMARC1; p=reject"


def discovered(names: Names, domain: str) -> tuple[Discovery, list[str]]:
    zone = Zone(names)
    return run(TreeWalks(zone.lookup).discover(domain)), zone.asked


def places(names: Names, domain: str) -> tuple[str, str]:
    """Where the record stands, and the organizational domain."""
    found, _ = discovered(names, domain)
    return found.policy_domain, found.organizational_domain


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("com", ["com"]),
        ("a.mail.example.com", ["a.mail.example.com", "mail.example.com", "example.com", "com"]),
        (
            "2.3.4.5.6.7.8.a",
            ["2.3.4.5.6.7.8.a", "3.4.5.6.7.8.a", "4.5.6.7.8.a", "5.6.7.8.a", "6.7.8.a", "7.8.a", "8.a", "a"],
        ),
        (  # RFC 9989, 4.10
            "a.b.c.d.e.f.g.h.i.j.mail.example.com",
            [
                "a.b.c.d.e.f.g.h.i.j.mail.example.com",
                *("g.h.i.j.mail.example.com", "h.i.j.mail.example.com", "i.j.mail.example.com", "j.mail.example.com"),
                *("mail.example.com", "example.com", "com"),
            ],
        ),
    ],
)
def test_a_walk_goes_up_label_by_label_and_leaves_out_what_is_in_between(domain: str, expected: list[str]) -> None:
    assert list(walk_names(domain)) == expected
    assert discovered({}, domain)[1] == [f"_dmarc.{name}" for name in expected]


@given(st.lists(st.sampled_from(["a", "b", "xn--c"]), min_size=1, max_size=60))
def test_no_walk_has_more_steps_than_eight_and_it_ends_at_the_top(labels: list[str]) -> None:
    names = walk_names(".".join(labels))
    assert len(names) == min(len(labels), MOST_QUERIES)
    assert (names[0], names[-1]) == (".".join(labels), labels[-1])


@pytest.mark.parametrize(
    ("records", "domain", "expected"),
    [
        # RFC 9989, 4.10.2: three examples
        ({"mail.example.com": RECORD, "example.com": RECORD}, "a.mail.example.com", ("example.com", "example.com")),
        ({"mail.example.com": f"{RECORD}; psd=n"}, "a.mail.example.com", ("mail.example.com", "mail.example.com")),
        ({"com": f"{RECORD}; psd=y"}, "a.mail.example.com", ("com", "example.com")),
        # RFC 9989, B.4.1 and B.4.2
        ({"example.com": RECORD, "signing.example.com": RECORD}, "example.com", ("example.com", "example.com")),
        (
            {"example.com": RECORD, "signing.example.com": RECORD},
            "signing.example.com",
            ("signing.example.com", "example.com"),
        ),
        ({"example.com": RECORD}, "a.b.c.d.e.f.g.h.i.j.k.example.com", ("example.com", "example.com")),
        # RFC 9989, B.4.3
        (
            {"giant.bank.example": RECORD, "bank.example": f"{RECORD}; psd=y"},
            "giant.bank.example",
            ("giant.bank.example",) * 2,
        ),
        (
            {"giant.bank.example": RECORD, "bank.example": f"{RECORD}; psd=y"},
            "mail.giant.bank.example",
            ("giant.bank.example",) * 2,
        ),
        (
            {"giant.bank.example": RECORD, "bank.example": f"{RECORD}; psd=y"},
            "mail.mega.bank.example",
            ("bank.example", "mega.bank.example"),
        ),
        # What the rules say besides
        ({}, "a.example.com", ("", "a.example.com")),
        ({"example.com": f"{RECORD}; psd=y"}, "example.com", ("example.com", "example.com")),
        ({"example.com": f"{RECORD}; psd=n", "com": RECORD}, "a.example.com", ("example.com", "example.com")),
        ({"example.com": f"{RECORD}; psd=u", "com": RECORD}, "a.example.com", ("com", "com")),
        ({"a.b.example.com": RECORD, "b.example.com": f"{RECORD}; psd=y"}, "a.b.example.com", ("a.b.example.com",) * 2),
        ({"b.example.com": RECORD, "example.com": RECORD}, "a.b.example.com", ("example.com", "example.com")),
        ({"b.example.com": (RECORD, RECORD), "example.com": RECORD}, "b.example.com", ("example.com", "example.com")),
        (
            {"b.example.com": ("x", RECORD), "example.com": "v=spf1 -all"},
            "b.example.com",
            ("b.example.com", "b.example.com"),
        ),
    ],
)
def test_the_record_and_the_organization_are_found(records: Names, domain: str, expected: tuple[str, str]) -> None:
    assert places({f"_dmarc.{name}": texts for name, texts in records.items()}, domain) == expected


def test_a_walk_ends_where_a_record_says_what_the_domain_is() -> None:
    zone = {"_dmarc.mail.example.com": RECORD, "_dmarc.example.com": f"{RECORD}; psd=n"}
    assert discovered(zone, "mail.example.com")[1] == ["_dmarc.mail.example.com", "_dmarc.example.com"]
    assert discovered({"_dmarc.example.com": f"{RECORD}; psd=y"}, "example.com")[1] == ["_dmarc.example.com"]


def test_a_failure_leaves_open_what_is_above_it() -> None:
    own = {"_dmarc.a.example.com": RECORD, "_dmarc.example.com": FAILED}
    record = DmarcRecord("reject")
    assert discovered(own, "a.example.com") == (
        Discovery("a.example.com", "a.example.com", record, failed="_dmarc.example.com"),
        ["_dmarc.a.example.com", "_dmarc.example.com"],
    )
    first = {"_dmarc.a.example.com": FAILED, "_dmarc.example.com": RECORD}
    assert discovered(first, "a.example.com")[0] == Discovery("a.example.com", failed="_dmarc.a.example.com")


def test_walks_of_one_message_share_what_was_asked() -> None:
    zone = Zone({"_dmarc.example.com": RECORD})
    walks = TreeWalks(zone.lookup)
    for domain in ("example.com", "a.example.com", "example.com", "b.a.example.com"):
        assert run(walks.discover(domain)).organizational_domain == "example.com"
    assert zone.asked == ["_dmarc.example.com", "_dmarc.com", "_dmarc.a.example.com", "_dmarc.b.a.example.com"]


def test_one_message_asks_no_more_than_so_much() -> None:
    zone = Zone({})
    walks = TreeWalks(zone.lookup)
    for number in range(MOST_NAMES):
        run(walks.discover(f"a{number}.b{number}.test"))
    assert len(zone.asked) == MOST_NAMES
    assert run(walks.discover("other.test")).failed == "_dmarc.other.test"
    assert run(walks.find_texts("other.test")) == Found("failed")
