# SPDX-License-Identifier: Apache-2.0
"""`genkan dkim`: keys are made, shown, rotated and removed, and what is to stand in the DNS is what a verifier reads there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.directory import Directory
from genkan.dkim.header_section import HeaderSection
from genkan.dkim.key_pair import read_private_key
from genkan.dkim.signing import Signer
from tests.support.dns_server import Manner
from tests.support.signed_mail import BODY, HEADER, NOW, body_hash, verify

if TYPE_CHECKING:
    from tests.admin.conftest import Installation
    from tests.support.dns_server import DnsServer

FIELDS: Final = ["domain", "selector", "algorithm", "state", "made_at", "name", "record", "zone"]
PUBLISH: Final = "publish what `genkan dkim list in.test --records` says and wait until it is seen"
SELECTOR: Final = re.compile(r"20\d{6}[re][2-9]?")


def add(installation: Installation, *words: str) -> Any:
    """Make one key, quickly; its entry."""
    (entry,) = installation.json("dkim", "add", "in.test", "--algorithm", "ed25519", *words)
    return entry


def states(installation: Installation) -> dict[str, str]:
    """State by selector."""
    return {entry["selector"]: entry["state"] for entry in installation.json("dkim", "list")}


def publish(dns: DnsServer, entry: Any) -> None:
    """Put the line for the zone file into the zone."""
    name, _, record = entry["zone"].partition(". IN TXT ")
    assert name == entry["name"]
    dns.add(f"{name} 300 TXT {record}")


# Made.


def test_a_key_of_each_kind_is_made_and_the_first_ones_sign_at_once(installation: Installation) -> None:
    entries = installation.json("dkim", "add", "IN.test")
    assert [[*entry] for entry in entries] == [FIELDS, FIELDS]
    assert [(one["domain"], one["algorithm"], one["state"]) for one in entries] == [
        ("in.test", "rsa", "signing"),
        ("in.test", "ed25519", "signing"),
    ]
    assert all(SELECTOR.fullmatch(one["selector"]) for one in entries)
    assert [one["name"] for one in entries] == [f"{one['selector']}._domainkey.in.test" for one in entries]
    assert installation.json("dkim", "list") == entries


def test_for_people_the_records_are_printed_as_lines_of_a_zone_file(installation: Installation) -> None:
    lines = installation.text("dkim", "add", "in.test", "--algorithm", "ed25519", "--selector", "A1").splitlines()
    assert lines[:2] == ["made a1 (ed25519), signing", "publish the records now:"]
    assert re.fullmatch(r'a1\._domainkey\.in\.test\. IN TXT "v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}="', lines[2])
    assert installation.text("dkim", "list", "--records").splitlines() == lines[2:]


def test_later_keys_wait_and_it_is_said_what_to_do(installation: Installation) -> None:
    first = add(installation)
    lines = installation.text("dkim", "add", "in.test", "--algorithm", "ed25519").splitlines()
    assert lines[0] == f"made {first['selector']}2 (ed25519), waiting"
    assert lines[1] == "publish the records, wait until they are seen, then: genkan dkim rotate in.test"
    assert states(installation) == {first["selector"]: "signing", f"{first['selector']}2": "waiting"}


def test_when_nobody_signs_any_more_the_next_one_does(installation: Installation) -> None:
    first = add(installation)
    installation.text("dkim", "remove", "in.test", first["selector"], "--force")
    assert add(installation)["state"] == "signing"


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_the_record_is_what_verifies_a_signature_of_the_key(installation: Installation, kind: str) -> None:
    (entry,) = installation.json("dkim", "add", "in.test", "--algorithm", kind, "--selector", "sel")
    with Directory.open(installation.config.storage_folder) as directory:
        (key,) = directory.dkim_keys.signing("in.test")
    signer = Signer(key.domain, key.selector, read_private_key(key.private_key))
    header = signer.field(HeaderSection(HEADER), body_hash(BODY), NOW) + HEADER
    (found,) = verify(header, keys={entry["name"]: (entry["record"],)}).dkim
    assert (found.outcome, found.domain) == ("pass", "in.test")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("out.test",), "out.test"),
        (("in.test", "--algorithm", "ed25519", "--selector", "a_b"), "'a_b' is no selector"),
        (("in.test", "--algorithm", "ed25519", "--selector", "sel"), "in.test has a key with the selector sel"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused(installation: Installation, words: tuple[str, ...], error: str) -> None:
    add(installation, "--selector", "sel")
    assert error in installation.refusal("dkim", "add", *words)
    assert states(installation) == {"sel": "signing"}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("dkim", "add", "in.test", "--selector", "sel"), "one selector is for one key"),
        (("dkim", "add", "in.test", "--algorithm", "dsa"), "'dsa' is not one of"),
        (("dkim", "add"), "Missing argument 'DOMAIN'"),
        (("dkim", "remove", "in.test"), "Missing argument 'SELECTOR'"),
    ],
)
def test_a_command_line_that_is_wrong_makes_nothing(
    installation: Installation, words: tuple[str, ...], error: str
) -> None:
    assert error in installation.misuse(*words)
    assert states(installation) == {}


# Shown.


def test_keys_are_listed_for_people_and_of_a_domain_alone(installation: Installation) -> None:
    entry = add(installation, "--selector", "sel")
    installation.text("domain", "add", "in2.test")
    installation.text("dkim", "add", "in2.test", "--algorithm", "ed25519", "--selector", "two")
    head, first, second = installation.text("dkim", "list").splitlines()
    assert head.split() == ["domain", "selector", "algorithm", "state", "made"]
    assert first.split()[:4] == ["in.test", "sel", "ed25519", "signing"]
    assert second.split()[:4] == ["in2.test", "two", "ed25519", "signing"]
    assert installation.json("dkim", "list", "IN.test") == [entry]


def test_where_there_is_no_key_it_is_said_how_to_make_one(installation: Installation) -> None:
    result = installation.call("dkim", "list")
    assert (result.exit_code, result.stderr) == (0, "no key yet; make one with: genkan dkim add DOMAIN\n")
    assert installation.json("dkim", "list") == []


def test_that_nothing_is_signed_is_said_beside_the_keys(installation: Installation) -> None:
    add(installation)
    installation.set("sign = true", "sign = false")
    assert installation.text("dkim", "list").splitlines()[-1] == "nothing is signed: dkim.sign is false"


def test_the_private_half_is_never_shown(installation: Installation) -> None:
    shown = [
        installation.text("dkim", "add", "in.test", "--algorithm", "ed25519"),
        installation.text("dkim", "add", "in.test", "--algorithm", "ed25519", "--json"),
        *(installation.text("dkim", "list", *words) for words in ((), ("--json",), ("--records",))),
        installation.text("dkim", "rotate", "in.test", "--unseen", "--json"),
    ]
    assert [text for text in shown if "PRIVATE" in text or "private" in text] == []


# Rotated.


def test_a_key_signs_once_its_record_is_seen_and_the_former_one_is_kept(
    installation: Installation, dns: DnsServer
) -> None:
    add(installation, "--selector", "one")
    publish(dns, add(installation, "--selector", "two"))
    entries = installation.json("dkim", "rotate", "in.test")
    assert [(entry["selector"], entry["state"]) for entry in entries] == [("one", "retired"), ("two", "signing")]
    assert [[*entry] for entry in entries] == [FIELDS, FIELDS]


def test_a_record_in_several_strings_is_seen_as_one(installation: Installation, dns: DnsServer) -> None:
    add(installation, "--selector", "one")
    (entry,) = installation.json("dkim", "add", "in.test", "--algorithm", "rsa", "--selector", "two")
    assert len(entry["record"]) > 255
    assert entry["zone"].count('"') == 4
    publish(dns, entry)
    assert installation.text("dkim", "rotate", "in.test").splitlines() == [
        "one (ed25519): signing",
        "two (rsa): signing",
    ]


def test_only_keys_of_a_kind_that_has_a_successor_are_retired(installation: Installation) -> None:
    installation.text("dkim", "add", "in.test", "--algorithm", "rsa", "--selector", "rsa")
    add(installation, "--selector", "one")
    installation.text("dkim", "rotate", "in.test", "--unseen")
    add(installation, "--selector", "two")
    installation.text("dkim", "rotate", "in.test", "--unseen")
    assert states(installation) == {"rsa": "signing", "one": "retired", "two": "signing"}


def test_a_record_that_is_written_otherwise_is_seen_as_well(installation: Installation, dns: DnsServer) -> None:
    add(installation, "--selector", "one")
    record = add(installation, "--selector", "two")["record"]
    blank = record.rindex("p=") + 12
    other = record[:blank] + " " + record[blank:]
    dns.add(f'two._domainkey.in.test 300 TXT "{other.replace("; ", ";")}; t=s"')
    installation.text("dkim", "rotate", "in.test")
    assert states(installation) == {"one": "retired", "two": "signing"}


@pytest.mark.parametrize(
    ("zone", "rcode", "error", "remedy"),
    [
        ("", "", "two._domainkey.in.test has no TXT record in the DNS", PUBLISH),
        (
            'two._domainkey.in.test 300 TXT "v=DKIM1; p="',
            "",
            "two._domainkey.in.test has another TXT record in the DNS",
            PUBLISH,
        ),
        ("", "SERVFAIL", "the DNS does not answer for two._domainkey.in.test (", "mend dns.servers or the zone"),
    ],
    ids=["none", "another", "failure"],
)
def test_a_record_that_is_not_seen_keeps_the_keys_as_they_are(
    installation: Installation, dns: DnsServer, zone: str, rcode: str, error: str, remedy: str
) -> None:
    add(installation, "--selector", "one")
    add(installation, "--selector", "two")
    dns.add(zone)
    if rcode:
        dns.treat("two._domainkey.in.test", Manner(rcode=rcode))
    refusal = installation.refusal("dkim", "rotate", "in.test")
    assert refusal.startswith(error)
    assert refusal.endswith(f"; {remedy}, or give --unseen")
    assert states(installation) == {"one": "signing", "two": "waiting"}
    installation.text("dkim", "rotate", "in.test", "--unseen")
    assert states(installation) == {"one": "retired", "two": "signing"}


def test_each_of_the_keys_that_wait_has_to_be_seen(installation: Installation, dns: DnsServer) -> None:
    add(installation, "--selector", "one")
    publish(dns, add(installation, "--selector", "two"))
    three = add(installation, "--selector", "three")
    assert installation.refusal("dkim", "rotate", "in.test").startswith("three._domainkey.in.test has no TXT record")
    publish(dns, three)
    installation.text("dkim", "rotate", "IN.test")
    assert states(installation) == {"one": "retired", "two": "signing", "three": "signing"}


@pytest.mark.usefixtures("dns")
@pytest.mark.parametrize("domain", ["in.test", "out.test"])
def test_without_a_key_that_waits_nothing_is_rotated(installation: Installation, domain: str) -> None:
    add(installation, "--selector", "one")
    assert installation.refusal("dkim", "rotate", domain) == (
        f"no key of {domain} waits to be used; make one with: genkan dkim add {domain}"
    )
    assert states(installation) == {"one": "signing"}


# Removed.


def test_a_key_is_forgotten_for_good(installation: Installation) -> None:
    for selector in ("one", "two", "three"):
        add(installation, "--selector", selector)
    assert installation.json("dkim", "remove", "in.test", "two") == {"domain": "in.test", "removed": "two"}
    assert installation.text("dkim", "remove", "in.test", "THREE") == "removed THREE of in.test\n"
    assert states(installation) == {"one": "signing"}


def test_the_only_key_that_signs_goes_by_force_alone(installation: Installation) -> None:
    add(installation, "--selector", "one")
    add(installation, "--selector", "two")
    assert installation.refusal("dkim", "remove", "IN.test", "ONE") == (
        "ONE is the only key that signs for in.test, and without it nothing is signed; make another and use it first "
        "(genkan dkim add in.test, genkan dkim rotate in.test), or give --force"
    )
    assert states(installation) == {"one": "signing", "two": "waiting"}
    installation.text("dkim", "remove", "in.test", "one", "--force")
    assert states(installation) == {"two": "waiting"}


def test_one_of_two_keys_that_sign_may_go(installation: Installation) -> None:
    installation.text("dkim", "add", "in.test")
    one, other = states(installation)
    installation.text("dkim", "remove", "in.test", one)
    assert states(installation) == {other: "signing"}


def test_what_is_not_there_cannot_be_removed(installation: Installation) -> None:
    error = installation.refusal("dkim", "remove", "in.test", "one")
    assert error == "in.test has no key with the selector one; see: genkan dkim list"
