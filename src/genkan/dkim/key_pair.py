# SPDX-License-Identifier: Apache-2.0
"""Makes and reads the keys that mail is signed with, and the DNS records of their public halves (RFC 6376, 3.6.1; RFC 8463, 4).

Where they are kept is not known here.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final, Literal, NamedTuple, assert_never

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from genkan.dkim.key_record import LEAST_BITS, MOST_BITS

KeyKind = Literal["rsa", "ed25519"]

RSA_BITS: Final = 2048  # of a new key; RFC 8301, 3.2
LONGEST_STRING: Final = 255  # octets of a character-string in a TXT record; RFC 1035, 3.3


class KeyFileError(Exception):
    """Octets are no private key to sign with; the text says why, and is for the operator who named the file."""


class KeyPair(NamedTuple):
    """A private key in PEM (PKCS #8, not encrypted), and the text of the TXT record for its public half."""

    private_pem: bytes
    record: str


def make_key_pair(kind: KeyKind) -> KeyPair:
    """A new pair; RSA takes a tenth of a second or more."""
    key: RSAPrivateKey | Ed25519PrivateKey
    match kind:
        case "rsa":
            key = generate_private_key(65537, RSA_BITS)
        case "ed25519":
            key = Ed25519PrivateKey.generate()
        case _:
            assert_never(kind)
    return KeyPair(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), record_of(key))


def read_private_key(pem: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    """The key in a file's octets. Raises `KeyFileError`."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        raise KeyFileError("it holds no private key in PEM that is not encrypted") from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        raise KeyFileError("the key is neither RSA nor Ed25519")
    if not LEAST_BITS <= key.key_size <= MOST_BITS:
        raise KeyFileError(f"the key has {key.key_size} bits; {LEAST_BITS} to {MOST_BITS} are verified by others")
    return key


def record_of(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    """The text of the TXT record for the public half of a key."""
    public = key.public_key()
    if isinstance(key, RSAPrivateKey):
        octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={b64encode(octets).decode()}"
    return f"v=DKIM1; k=ed25519; p={b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()}"


def zone_text(record: str) -> str:
    """The record's text as a zone file wants it: character-strings in quotes, none longer than it may be."""
    strings = (record[start : start + LONGEST_STRING] for start in range(0, len(record), LONGEST_STRING))
    return " ".join(f'"{string}"' for string in strings)
