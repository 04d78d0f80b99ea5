# SPDX-License-Identifier: Apache-2.0
"""The transcript client's answers agree with the examples of the RFCs."""

from __future__ import annotations

import base64

from tests.support.answers import answer_line, cram_md5, scram_sha_256
from tests.support.transcript import Answer


def test_cram_md5_agrees_with_rfc_2195() -> None:
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    assert cram_md5(challenge, "tim", "tanstaaftanstaaf") == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_scram_sha_256_agrees_with_rfc_7677() -> None:
    server_first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert scram_sha_256(server_first, "n=user,r=rOprNGfwEbeRWgbNEkqO", "pencil") == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )


def test_answer_is_a_base64_line_to_the_challenge_of_the_reply() -> None:
    step = Answer(1, "CRAM-MD5", "tim", "tanstaaftanstaaf")
    challenge = base64.b64encode(b"<1896.697170952@postoffice.reston.mci.net>").decode()
    assert answer_line(step, f"334 {challenge}") == b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n"
