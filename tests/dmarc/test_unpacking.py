# SPDX-License-Identifier: Apache-2.0
"""The file of a report: which part of a mail it is, and how it is unpacked without coming to harm."""

from __future__ import annotations

import gzip
import io
import time
import zipfile
import zlib
from base64 import encodebytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dmarc.unpacking import ALWAYS_ALLOWED, LARGEST, MOST_RATIO, ReportError, report_octets, unpacked

XML = b'<?xml version="1.0"?>\n<feedback>...</feedback>\n'
RANDOM = b"".join(zlib.crc32(bytes([n % 256, n // 256])).to_bytes(4, "big") for n in range(20_000))


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as file:
        for name, octets in members:
            file.writestr(name, octets)
    return made.getvalue()


def streamed_archive() -> bytes:
    """With the size behind the member, as who writes to a pipe has to put it."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    made = Pipe()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file, file.open("r.xml", "w") as member:
        member.write(XML)
    return made.getvalue()


FILES = {
    "plain": XML,
    "gzip": gzip.compress(XML, mtime=0),
    "zip": archive(("r.xml", XML)),
    "stored": archive(("r.xml", XML), method=zipfile.ZIP_STORED),
    "streamed": streamed_archive(),
    "two members": archive(("r.xml", XML), ("other.txt", b"x")),
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_each_way_to_pack_is_undone(file: bytes) -> None:
    assert unpacked(file) == XML


def mail(content_type: str, file: bytes) -> bytes:
    return (
        b'From: x@out.test\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\n<feedback> is attached\r\n"
        b"--b\r\nContent-Type: " + content_type.encode() + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"" + encodebytes(file).replace(b"\n", b"\r\n") + b"--b--\r\n"
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/gzip", "application/zip; name=r.zip", "application/octet-stream", "text/xml", "x/y"],
)
@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_the_report_is_known_by_its_first_octets(content_type: str, file: bytes) -> None:
    assert report_octets(mail(content_type, file)) == XML


def test_compressed_octets_are_no_text_whatever_is_said_of_them() -> None:
    assert report_octets(mail("text/plain", FILES["gzip"])) == XML


def test_a_mail_may_be_nothing_but_the_report() -> None:
    head = b"From: x@out.test\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert report_octets(head + encodebytes(FILES["zip"])) == XML
    assert report_octets(b"Content-Type: text/xml\r\n\r\n\xef\xbb\xbf " + XML) == b"\xef\xbb\xbf " + XML


@pytest.mark.parametrize(
    "octets",
    [b"", b"hello", b"From: x\r\n\r\n" + XML, b"Content-Type: text/html\r\n\r\n" + XML, mail("image/png", b"\x89PNG")],
)
def test_a_mail_without_one_is_an_error(octets: bytes) -> None:
    with pytest.raises(ReportError, match="^no part of the mail is a report$"):
        report_octets(octets)


ZIP = FILES["zip"]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (FILES["gzip"][:-9], "the compressed file is cut off"),
        (FILES["gzip"][:3], "the compressed file is cut off"),
        (FILES["gzip"][:10] + b"\xff" * 30, "the compressed file is damaged"),
        (ZIP[:20], "the zip archive is cut off"),
        (ZIP[:40], "the compressed file is cut off"),
        (ZIP[:6] + b"\1" + ZIP[7:], "the zip archive is encrypted"),
        (archive(("r.xml", XML), method=zipfile.ZIP_LZMA), "the zip archive is compressed by method 14"),
    ],
    ids=["gzip end", "gzip start", "gzip blocks", "zip header", "zip member", "encrypted", "lzma"],
)
def test_a_damaged_file_is_an_error(file: bytes, reason: str) -> None:
    with pytest.raises(ReportError, match=f"^{reason}$"):
        unpacked(file)


def test_a_file_that_unpacks_to_too_much_is_an_error() -> None:
    zeros = bytes(LARGEST + 1)
    for file in (gzip.compress(zeros), archive(("r.xml", zeros))):
        before = time.process_time()
        with pytest.raises(ReportError, match="^the report has more than [0-9]+ octets$"):
            unpacked(file)
        assert time.process_time() - before < 0.5
    with pytest.raises(ReportError, match=f"^the report has more than {LARGEST} octets$"):
        unpacked(b"<feedback>" + zeros)


def test_a_small_file_may_have_any_ratio_and_a_large_one_a_usual_one() -> None:
    assert unpacked(gzip.compress(bytes(ALWAYS_ALLOWED))) == bytes(ALWAYS_ALLOWED)
    with pytest.raises(ReportError):
        unpacked(gzip.compress(bytes(ALWAYS_ALLOWED + 1)))
    mixed = RANDOM + bytes(MOST_RATIO // 2 * len(RANDOM))
    assert unpacked(gzip.compress(mixed)) == mixed


@given(st.sampled_from(list(FILES.values())), st.integers(0, 60), st.binary(max_size=8))
def test_whatever_is_damaged_nothing_but_the_error_is_raised(file: bytes, start: int, octets: bytes) -> None:
    try:
        unpacked(file[:start] + octets + file[start + len(octets) :])
    except ReportError as error:
        assert str(error)  # noqa: PT017  # not every damage is an error
