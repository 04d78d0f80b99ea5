# SPDX-License-Identifier: Apache-2.0
"""What `genkan doctor` says of DKIM keys: ours against the DNS, and those of others by their selectors."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from genkan.admin.dkim_operations import KeyEntry
from genkan.admin.doctor_dkim import check_dkim
from genkan.dkim.key_pair import zone_text
from tests.admin.doctoring import HOME, patient
from tests.support.dns_server import Manner
from tests.support.server import START
from tests.support.signed_mail import key_of

if TYPE_CHECKING:
    from genkan.admin.doctor_case import Home
    from genkan.directory.dkim_keys import KeyState

NAME: Final = "s1._domainkey.in.test"
RECORD: Final = key_of().record
ZONE: Final = f"{NAME}. IN TXT {zone_text(RECORD)}"
CAN_BE_USED: Final = "ok: the key s1 can be used (rsa, 2048 bits)"


def key(state: KeyState = "signing", age: timedelta = timedelta()) -> KeyEntry:
    return KeyEntry("in.test", "s1", "rsa", state, START - age, NAME, RECORD, ZONE)


def home_with(*keys: KeyEntry) -> Home:
    return replace(HOME, keys=keys)


def published(*texts: str) -> str:
    return "".join(f"{NAME} 60 TXT {zone_text(text)}\n" for text in texts)


def said(zone: str, home: Home | None = None, *selectors: str) -> list[str]:
    with patient(f"in.test 60 A 192.0.2.1\n{zone}", home) as one:
        return one.changed(selectors=selectors).said(check_dkim)


def rsa_record(bits: int) -> str:
    """A record for a number of so many bits; that nobody knows its factors does not matter here."""
    public = RSAPublicNumbers(65537, (1 << bits) - 1).public_key()
    return f"v=DKIM1; p={b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()}"


@pytest.mark.parametrize(
    "text", [RECORD, RECORD.replace("; ", ";"), RECORD.replace("k=rsa; ", ""), f"{RECORD[:100]} {RECORD[100:]};"]
)
def test_a_signing_key_that_is_published_is_fine_however_it_is_written(text: str) -> None:
    lines = said(published(text), home_with(key()))
    assert lines == ["ok: the signing key s1 (rsa) is published", CAN_BE_USED]


def test_a_signing_key_that_is_not_published_is_an_error_with_its_record() -> None:
    assert said("", home_with(key())) == [
        "error: the signing key s1 (rsa) is not published; publish this and nothing else there",
        ZONE,
    ]


def test_a_signing_key_in_whose_place_another_stands_is_an_error() -> None:
    assert said(published(rsa_record(2048)), home_with(key())) == [
        "error: the signing key s1 (rsa) has another record in the DNS; publish this and nothing else there",
        ZONE,
    ]


def test_a_key_whose_zone_fails_is_a_warning() -> None:
    with patient("in.test 60 A 192.0.2.1", home_with(key())) as one:
        one.server.treat(NAME, Manner(rcode="SERVFAIL"))
        (line,) = one.said(check_dkim)
    assert line.startswith("warning: the signing key s1 (rsa) cannot be compared: ")


def test_a_waiting_key_that_is_seen_may_be_used_and_another_has_to_be_published() -> None:
    home = home_with(key(), replace(key("waiting"), selector="s2", name="s2._domainkey.in.test"))
    assert said(published(RECORD), home)[2:] == [
        "note: the waiting key s2 (rsa) is not published; publish this and nothing else there",
        ZONE,
    ]
    seen = published(RECORD) + published(RECORD).replace("s1.", "s2.", 1)
    assert said(seen, home)[2:] == [
        "ok: the waiting key s2 (rsa) is published",
        "ok: the key s2 can be used (rsa, 2048 bits)",
        "note: the waiting key s2 (rsa) may be used now; run: genkan dkim rotate in.test",
    ]


@pytest.mark.parametrize("zone", ["", published(RECORD)])
def test_an_old_retired_key_may_go(zone: str) -> None:
    home = home_with(replace(key(), selector="s0"), key("retired", timedelta(days=8)))
    assert said(zone, home)[-1] == (
        "note: the retired key s1 is kept; a week after the last rotation, remove its record and run: "
        "genkan dkim remove in.test s1"
    )


def test_a_key_retired_lately_has_to_stay_published() -> None:
    home = home_with(key("retired", timedelta(days=6)))
    without_key = "warning: no key signs the domain's mail; make keys: genkan dkim add in.test"
    assert said(published(RECORD), home) == [without_key]
    assert said("", home) == [
        without_key,
        (
            "warning: the retired key s1 is not published, and mail signed with it may be on its way; "
            "publish this for a week"
        ),
        ZONE,
    ]


def test_keys_that_not_everybody_knows_are_not_enough() -> None:
    other = key_of("ed25519").record
    entry = replace(key(), algorithm="ed25519", record=other)
    assert said(published(other), home_with(entry))[0] == (
        "warning: no key that signs is an RSA one, and not every receiver knows others; "
        "add one beside them: genkan dkim add in.test --algorithm rsa"
    )


def test_a_domain_of_ours_without_keys_or_signatures_is_told_so() -> None:
    assert said("", replace(HOME, signs=False)) == [
        "warning: dkim.sign is false: no mail is signed; set it to true",
        "warning: no key signs the domain's mail; make keys: genkan dkim add in.test",
    ]


def test_the_keys_of_others_are_not_known_without_selectors() -> None:
    assert said("") == [
        (
            "note: the keys of others are known by their selectors only; "
            "give --selector with the s= of its DKIM-Signature fields"
        )
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (RECORD, [CAN_BE_USED]),
        (key_of("ed25519").record, ["ok: the key s1 can be used (ed25519, 256 bits)"]),
        (rsa_record(1024), ["warning: the key s1 has 1024 bits; make one of 2048"]),
        (
            rsa_record(1000),
            ["error: s1: the key has 1000 bits; publish a record that `genkan dkim list --records` would make"],
        ),
        ("v=DKIM1; p=", ["warning: the key s1 is revoked (p= is empty); sign with another, or remove the record"]),
        (
            f"{RECORD}; t=y",
            [CAN_BE_USED, "warning: s1 says t=y: receivers may ignore its signatures; take t=y out"],
        ),
        (
            "v=DKIM1; p=AAAA",
            ["error: s1: the key cannot be read; publish a record that `genkan dkim list --records` would make"],
        ),
        (
            "not a record",
            ["error: s1: the key record is no tag list; publish a record that `genkan dkim list --records` would make"],
        ),
    ],
    ids=["rsa", "ed25519", "short", "too short", "revoked", "testing", "unreadable", "no record"],
)
def test_the_key_of_a_selector_is_judged(text: str, lines: list[str]) -> None:
    assert said(published(text), None, "s1") == lines


def test_several_records_of_a_selector_are_a_warning() -> None:
    assert said(published(RECORD, rsa_record(2048)), None, "s1")[0] == (
        "warning: s1 has 2 TXT records, and which one counts is nobody's to say; keep one"
    )


def test_a_selector_without_a_key_is_an_error() -> None:
    assert said("", None, "s1", "s2") == [
        "error: there is no key s1; publish its record, or correct the selector",
        "error: there is no key s2; publish its record, or correct the selector",
    ]


def test_a_selector_whose_zone_fails_is_a_warning() -> None:
    with patient("in.test 60 A 192.0.2.1") as one:
        one.server.treat(NAME, Manner(rcode="REFUSED"))
        (line,) = one.changed(selectors=("s1",)).said(check_dkim)
    assert line.startswith("warning: the key s1 cannot be had: ")


def test_a_selector_of_our_own_is_looked_at_once() -> None:
    assert said(published(RECORD), home_with(key()), "s1") == [
        "ok: the signing key s1 (rsa) is published",
        CAN_BE_USED,
    ]
