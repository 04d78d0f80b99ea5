# SPDX-License-Identifier: Apache-2.0
"""Who gets reports: addresses of the domain's own organization, and others that said that they want them (RFC 9990, 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.dmarc.destinations import MOST_DESTINATIONS, Destinations, Refused, find_destinations, parse_mailto
from genkan.dmarc.discovery import TreeWalks
from genkan.smtp.address import Mailbox
from tests.dmarc.zones import FAILED, Zone, run

if TYPE_CHECKING:
    from tests.dmarc.zones import Names

RED = "mailto:reports@red.example.net"
CONSENT = "blue.example.com._report._dmarc.red.example.net"


def found(names: Names, *rua: str, domain: str = "blue.example.com") -> Destinations:
    return run(find_destinations(domain, rua, TreeWalks(Zone(names).lookup)))


@pytest.mark.parametrize(
    ("uri", "mailbox"),
    [
        ("mailto:a@example.com", Mailbox("a", "example.com")),
        ("MailTo:a%2Bb%21@example.com?subject=x&to=b@c", Mailbox("a+b!", "example.com")),
        ("mailto:a@example.com,b@example.com", None),
        ("mailto:a%2Cb@example.com", None),
        ("mailto:", None),
        ("mailto:%ff@example.com", None),
        ("mailto:a@example.com%0d%0aX:", None),
        ("https://example.com/a@example.com", None),
        ("a@example.com", None),
    ],
)
def test_a_mailto_uri_has_one_address(uri: str, mailbox: Mailbox | None) -> None:
    assert parse_mailto(uri) == mailbox


def test_addresses_of_the_same_organization_need_no_consent() -> None:
    zone = {"_dmarc.example.com": "v=DMARC1; p=none", "_dmarc.blue.example.com": "v=DMARC1; p=reject"}
    uris = ("mailto:a@blue.example.com", "mailto:a@example.com", "mailto:a@GREEN.example.com", "mailto:a@example.com")
    assert found(zone, *uris) == Destinations(
        (Mailbox("a", "blue.example.com"), Mailbox("a", "example.com"), Mailbox("a", "GREEN.example.com"))
    )


def test_others_have_to_consent() -> None:
    mailbox = Mailbox("reports", "red.example.net")
    assert found({CONSENT: "v=DMARC1"}, RED) == Destinations((mailbox,))
    assert found({CONSENT: ("x", "v=DMARC1;", "v=DMARC1; p=none")}, RED) == Destinations((mailbox,))
    words = f"red.example.net does not say at {CONSENT} that it wants reports about blue.example.com"
    for texts in ((), "v=spf1 -all", "v=DMARC2", "x v=DMARC1"):
        assert found({CONSENT: texts}, RED) == Destinations((), (Refused(RED, words),))
    assert found({}, RED) == Destinations((), (Refused(RED, words),))


def test_who_consents_may_name_another_address_of_its_own() -> None:
    other = (Mailbox("other", "red.example.net"),)
    assert found({CONSENT: "v=DMARC1; rua=mailto:other@red.example.net"}, RED) == Destinations(other)
    for uris in (
        "mailto:x@victim.test",
        "mailto:other@red.example.net,mailto:x@victim.test",
        "https://red.example.net/",
    ):
        refused = Refused(RED, "red.example.net names addresses elsewhere in its place")
        assert found({CONSENT: f"v=DMARC1; rua={uris}"}, RED) == Destinations((), (refused,))


@pytest.mark.parametrize("failing", [CONSENT, "_dmarc.red.example.net", "_dmarc.blue.example.com", "_dmarc.com"])
def test_what_the_dns_does_not_say_may_be_asked_again(failing: str) -> None:
    assert found({CONSENT: "v=DMARC1", failing: FAILED}, RED) == Destinations((), (), (RED,))


def test_what_is_no_address_is_left_out_and_the_rest_counts() -> None:
    assert found({}, "https://x.test/", "mailto:a@[192.0.2.1]", "mailto:a@blue.example.com") == Destinations(
        (Mailbox("a", "blue.example.com"),),
        (Refused("https://x.test/", "it is no mailto address"), Refused("mailto:a@[192.0.2.1]", "its domain is none")),
    )


def test_a_name_that_would_be_too_long_is_no_consent() -> None:
    domain = ".".join(["a" * 60] * 4)
    answer = found({}, RED, domain=domain)
    assert [refused.uri for refused in answer.refused] == [RED]
    assert answer.refused[0].reason.endswith("is too long a name to ask for")


def test_only_so_many_get_a_report() -> None:
    uris = [f"mailto:a{number}@blue.example.com" for number in range(MOST_DESTINATIONS + 2)]
    answer = found({}, *uris)
    assert len(answer.mailboxes) == MOST_DESTINATIONS
    assert [refused.uri for refused in answer.refused] == uris[MOST_DESTINATIONS:]
    many = ",".join(f"mailto:a{number}@red.example.net" for number in range(20))
    assert len(found({CONSENT: f"v=DMARC1; rua={many}"}, RED).mailboxes) == MOST_DESTINATIONS
