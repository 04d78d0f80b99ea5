# SPDX-License-Identifier: Apache-2.0
"""Transfer encodings undone piece by piece: the same as all at once, and next to nothing waits."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.encoded_words import base64_octets
from genkan.message.transfer import transfer_decoder

if TYPE_CHECKING:
    from collections.abc import Iterable

quoted = st.lists(st.sampled_from([b"=", b"=4", b"1", b"=41", b"==", b"\r", b"\n", b"=\r\n", b"x"]), max_size=20)
base64 = st.lists(st.sampled_from([b"Q", b"QUJD", b"=", b"==", b"\r\n", b"*", b"\xff"]), max_size=20)


def decoded(encoding: str, pieces: Iterable[bytes]) -> bytes:
    decoder = transfer_decoder(encoding)
    assert decoder is not None
    return b"".join(map(decoder.feed, pieces)) + decoder.finish()


def octets(whole: bytes) -> list[bytes]:
    return [whole[at : at + 1] for at in range(len(whole))]


@given(quoted)
def test_quoted_printable_in_pieces_is_the_same_as_whole(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert decoded("quoted-printable", pieces) == binascii.a2b_qp(whole)
    assert decoded("quoted-printable", octets(whole)) == binascii.a2b_qp(whole)


@given(base64)
def test_base64_in_pieces_is_the_same_as_whole(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert decoded("base64", pieces) == base64_octets(whole)
    assert decoded("base64", octets(whole)) == base64_octets(whole)


@pytest.mark.parametrize(
    ("encoding", "piece"), [("base64", b"QUJD"), ("quoted-printable", b"=41"), ("quoted-printable", b"==")]
)
def test_what_is_certain_does_not_wait(encoding: str, piece: bytes) -> None:
    decoder = transfer_decoder(encoding)
    assert decoder is not None
    assert decoder.feed(piece * 1000) == decoded(encoding, [piece * 1000])


@pytest.mark.parametrize("encoding", ["", "7bit", "8bit", "binary", "x-uuencode"])
def test_other_encodings_are_left_as_they_are(encoding: str) -> None:
    assert transfer_decoder(encoding) is None
