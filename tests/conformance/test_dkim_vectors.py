# SPDX-License-Identifier: Apache-2.0
"""Signed messages of others: the public vectors, the examples of RFC 6376 and RFC 8463; the body also octet by octet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from genkan.dkim.verification import Signatures, Verification
from tests.support.signed_mail import MOST
from tests.support.vectors import vectors_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

# RFC 6376, A.2, with the indentation and the single space of errata 4926 and 3192, without which it does not verify.
RFC_6376: Final = b"""\
DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
        4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
        KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
        4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game. Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
RFC_6376_RECORDS: Final = {  # appendix C
    "brisbane._domainkey.example.com": (
        "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcT"
        "Nh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
    )
}


def verify(message: bytes, records: Mapping[str, str], chunk: int) -> Signatures:
    """The results at the time at which the topmost signature was made."""
    header, _, body = message.partition(b"\r\n\r\n")
    verification = Verification(header + b"\r\n", MOST)
    for start in range(0, len(body), chunk):
        verification.feed(body[start : start + chunk])
    signed = re.search(rb"[ \t]t=([0-9]+)", header)
    keys = {name: (records[name],) if name in records else () for name in verification.questions}
    return verification.results(keys, int(signed[1]) if signed else 0)


def read_vector(name: str) -> tuple[bytes, dict[str, str]]:
    """The message with CRLF, and the records that the file names before it."""
    octets = (vectors_folder("dkim") / name).read_bytes().replace(b"\r\n", b"\n")
    records, _, message = octets.partition(b"\n\n")
    return message.replace(b"\n", b"\r\n"), dict(line.split(" ", 1) for line in records.decode().split("\n"))


@pytest.mark.parametrize("chunk", [1, 65_536])
@pytest.mark.parametrize(
    ("name", "algorithms"),
    [
        ("001.txt", ["ed25519-sha256", "rsa-sha256"]),  # RFC 8463, appendix A
        ("002.txt", ["rsa-sha256"]),
        ("003.txt", ["rsa-sha256", "rsa-sha256"]),
        ("004.txt", ["rsa-sha256"]),
        ("005.txt", ["rsa-sha256"]),
        ("006.txt", ["rsa-sha256"]),
    ],
)
def test_signatures_of_the_public_vectors_pass(name: str, algorithms: list[str], chunk: int) -> None:
    message, records = read_vector(name)
    results = verify(message, records, chunk).dkim
    assert [(one.algorithm, one.outcome, one.reason) for one in results] == [(one, "pass", "") for one in algorithms]


def test_all_public_vectors_are_among_them() -> None:
    assert len(list(vectors_folder("dkim").glob("*.txt"))) == 6


@pytest.mark.parametrize("name", ["001.txt", "002.txt", "003.txt", "004.txt", "005.txt", "006.txt"])
def test_a_changed_body_or_header_makes_them_fail(name: str) -> None:
    message, records = read_vector(name)
    for changed in (message + b"x\r\n", message.replace(b"\r\nSubject: ", b"\r\nSubject: x", 1)):
        assert {one.outcome for one in verify(changed, records, 65_536).dkim} == {"fail"}


@pytest.mark.parametrize("chunk", [1, 65_536])
def test_the_example_of_rfc_6376_passes_as_corrected(chunk: int) -> None:
    (result,) = verify(RFC_6376, RFC_6376_RECORDS, chunk).dkim
    assert (result.outcome, result.key_bits, result.header_b) == ("pass", 1024, "AuUoFEfD")
    assert result.identity == "joe@football.example.com"


def test_the_example_of_rfc_6376_as_printed_has_another_body() -> None:
    printed = RFC_6376.replace(b"game. Are", b"game.  Are")  # erratum 3192
    assert verify(printed, RFC_6376_RECORDS, 65_536).dkim[0].reason == "the body has been changed"
