# SPDX-License-Identifier: Apache-2.0
"""Key records: which keys count, which do not and why, and that no record costs much."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from time import process_time
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from genkan.dkim.key_record import LONGEST_RECORD, MOST_RECORDS, NoKey, keys_for, parse_key
from tests.support.signed_mail import key_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from genkan.dkim.key_pair import KeyKind
    from genkan.dkim.key_record import KeyText

RSA = key_of().record.removeprefix("v=DKIM1; k=rsa; ")
DIGEST = sha256(b"").digest()


def record(key: RSAPublicKey | EllipticCurvePublicKey, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    return f"p={b64encode(key.public_bytes(Encoding.DER, form)).decode()}"


def rsa_record(bits: int, exponent: int = 65537) -> str:
    """A record for a number of so many bits; that nobody knows its factors does not matter here."""
    return record(RSAPublicNumbers(exponent, (1 << bits) - 1).public_key())


def refused(text: str) -> tuple[str, str]:
    with pytest.raises(NoKey) as raised:
        parse_key(text)
    return raised.value.outcome, str(raised.value)


@pytest.mark.parametrize(("kind", "bits"), [("rsa", 2048), ("ed25519", 256)])
def test_a_key_verifies_what_was_signed_with_its_private_half(kind: KeyKind, bits: int) -> None:
    pair = key_of(kind)
    key = parse_key(pair.record)
    assert (key.bits, key.testing, key.strict) == (bits, False, False)
    assert key.verifies(pair.sign(DIGEST), DIGEST)
    assert not key.verifies(pair.sign(DIGEST), sha256(b"other").digest())
    assert not key.verifies(b"short", DIGEST)


def test_a_bare_rsa_key_is_read_as_well() -> None:
    key = parse_key(record(key_of().private.public_key(), PublicFormat.PKCS1))  # type: ignore[arg-type]  # it is RSA
    assert key.verifies(key_of().sign(DIGEST), DIGEST)


@pytest.mark.parametrize(
    ("text", "testing", "strict"),
    [
        (RSA, False, False),
        (f"v=DKIM1; {RSA}; n=for you; g=*; s=*; h=sha1:sha256", False, False),
        (f"k=rsa; s=tlsrpt:email; t=y:s; {RSA}", True, True),
        (f"t=y; {RSA}", True, False),
        (f"t=; {RSA};", False, False),
        (RSA.replace("A", "A ", 3), False, False),
    ],
)
def test_a_record_says_what_its_tags_say(text: str, testing: bool, strict: bool) -> None:
    key = parse_key(text)
    assert (key.algorithm, key.testing, key.strict) == ("rsa-sha256", testing, strict)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("v=spf1 -all", "the key record is of another version"),
        ("hello", "the key record is no tag list"),
        ("", "the key record has no key"),
        (f"{RSA}; v=DKIM1", "the key record is of another version"),
        (f"v=DKIM2; {RSA}", "the key record is of another version"),
        (f"h=sha1; {RSA}", "the key is for another hash"),
        (f"s=tlsrpt; {RSA}", "the key is not for mail"),
        (f"k=dsa; {RSA}", "the key is of a kind that is not known"),
        (f"k=ed25519; {RSA}", "the key cannot be read"),
        ("p=", "the key is revoked"),
        ("p= ;", "the key is revoked"),
        ("p=AAAA", "the key cannot be read"),
        ("p=?", "the key cannot be read"),
        (record(generate_ec_key(SECP256R1()).public_key()), "the key cannot be used"),
        (rsa_record(2048, (1 << 40) + 1), "the key cannot be used"),
        ("p=" + "A" * LONGEST_RECORD, "the key record is too long"),
    ],
)
def test_a_record_without_a_usable_key_is_a_permanent_error(text: str, reason: str) -> None:
    assert refused(text) == ("permerror", reason)


@pytest.mark.parametrize("bits", [1023, 4104])
def test_a_key_of_too_few_or_too_many_bits_does_not_count(bits: int) -> None:
    assert refused(rsa_record(bits)) == ("policy", f"the key has {bits} bits")  # RFC 8301, 3.2


@pytest.mark.parametrize("bits", [1024, 4096])
def test_a_key_at_the_bounds_counts(bits: int) -> None:
    assert parse_key(rsa_record(bits)).bits == bits


@pytest.mark.parametrize(
    ("texts", "outcome", "reason"),
    [
        (None, "temperror", "the key cannot be had now"),
        ((), "permerror", "there is no key"),
        (("p=", "hello"), "permerror", "the key is revoked"),
        ((key_of("ed25519").record,), "permerror", "the key is of another kind"),
        ((*["p="] * MOST_RECORDS, RSA), "permerror", "the key is revoked"),
    ],
)
def test_where_no_key_is_there_is_a_reason(texts: KeyText, outcome: str, reason: str) -> None:
    with pytest.raises(NoKey) as raised:
        keys_for(texts, "rsa-sha256")
    assert (raised.value.outcome, str(raised.value)) == (outcome, reason)


def test_of_several_records_those_count_that_are_keys_of_the_kind() -> None:
    found = keys_for(("v=spf1 -all", key_of("ed25519").record, RSA), "rsa-sha256")
    assert found == (parse_key(RSA),)
    assert len(keys_for((RSA,) * 4, "rsa-sha256")) == 2


@given(st.text(max_size=80) | st.binary(max_size=400).map(lambda octets: f"p={b64encode(octets).decode()}"))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    try:
        key = parse_key(text)
    except NoKey:
        return
    assert not key.verifies(b"", DIGEST)


def test_the_dearest_key_that_is_tried_costs_little() -> None:
    key = parse_key(rsa_record(4096, (1 << 33) - 1))
    started = process_time()
    assert not key.verifies(bytes(511) + b"\2", DIGEST)
    assert process_time() - started < 0.1
