# SPDX-License-Identifier: Apache-2.0
"""The canonical forms against the RFC's examples and a plain reading of a whole body; any chunks; hostile bodies."""

from __future__ import annotations

import re
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dkim.canonical import RelaxedBody, SimpleBody, relaxed_field

PIECES = st.sampled_from([b"a", b"b", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b" \r\n", b"\xe9"])
BODIES = st.lists(PIECES, max_size=24).map(b"".join)


def canonical(form: type[SimpleBody], *chunks: bytes) -> bytes:
    body = form()
    pieces = [piece for chunk in chunks for piece in body.feed(chunk)]
    return b"".join([*pieces, *body.finish()])


def simple(body: bytes) -> bytes:
    """RFC 6376, 3.4.3, read plainly."""
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n"


def relaxed(body: bytes) -> bytes:
    """RFC 6376, 3.4.4, read plainly."""
    lines = [re.sub(rb"[ \t]+", b" ", line).removesuffix(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def test_the_examples_of_the_rfc_come_out_as_it_says() -> None:
    body = b" C \r\nD \t E\r\n\r\n\r\n"  # RFC 6376, 3.4.5
    assert relaxed_field(b"a", b" X\r\n") + relaxed_field(b"b", b" Y\t\r\n\tZ  \r\n") == b"a:X\r\nb:Y Z\r\n"
    assert canonical(RelaxedBody, body) == b" C\r\nD E\r\n"
    assert canonical(SimpleBody, body) == b" C \r\nD \t E\r\n"


def test_an_empty_body_is_a_line_end_in_simple_form_and_nothing_in_relaxed_form() -> None:
    assert canonical(SimpleBody) == b"\r\n"
    assert canonical(RelaxedBody) == b""
    assert canonical(RelaxedBody, b" \r\n\t\r\n ") == b""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b" \r\n a \r\n", b"x:a\r\n"),
        (b"\t\ta\t \tb  c", b"x:a b c\r\n"),
        (b"\r\n", b"x:\r\n"),
        (b" a\n\tb\n", b"x:a b\r\n"),
    ],
)
def test_a_field_is_unfolded_and_its_blanks_are_one(body: bytes, field: bytes) -> None:
    assert relaxed_field(b"x", body) == field


@given(BODIES)
def test_a_body_comes_out_as_a_plain_reading_of_the_rfc_says(body: bytes) -> None:
    assert canonical(SimpleBody, body) == simple(body)
    assert canonical(RelaxedBody, body) == relaxed(body)


@given(BODIES, st.lists(st.integers(0, 40), max_size=8))
def test_however_a_body_is_cut_the_same_comes_out(body: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    chunks = [body[start:end] for start, end in pairwise(places)]
    octets = [body[place : place + 1] for place in range(len(body))]
    for form in (SimpleBody, RelaxedBody):
        assert canonical(form, *chunks) == canonical(form, *octets) == canonical(form, body)


@pytest.mark.parametrize("form", [SimpleBody, RelaxedBody])
@pytest.mark.parametrize("unit", [b"\r\n", b" ", b"\t", b"\r", b"\n", b"\n\r", b" \r\n", b"\r ", b"a", b"a "])
@pytest.mark.parametrize("chunk", [100, 65_536])
def test_a_hostile_body_is_held_no_longer_than_a_chunk_and_costs_its_length(
    form: type[SimpleBody], unit: bytes, chunk: int
) -> None:
    octets = unit * (chunk // len(unit))
    body = form()
    longest = 0
    started = process_time()
    for _ in range(2_000_000 // chunk):
        for piece in body.feed(octets):
            longest = max(longest, len(piece))
    for piece in (*body.feed(b"x"), *body.finish()):
        longest = max(longest, len(piece))
    assert process_time() - started < 2
    assert longest <= chunk + 32_768
