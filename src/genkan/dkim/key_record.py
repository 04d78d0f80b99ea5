# SPDX-License-Identifier: Apache-2.0
"""The public keys that domains publish, read from TXT records (RFC 6376, 3.6.1 and 6.1.2; RFC 8301; RFC 8463).

Whoever runs the zone writes the records: what would cost much to verify with is not tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from genkan.dkim.taglist import TagListError, decode_value, parse_tags, split_value

if TYPE_CHECKING:
    from genkan.dkim.signature import Algorithm

KeyText = tuple[str, ...] | None
"""What the DNS says to a question: the texts of the TXT records, one character an octet, none if there are none; `None` when
it failed and may be asked again."""

LEAST_BITS: Final = 1024  # of an RSA key; RFC 8301, 3.2
MOST_BITS: Final = 4096
MOST_EXPONENT_BITS: Final = 33  # all but a few are 65537, and each bit costs
MOST_RECORDS: Final = 4  # of one name that are looked at
MOST_KEYS: Final = 2  # of them that are tried; there should be one (RFC 6376, 3.6.2.2)
LONGEST_RECORD: Final = 4096  # octets; an RSA key of 4096 bits takes some 750

_PREHASHED: Final = Prehashed(SHA256())  # made by hashlib, while the octets pass
_PADDING: Final = PKCS1v15()
_KINDS: Final[dict[str, Algorithm]] = {"rsa": "rsa-sha256", "ed25519": "ed25519-sha256"}


class NoKey(Exception):
    """There is no key to verify with; `outcome` is what becomes of the signature, the text says why in a few words."""

    def __init__(self, outcome: Literal["permerror", "temperror", "policy"], reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and what its record says about it.

    `testing`: the domain is only trying, and mail whose signature fails is to be treated as if it had none (t=y). `strict`: the
    domain of i= has to be that of d= (t=s).
    """

    algorithm: Algorithm
    bits: int
    testing: bool
    strict: bool
    material: RSAPublicKey | Ed25519PublicKey

    def verifies(self, value: bytes, digest: bytes) -> bool:
        """Whether the signature `value` is of the data with this SHA-256 hash; Ed25519 signs the hash (RFC 8463, 3)."""
        try:
            if isinstance(self.material, RSAPublicKey):
                self.material.verify(value, digest, _PADDING, _PREHASHED)
            else:
                self.material.verify(value, digest)
        except InvalidSignature:
            return False
        return True


def keys_for(texts: KeyText, algorithm: Algorithm) -> tuple[PublicKey, ...]:
    """The keys that a signature of this algorithm may have been made with, one at least. Raises `NoKey`."""
    if texts is None:
        raise NoKey("temperror", "the key cannot be had now")
    if not texts:
        raise NoKey("permerror", "there is no key")
    keys: list[PublicKey] = []
    flaws: list[NoKey] = []
    for text in texts[:MOST_RECORDS]:
        try:
            keys.append(parse_key(text))
        except NoKey as flaw:
            flaws.append(flaw)
    fitting = tuple(key for key in keys if key.algorithm == algorithm)[:MOST_KEYS]
    if not fitting:
        raise NoKey("permerror", "the key is of another kind") if keys else flaws[0]
    return fitting


@lru_cache(maxsize=256)  # the same few domains send most mail
def parse_key(text: str) -> PublicKey:
    """The key in one record. Raises `NoKey`."""
    if len(text) > LONGEST_RECORD:
        raise NoKey("permerror", "the key record is too long")
    try:
        tags = parse_tags(text)
    except TagListError:
        raise NoKey("permerror", "the key record is no tag list") from None
    if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
        raise NoKey("permerror", "the key record is of another version")
    if "sha256" not in split_value(tags.get("h", "sha256")):
        raise NoKey("permerror", "the key is for another hash")
    if not {"*", "email"} & set(split_value(tags.get("s", "*"))):
        raise NoKey("permerror", "the key is not for mail")
    algorithm = _KINDS.get(tags.get("k", "rsa"))
    if algorithm is None:
        raise NoKey("permerror", "the key is of a kind that is not known")
    flags = split_value(tags.get("t", ""))
    material = _material(algorithm, tags)
    bits = material.key_size if isinstance(material, RSAPublicKey) else 256
    return PublicKey(algorithm, bits, "y" in flags, "s" in flags, material)


def _material(algorithm: Algorithm, tags: dict[str, str]) -> RSAPublicKey | Ed25519PublicKey:
    if "p" not in tags:
        raise NoKey("permerror", "the key record has no key")
    if not tags["p"]:
        raise NoKey("permerror", "the key is revoked")
    octets = decode_value(tags["p"]) or b""
    try:
        if algorithm == "ed25519-sha256":
            return Ed25519PublicKey.from_public_bytes(octets)
        key = load_der_public_key(octets)  # a bare RSAPublicKey too, which RFC 6376, 3.6.1, speaks of
    except (ValueError, UnsupportedAlgorithm):
        raise NoKey("permerror", "the key cannot be read") from None
    if not isinstance(key, RSAPublicKey) or key.public_numbers().e.bit_length() > MOST_EXPONENT_BITS:
        raise NoKey("permerror", "the key cannot be used")
    if not LEAST_BITS <= key.key_size <= MOST_BITS:
        raise NoKey("policy", f"the key has {key.key_size} bits")
    return key
