# SPDX-License-Identifier: Apache-2.0
"""Hashes of bodies and of their beginnings, in one pass."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dkim.body_hash import BodyHash

if TYPE_CHECKING:
    from genkan.dkim.canonical import Form


@pytest.mark.parametrize(
    ("form", "digest"),
    [
        ("simple", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
        ("relaxed", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ],
)
def test_an_empty_body_has_the_hash_that_the_rfc_gives(form: Form, digest: str) -> None:
    digests = BodyHash(form).finish()
    assert b64encode(digests.whole).decode() == digest  # RFC 6376, 3.4.3 and 3.4.4
    assert digests.of(None) == digests.whole


@given(st.lists(st.binary(max_size=20), max_size=6), st.sets(st.integers(0, 80), max_size=5))
def test_each_beginning_has_the_hash_of_its_octets(chunks: list[bytes], lengths: set[int]) -> None:
    hashing = BodyHash("simple", lengths)
    for chunk in chunks:
        hashing.feed(chunk)
    digests = hashing.finish()
    body = b"".join(chunks)
    while body.endswith(b"\r\n"):
        body = body[:-2]
    body += b"\r\n"
    assert (digests.whole, digests.size) == (sha256(body).digest(), len(body))
    for length in lengths:
        assert digests.of(length) == (sha256(body[:length]).digest() if length <= len(body) else None)


def test_a_length_that_no_body_has_costs_nothing() -> None:
    hashing = BodyHash("relaxed", [10**75])
    hashing.feed(b"a")
    assert hashing.finish().of(10**75) is None


def test_no_octets_of_an_empty_body_can_be_signed() -> None:
    digests = BodyHash("relaxed", [0]).finish()
    assert digests.of(0) == digests.whole == sha256().digest()
