# SPDX-License-Identifier: Apache-2.0
"""dkimpy, the DKIM library of Debian's python3-dkim, as an independent judge: it verifies what we sign, and we what it signs."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from genkan.dkim.header_section import HeaderSection
from genkan.dkim.signing import Signer
from tests.support.dkimpy import need_dkimpy, run_dkimpy, verified
from tests.support.signed_mail import BODY, HEADER, NOW, QUESTION, Key, body_hash, key_of, verify

if TYPE_CHECKING:
    from genkan.dkim.key_pair import KeyKind

SIGNER: Final = """
import dkim, sys
key, algorithm, *forms = (argument.encode() for argument in sys.argv[1:])
message = sys.stdin.buffer.read()
field = dkim.sign(message, b"sel", b"example.test", key, canonicalize=tuple(forms), signature_algorithm=algorithm)
sys.stdout.buffer.write(field)
"""


@pytest.fixture(scope="module", autouse=True)
def _judge() -> None:
    need_dkimpy()


def private_text(key: Key) -> str:
    """A private key as dkimpy reads it."""
    if isinstance(key.private, RSAPrivateKey):
        return key.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    return b64encode(key.private.private_bytes_raw()).decode()


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_it_finds_our_signatures_good_until_the_message_is_changed(kind: KeyKind) -> None:
    key = key_of(kind)
    header = Signer("example.test", "sel", key.private).field(HeaderSection(HEADER), body_hash(BODY), NOW) + HEADER
    verdicts = [
        verified(message, {QUESTION: key.record})
        for message in (
            header + b"\r\n" + BODY,
            header + b"\r\n" + BODY + b"more",
            header.replace(b"tale", b"sale") + b"\r\n" + BODY,
            header + b"Subject: another\r\n\r\n" + BODY,
        )
    ]
    assert verdicts == [[True], [False], [False], [False]]


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
@pytest.mark.parametrize("header_form", ["simple", "relaxed"])
@pytest.mark.parametrize("body_form", ["simple", "relaxed"])
def test_we_find_its_signatures_good_until_the_message_is_changed(
    kind: KeyKind, header_form: str, body_form: str
) -> None:
    key = key_of(kind)
    field = run_dkimpy(SIGNER, HEADER + b"\r\n" + BODY, private_text(key), f"{kind}-sha256", header_form, body_form)
    messages = [
        (field + HEADER, BODY),
        (field + HEADER.replace(b"Ann", b"Eve"), BODY),
        (field + HEADER, BODY + b"more"),
    ]
    results = [verify(header, body, {QUESTION: (key.record,)}).dkim[0] for header, body in messages]
    assert [result.outcome for result in results] == ["pass", "fail", "fail"]
