# SPDX-License-Identifier: Apache-2.0
"""Domain names: any text is one or none, and what stands on the wire is read as another program wrote it."""

from __future__ import annotations

import struct
from typing import Final

import dns.name
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genkan.dns.name import (
    MOST_POINTERS,
    MOST_STEPS,
    BrokenName,
    Name,
    NameReader,
    name_octets,
    name_text,
    parse_name,
)

NAMES: Final = st.lists(st.binary(min_size=1, max_size=63), max_size=5).filter(
    lambda labels: sum(len(label) + 1 for label in labels) < 255
)


def read_name(octets: bytes, offset: int) -> tuple[Name, int]:
    return NameReader(octets).read(offset)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mail.example.test", (b"mail", b"example", b"test")),
        ("Mail.EXAMPLE.test.", (b"mail", b"example", b"test")),
        ("_dmarc.\u65e5\u672c\u8a9e.test", (b"_dmarc", b"xn--wgv71a119e", b"test")),
        ("a\\046b.test", (b"a\\046b", b"test")),
        ("a" * 63 + ".test", (b"a" * 63, b"test")),
        (".".join(["a" * 63] * 3 + ["a" * 61]), (b"a" * 63,) * 3 + (b"a" * 61,)),
        (".".join(["a" * 63] * 3 + ["a" * 62]), None),
        ("a" * 64 + ".test", None),
        ("", None),
        (".", None),
        ("a..test", None),
        (".test", None),
        ("test..", None),
        ("a\u3002test", None),
        ("\ud800.test", None),
        ("-\u00e9", None),
    ],
)
def test_text_is_read_as_a_name_or_as_none(text: str, name: Name | None) -> None:
    assert parse_name(text) == name


@given(st.text(max_size=80) | st.from_regex(r"([a-z_-]{1,20}\.){1,6}", fullmatch=True))
def test_any_text_is_a_name_that_fits_on_the_wire_or_none(text: str) -> None:
    name = parse_name(text)
    if name is not None:
        assert dns.name.from_wire(name_octets(name), 0) == (dns.name.Name((*name, b"")), len(name_octets(name)))
        assert not text.isascii() or b".".join(name) == text.lower().removesuffix(".").encode()


@given(NAMES, st.binary(max_size=20))
def test_a_name_is_read_back_from_the_wire(labels: list[bytes], before: bytes) -> None:
    wire = dns.name.Name((*labels, b"")).to_wire()
    assert wire is not None
    octets = before + wire + b"behind"
    name, end = read_name(octets, len(before))
    assert name == tuple(label.lower() for label in labels)
    assert octets[end:] == b"behind"


@given(NAMES)
@example([b"@"])
def test_the_text_of_a_name_is_unambiguous(labels: list[bytes]) -> None:
    text = name_text(tuple(label.lower() for label in labels))
    assert text.isprintable()
    assert dns.name.from_text(text, dns.name.root) == dns.name.Name((*labels, b""))


def test_the_root_is_a_dot() -> None:
    assert name_text(read_name(b"\0", 0)[0]) == "."


def test_pointers_lead_back_into_other_names() -> None:
    octets = b"\4test\0\3Www\xc0\0\1a\xc0\6!"
    assert read_name(octets, 6) == ((b"www", b"test"), 12)
    assert read_name(octets, 12) == ((b"a", b"www", b"test"), 16)


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        (b"\xc0\0", 0),
        (b"\xc0\2\0", 0),
        (b"\1a\xc0\0", 0),
        (b"\xc0\2\xc0\0", 2),
        (b"\1a\1b\xc0\0\xc0\2", 6),
        (b"\x40" + b"a" * 64 + b"\0", 0),
        (b"\x80a\0", 0),
        ((b"\1a" * 127) + b"\1a\0", 0),
    ],
)
def test_a_name_without_an_end_or_too_long_is_broken(octets: bytes, offset: int) -> None:
    with pytest.raises(BrokenName):
        read_name(octets, offset)


def chain(pointers: int) -> bytes:
    """The root, and pointers each of which leads to the one before."""
    return b"\0" + b"".join(struct.pack("!H", 0xC000 | max(0, 2 * number - 1)) for number in range(pointers))


def test_a_name_has_no_more_pointers_than_it_could_have_labels() -> None:
    octets = chain(MOST_POINTERS + 1)
    assert read_name(octets, 2 * MOST_POINTERS - 1) == ((), 2 * MOST_POINTERS + 1)
    with pytest.raises(BrokenName, match="too many"):
        read_name(octets, 2 * MOST_POINTERS + 1)


def test_the_names_of_one_message_have_a_bound_together() -> None:
    octets = b"\1a" * 99 + b"\0" + b"\xc0\0"
    names = NameReader(octets)
    for _ in range(MOST_STEPS // 100):
        assert names.read(199) == ((b"a",) * 99, 201)
    with pytest.raises(BrokenName, match="too long"):
        names.read(199)


@pytest.mark.parametrize("octets", [b"", b"\1", b"\1a", b"\5a\0", b"\xc0", b"\x3f"])
def test_a_name_that_ends_with_its_message_raises_what_the_reader_expects(octets: bytes) -> None:
    with pytest.raises(IndexError):
        read_name(octets, 0)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_whatever_stands_there_is_a_name_or_an_error_the_reader_knows(octets: bytes, offset: int) -> None:
    try:
        name, end = read_name(octets, offset)
    except (BrokenName, IndexError):
        return
    assert sum(len(label) + 1 for label in name) < 255
    assert offset < end <= len(octets)
