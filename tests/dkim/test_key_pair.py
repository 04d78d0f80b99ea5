# SPDX-License-Identifier: Apache-2.0
"""Keys of our own: made, read from files, and written for the DNS."""

from __future__ import annotations

import re
from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from genkan.dkim.key_pair import KeyFileError, KeyKind, make_key_pair, read_private_key, record_of, zone_text
from genkan.dkim.key_record import parse_key


@pytest.mark.parametrize(("kind", "bits"), [("rsa", 2048), ("ed25519", 256)])
def test_a_new_pair_is_read_back_from_its_file_and_its_record(kind: KeyKind, bits: int) -> None:
    pair = make_key_pair(kind)
    assert pair.private_pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert record_of(read_private_key(pair.private_pem)) == pair.record
    key = parse_key(pair.record)
    assert (key.algorithm, key.bits) == (f"{kind}-sha256", bits)
    assert make_key_pair(kind).record != pair.record


def test_the_key_of_rfc_8463_has_the_record_that_the_rfc_gives() -> None:
    key = Ed25519PrivateKey.from_private_bytes(
        b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    )  # RFC 8463, A.2
    record = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert record_of(key) == record


def test_a_long_record_is_cut_into_strings_for_the_zone_file() -> None:
    record = make_key_pair("rsa").record
    strings = re.findall(r'"([^"]*)"', zone_text(record))
    assert [len(string) for string in strings] == [255, len(record) - 255]
    assert "".join(strings) == record
    assert zone_text("v=DKIM1; p=") == '"v=DKIM1; p="'


def key_of_primes(first: int, second: int) -> RSAPrivateKey:
    """The RSA key of two Mersenne primes, which costs no search; all know how to break it."""
    p, q = 2**first - 1, 2**second - 1
    d = pow(65537, -1, (p - 1) * (q - 1))
    numbers = RSAPublicNumbers(65537, p * q)
    return RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), numbers).private_key()


def pem(
    key: RSAPrivateKey | EllipticCurvePrivateKey,
    encryption: KeySerializationEncryption | None = None,
    form: PrivateFormat = PrivateFormat.PKCS8,
) -> bytes:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def test_an_rsa_key_in_the_old_format_is_read_as_well() -> None:
    key = key_of_primes(607, 521)
    assert record_of(read_private_key(pem(key, form=PrivateFormat.TraditionalOpenSSL))) == record_of(key)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "it holds no private key in PEM that is not encrypted"),
        (
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "it holds no private key in PEM that is not encrypted",
        ),
        (
            pem(generate_ec_key(SECP256R1()), BestAvailableEncryption(b"x")),
            "it holds no private key in PEM that is not encrypted",
        ),
        (pem(generate_ec_key(SECP256R1())), "the key is neither RSA nor Ed25519"),
    ],
)
def test_a_file_that_nobody_can_sign_with_is_refused_with_a_reason(octets: bytes, reason: str) -> None:
    with pytest.raises(KeyFileError) as raised:
        read_private_key(octets)
    assert str(raised.value) == reason


def test_a_key_that_others_would_not_verify_with_is_refused() -> None:
    with pytest.raises(KeyFileError, match="the key has 648 bits; 1024 to 4096 are verified by others"):
        read_private_key(pem(key_of_primes(521, 127)))
