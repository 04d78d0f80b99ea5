# SPDX-License-Identifier: Apache-2.0
"""What of a command line reaches the log."""

from __future__ import annotations

import pytest

from genkan.smtp.redaction import loggable


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"MAIL FROM:<ann@in.test> SIZE=5", "MAIL FROM:<ann@in.test> SIZE=5"),
        (b"auth plain AGFubgBzZWNyZXQ=", "AUTH"),
        (b"AGFubgBzZWNyZXQ=", "16 octets"),
        (b"c2VjcmV0", "8 octets"),
        (b"YWJj", "4 octets"),
        (b"GET / HTTP/1.1", "GET"),
        (b"xclient ADDR=192.0.2.1", "XCLIENT"),
        (b"hunter", "6 octets"),
        (b"SECRETPW", "8 octets"),
        (b"QUIT AUTH PLAIN abc", "QUIT"),
        (b"RSET password", "RSET"),
        (b"EHLO AGFubgBzZWNyZXQ=", "EHLO"),
        (b"RCPT TO:" + b"x" * 500, "RCPT TO:" + "x" * 192),
    ],
)
def test_the_log_shows_of_a_line_what_cannot_be_a_secret(line: bytes, expected: str) -> None:
    assert loggable(line) == expected
