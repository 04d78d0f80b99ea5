# SPDX-License-Identifier: Apache-2.0
"""Authentication-Results: how ours is written, and which of others are taken out (RFC 8601)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.header import HeaderFields
from genkan.message.results import (
    MOST_FIELD,
    MOST_FIELDS,
    MOST_READ,
    MOST_START,
    MethodResult,
    Property,
    dmarc_pass,
    proven_author,
    results_field,
    without_results,
)

OWN = "mx.in.test"
HEADER = b"Received: x\r\nFrom: ann@in.test\r\nSubject: hello\r\n"


def written(*results: MethodResult) -> bytes:
    return results_field(OWN, results)


def value_of(text: str) -> bytes:
    line = written(MethodResult("spf", "pass", (Property("smtp", "mailfrom", text),)))
    return line.removeprefix(b"Authentication-Results: mx.in.test;\r\n spf=pass smtp.mailfrom=").removesuffix(b"\r\n")


# Ours.


def test_without_results_it_says_so() -> None:
    assert results_field("example.org", []) == b"Authentication-Results: example.org;\r\n none\r\n"  # RFC 8601, B.2


def test_each_method_has_its_line() -> None:
    assert results_field(  # RFC 8601, B.4 and B.6
        "example.com",
        [
            MethodResult("auth", "pass", (Property("smtp", "auth", "sender@example.net"),), "cram-md5"),
            MethodResult("spf", "pass", (Property("smtp", "mailfrom", "example.net"),)),
            MethodResult("iprev", "pass", (Property("policy", "iprev", "192.0.2.200"),)),
            MethodResult("dkim", "pass", (Property("header", "d", "example.net"),), "good signature"),
            MethodResult(
                "dmarc", "fail", (Property("header", "from", "example.net"), Property("policy", "dmarc", "reject"))
            ),
        ],
    ) == (
        b"Authentication-Results: example.com;\r\n"
        b" auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n"
        b" spf=pass smtp.mailfrom=example.net;\r\n"
        b" iprev=pass policy.iprev=192.0.2.200;\r\n"
        b" dkim=pass (good signature) header.d=example.net;\r\n"
        b" dmarc=fail header.from=example.net policy.dmarc=reject\r\n"
    )


def test_long_lines_are_folded_between_words() -> None:
    result = MethodResult(
        "dkim", "fail", (Property("header", "d", "a" * 60), Property("header", "s", "b" * 60)), "x " * 40
    )
    lines = written(result).split(b"\r\n")
    assert max(map(len, lines)) <= 78
    assert b"".join(lines) == (
        b"Authentication-Results: mx.in.test; dkim=fail (" + (b"x " * 40)[:-1] + b")"
        b" header.d=" + b"a" * 60 + b" header.s=" + b"b" * 60
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("example.com", b"example.com"),
        ("ann+x@example.com", b"ann+x@example.com"),
        ("@example.com", b"@example.com"),
        ("", b'""'),
        ("a b", b'"a b"'),
        ("2001:db8::1", b'"2001:db8::1"'),
        ("abc/def=", b'"abc/def="'),
        ('"a b"@example.com', b'"\\"a b\\"@example.com"'),
        ("a;b", b'"a;b"'),
        ("a\\", b'"a\\\\"'),
        ("a\r\nTo: x", b'"a??To: x"'),
        ("\N{HIRAGANA LETTER A}\x00", b'"??"'),
    ],
)
def test_a_value_stays_in_its_place(text: str, value: bytes) -> None:
    assert value_of(text) == value


def test_a_comment_stays_in_its_place() -> None:
    made = written(MethodResult("spf", "fail", (), "not ) permitted (\r\nTo: x\\"))
    assert made == b"Authentication-Results: mx.in.test;\r\n spf=fail (not \\) permitted \\(??To: x\\\\)\r\n"


def test_what_would_make_the_field_too_long_is_left_out() -> None:
    made = written(*[MethodResult("dkim", "pass", (Property("header", "d", f"d{n}.test"),)) for n in range(1000)])
    assert MOST_FIELD - 100 < len(made) <= MOST_FIELD
    assert made.endswith(b".test\r\n")


def test_a_first_word_that_is_too_long_leaves_no_blank_line() -> None:
    assert written(MethodResult("", "x" * 76)) == b"Authentication-Results: mx.in.test;\r\n =" + b"x" * 76 + b"\r\n"


TEXT = st.text(max_size=100)


@given(st.lists(st.builds(MethodResult, TEXT, TEXT, st.lists(st.builds(Property, TEXT, TEXT, TEXT)).map(tuple), TEXT)))
def test_whatever_it_is_made_of_it_is_one_field_of_ours(results: list[MethodResult]) -> None:
    made = results_field(OWN, results)
    assert made.isascii()
    assert all(line.strip() and len(line) <= 998 for line in made.split(b"\r\n")[:-1])
    assert list(HeaderFields(made + HEADER)._index()) == [b"authentication-results", b"received", b"from", b"subject"]
    assert without_results(made + HEADER, OWN) == HEADER
    assert without_results(made + HEADER, "other.test") == made + HEADER


# Those of others.


@pytest.mark.parametrize(
    "body",
    [
        b" mx.in.test; spf=pass",
        b"mx.in.test;none",
        b" mx.in.test 1; none",
        b" mx.in.test",
        b" mx.other.test",
        b" (" + b"a" * (MOST_START - 11) + b")mx.in.test; none",
        b" " * (MOST_START - 9) + b"mx.in.test; none",
        b" " + b"(" * 100 + b")" * 100 + b"mx.other.test; none",
        b' "mx.\xc3\xa9.test"; none',
        b" MX.In.Test.; none",
        b"\r\n\tmx.in.test\r\n ; dkim=pass\r\n header.d=in.test",
        b' "mx.in.test"; none',
        b' "mx\\.in.test"; none',
        b" (a (nested) comment) mx.in.test (\\)) 1 (x); none",
        b" ; spf=pass",
        b" spf=pass smtp.mailfrom=in.test",
        b" (mx.in.test; none",
        b' "mx.in.test; none',
        b" mx.in.test spf=pass",
        b" mx.in.test/2; none",
        b"",
        b" " + b"(x)" * MOST_START + b" other.test; none",
    ],
)
def test_a_field_that_claims_to_be_ours_or_may_is_taken_out(body: bytes) -> None:
    for name in (b"Authentication-Results:", b"AUTHENTICATION-RESULTS \t:"):
        field = name + body + b"\r\n"
        assert without_results(field + HEADER, OWN) == HEADER
        assert without_results(HEADER + field + b"X: y\r\n", OWN) == HEADER + b"X: y\r\n"


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: other.test; spf=pass smtp.mailfrom=mx.in.test\r\n",
        b"Authentication-Results: (mx.in.test) other.test; none\r\n",
        b"Authentication-Results: mx.in.test.other.test; none\r\n",
        b"Authentication-Results: in.test; none\r\n",
        b"ARC-Authentication-Results: i=1; mx.in.test; spf=pass\r\n",
        b"X-Authentication-Results: mx.in.test; spf=pass\r\n",
        b"Authentication-Results-Old: mx.in.test; spf=pass\r\n",
        b"Subject: Authentication-Results: mx.in.test; none\r\n Authentication-Results: mx.in.test; none\r\n",
        (  # RFC 8601, B.7
            b"Authentication-Results: foo.example.net (foobar) 1 (baz);\r\n"
            b" dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
            b" policy (A dot can go here) . (like that) expired\r\n"
            b" (this surprised me) = (as I wasn't expecting it) 1362471462\r\n"
        ),
    ],
)
def test_any_other_field_stays(field: bytes) -> None:
    assert without_results(field + HEADER, OWN) == field + HEADER


def test_an_id_with_comments_is_known_as_what_it_is() -> None:
    field = b"Authentication-Results: foo.example.net (foobar) 1 (baz);\r\n dkim=pass\r\n"
    assert without_results(field, "Foo.Example.Net") == b""


def test_names_beyond_ascii_may_be_ours() -> None:
    for name in ("mx.例え.test", '"mx.例え.test"', '"mx.other.test。"'):
        field = f"Authentication-Results: {name}; none\r\n".encode()
        assert without_results(field + HEADER, "mx.xn--r8jz45g.test") == HEADER


def test_all_of_several_are_taken_out() -> None:
    forged = b"Authentication-Results: mx.in.test; spf=pass\r\n"
    other = b"Authentication-Results: other.test; spf=fail\r\n"
    assert without_results(forged + HEADER + forged + other + forged, OWN) == HEADER + other


def test_more_of_them_than_anybody_needs_are_taken_out() -> None:
    other = b"Authentication-Results: other.test; spf=fail\r\n"
    assert without_results(other * (MOST_FIELDS + 5) + HEADER, OWN) == other * MOST_FIELDS + HEADER


def test_a_header_section_without_any_is_the_same() -> None:
    assert without_results(HEADER, OWN) is HEADER


# What one says.


@pytest.mark.parametrize(
    ("body", "author"),
    [
        ("mx.test; dmarc=pass", ""),
        ("mx.test; spf=fail; DMARC=Pass header.from=a.test", "a.test"),
        ("mx.test 1;dmarc=pass;spf=none header.from=a.test", ""),
        ("mx.test; dmarc/1 = pass (p=reject) policy.dmarc=none header.from = x@A.test", "a.test"),
        ("mx.test; dmarc=pass (header.from=b.test)", ""),
        ("mx.test (a; comment (in a comment)); (dmarc=fail) dmarc=pass", ""),
        ('mx.test; dkim=pass header.i="; dmarc=fail"; dmarc=pass', ""),
        ("mx.test;\tdmarc=pass\t", ""),
    ],
)
def test_a_pass_is_found_as_it_may_be_written(body: str, author: str) -> None:
    assert dmarc_pass(body) == author


@pytest.mark.parametrize(
    "body",
    [
        "",
        "mx.test; none",
        "mx.test; dmarc=fail",
        "mx.test; dmarc=pass-not",
        "mx.test; dmarc=passed",
        "mx.test; xdmarc=pass",
        "mx.test; spf=fail smtp.mailfrom=dmarc=pass",
        'mx.test; spf=fail smtp.mailfrom="; dmarc=pass"@evil.test',
        'mx.test; spf=fail smtp.mailfrom="\\"; dmarc=pass;"@evil.test',
        "mx.test; dkim=fail (body; dmarc=pass)",
        "mx.test; dkim=fail (it (says); dmarc=pass)",
        'mx.test; spf=fail reason="; dmarc=pass',
        "mx.test; spf=fail (; dmarc=pass",
        'mx.test; "dmarc"=pass',
        "mx.test; spf=fail;" + " " * MOST_READ + "dmarc=pass",
    ],
)
def test_what_is_quoted_or_a_comment_or_another_word_is_no_result(body: str) -> None:
    assert dmarc_pass(body) is None


@pytest.mark.parametrize("piece", ["(", '"', "()", '""', "; dmarc", "dmarc=", " ", "\\", '"(', "(((())"])
def test_no_results_take_long(piece: str) -> None:
    before = time.process_time()
    assert dmarc_pass(piece * (256 * 1024 // len(piece))) is None
    assert time.process_time() - before < 0.1


# What they cost.


@pytest.mark.parametrize(
    "piece",
    [
        b"Authentication-Results: (\r\n",
        b"Authentication-Results:" + b"(" * 900 + b"\r\n",
        b"Authentication-Results:" + b"()" * 500 + b"x;\r\n",
        'Authentication-Results:"é";\r\n'.encode(),
        'Authentication-Results:"é.é.é.é.é.é.é.é";\r\n'.encode(),
        f'Authentication-Results: "{"٠" * 400}";\r\n'.encode(),
        b"Authentication-Results: x\r\n " + b" \r\n" * 100,
        b"Authentication-Results " + b" " * 100,
        b"(",
        b"Authentication-Results",
        b'"\\',
        b"\n",
        b" \r\n ",
    ],
)
def test_no_header_section_takes_long(piece: bytes) -> None:
    header = b"Authentication-Results: " + piece * (256 * 1024 // len(piece))
    before = time.process_time()
    without_results(header, OWN)
    assert time.process_time() - before < 0.25


PASSED = b"Authentication-Results: mx.in.test;\r\n dmarc=pass policy.dmarc=none\r\n header.from=example.com;\r\n spf=fail\r\n"


def test_the_author_that_dmarc_has_proven_is_read_from_what_we_write() -> None:
    domain = ".".join(["x" * 60] * 4)
    properties = (Property("policy", "dmarc", "reject"), Property("header", "from", domain))
    field = results_field(OWN, [MethodResult("dmarc", "pass", properties), MethodResult("spf", "none")])
    assert proven_author(field + b"Received: x\r\n", OWN) == domain
    assert proven_author(PASSED, OWN.upper()) == "example.com"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Received: x\r\n" + PASSED,
        b" " + PASSED,
        PASSED.replace(b"mx.in.test", b"mx.out.test"),
        PASSED.replace(b"dmarc=pass", b"dmarc=fail"),
        PASSED.replace(b"dmarc=pass", b"dmarc=pass;"),
        PASSED.replace(b"dmarc=pass", b"spf=pass (; dmarc=pass)"),
        PASSED.replace(b"dmarc=pass", b'spf=pass smtp.mailfrom="; dmarc=pass "'),
        PASSED.replace(b"header.from=", b'header.from="'),
        b"Authentication-Results: mx.in.test; none\r\n",
        b"Authentication-Results: mx.in.test\r\n",
    ],
)
def test_what_our_field_does_not_prove_is_not_proven(content: bytes) -> None:
    assert proven_author(content, OWN) == ""
