# SPDX-License-Identifier: Apache-2.0
"""What becomes of a message's signatures: each outcome of RFC 8601, 2.7.1, with its reason; and hostile messages."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dkim.verification import DkimResult, Signatures, Verification
from tests.support.signed_mail import BODY, HEADER, MOST, NOW, QUESTION, TAGS, key_of, signed, verify

if TYPE_CHECKING:
    from genkan.dkim.key_pair import KeyKind
    from genkan.dkim.key_record import KeyText

GOOD = signed()


def outcome(
    header: bytes, body: bytes = BODY, keys: dict[str, KeyText] | None = None, now: int = NOW
) -> tuple[str, str]:
    (result,) = verify(header, body, keys, now).dkim
    return result.outcome, result.reason


def test_a_good_signature_passes_and_all_about_it_is_told() -> None:
    (result,) = verify(GOOD).dkim
    assert result == DkimResult(
        outcome="pass",
        domain="example.test",
        selector="sel",
        identity="@example.test",
        algorithm="rsa-sha256",
        header_b=GOOD.partition(b" b=")[2][:8].decode(),
        key_bits=2048,
    )


@pytest.mark.parametrize("header_form", ["simple", "relaxed"])
@pytest.mark.parametrize("body_form", ["simple", "relaxed"])
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_each_algorithm_verifies_in_each_form(header_form: str, body_form: str, kind: KeyKind) -> None:
    key = key_of(kind)
    tags = TAGS.replace("relaxed/relaxed", f"{header_form}/{body_form}").replace("rsa", kind)
    header = signed(tags, key=key)
    keys: dict[str, KeyText] = {QUESTION: (key.record,)}
    assert outcome(header, keys=keys) == ("pass", "")
    assert outcome(header, BODY + b"x", keys)[0] == "fail"
    refolded = header.replace(b"a  tale", b"a\r\n tale")
    assert outcome(refolded, keys=keys)[0] == ("fail" if header_form == "simple" else "pass")
    respaced = BODY.replace(b",  \r\n", b",\r\n")
    assert outcome(header, respaced, keys)[0] == ("fail" if body_form == "simple" else "pass")


@pytest.mark.parametrize(
    ("header", "body", "reason"),
    [
        (GOOD, BODY.replace(b"Bob", b"Eve"), "the body has been changed"),
        (GOOD.replace(b"tale", b"sale"), BODY, "the signature is not of this header"),
        (GOOD + b"From: eve@in.test\r\n", BODY, "the signature is not of this header"),
        (GOOD.replace(b"d=example.test", b"d=example.tess"), BODY, "the signature is not of this header"),
        (GOOD.replace(b" b=", b" b=AAAA"), BODY, "the signature is not of this header"),
    ],
)
def test_a_changed_message_fails(header: bytes, body: bytes, reason: str) -> None:
    assert outcome(header, body) == ("fail", reason)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (None, ("temperror", "the key cannot be had now")),
        ((), ("permerror", "there is no key")),
        (("p=",), ("permerror", "the key is revoked")),
        ((key_of("ed25519").record,), ("permerror", "the key is of another kind")),
        (("v=spf1 -all", key_of().record), ("pass", "")),
    ],
)
def test_the_dns_decides_as_well(texts: KeyText, expected: tuple[str, str]) -> None:
    assert outcome(GOOD, keys={QUESTION: texts}) == expected


def test_a_question_without_an_answer_counts_as_one_that_failed() -> None:
    assert outcome(GOOD, keys={}) == ("temperror", "the key cannot be had now")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (f"{TAGS}; x={NOW}", ("pass", "")),
        (f"{TAGS}; x={NOW - 1}", ("permerror", "the signature has expired")),
    ],
)
def test_a_signature_that_has_expired_is_no_longer_good(tags: str, expected: tuple[str, str]) -> None:
    assert outcome(signed(tags)) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (GOOD.replace(b"v=1", b"v=2"), ("permerror", "v= is not 1")),
        (GOOD.replace(b"rsa-sha256", b"rsa-sha1"), ("permerror", "a= is rsa-sha1, which no longer counts")),
        (GOOD.replace(b"v=1;", b"v=1;;"), ("neutral", "the tag list has a part that is no tag")),
        (GOOD.replace(b"sel;", b"sel; n=\xff;"), ("neutral", "the tag list is not in UTF-8")),
    ],
)
def test_a_signature_that_cannot_be_read_or_used_says_why(header: bytes, expected: tuple[str, str]) -> None:
    assert outcome(header) == expected
    assert Verification(header, MOST).questions == ()


def test_of_a_signature_that_cannot_be_used_what_can_be_read_is_told() -> None:
    (result,) = verify(GOOD.replace(b"sel;", b"*;").replace(b"v=1; ", b"")).dkim
    assert result.domain == "example.test"
    assert result.selector == ""
    assert len(result.header_b) == 8


def test_a_key_that_is_being_tested_is_told_whatever_the_outcome() -> None:
    keys: dict[str, KeyText] = {QUESTION: (key_of().record + "; t=y",)}
    results = [verify(GOOD, body, keys).dkim[0] for body in (BODY, b"x")]
    assert [(result.outcome, result.testing) for result in results] == [("pass", True), ("fail", True)]


@pytest.mark.parametrize(("identity", "expected"), [("ann@Example.test", "pass"), ("ann@a.example.test", "permerror")])
def test_a_strict_key_wants_the_identity_in_the_domain_itself(identity: str, expected: str) -> None:
    header = signed(f"{TAGS}; i={identity}")
    assert outcome(header)[0] == "pass"
    assert outcome(header, keys={QUESTION: (f"{key_of().record}; t=s",)})[0] == expected


def test_a_signature_behind_whose_length_more_follows_does_not_count() -> None:
    length = len(b"Dear Bob,\r\n\r\n two lines\r\n")
    header = signed(f"{TAGS}; l={length}")
    assert outcome(header) == ("pass", "")
    assert outcome(header, BODY + b"spam!\r\n") == ("policy", "11 octets stand behind what l= covers")
    assert outcome(header, b"Dear Bob,\r\n") == ("permerror", "l= is more than the body has")


def test_signatures_are_told_from_the_top_down_and_no_more_than_are_wanted() -> None:
    header = GOOD
    for number in range(MOST):
        header = f"DKIM-Signature: v=1; s=s{number}\r\n".encode() + header
    assert [result.selector for result in verify(header).dkim] == [f"s{number}" for number in range(9, -1, -1)]
    assert len(Verification(GOOD * 3, 2).results({}, NOW).dkim) == 2


def test_a_question_is_asked_once() -> None:
    other = signed(TAGS.replace("s=sel", "s=two"), GOOD)
    assert Verification(signed(header=other), MOST).questions == (QUESTION, "two._domainkey.example.test")


def test_one_signature_does_not_break_another() -> None:
    both = signed(TAGS.replace("h=from", "h=dkim-signature:from"), signed(TAGS.replace("s=sel", "s=two")))
    assert [result.outcome for result in verify(both).dkim] == ["pass", "pass"]


@pytest.mark.parametrize("name", [b"DKIM-Signature:", b"dkim-signature \t:", b"Dkim-Signature:"])
def test_a_signature_is_found_under_its_name_in_any_writing(name: bytes) -> None:
    renamed = GOOD.replace(b"DKIM-Signature:", name, 1)
    first, _, rest = HEADER.partition(b"\r\n")
    below = renamed.removesuffix(HEADER).join((first + b"\r\n", rest))
    assert outcome(renamed) == outcome(below) == ("pass", "")


def test_mail_without_signatures_has_no_results_and_is_not_hashed() -> None:
    verification = Verification(HEADER, MOST)
    verification.feed(BODY)
    assert verification.results({}, NOW) == Signatures()
    assert verification.questions == ()
    assert verification._bodies == {}


def test_a_body_is_hashed_only_for_signatures_that_can_be_used() -> None:
    assert Verification(GOOD.replace(b"v=1", b"v=2"), MOST)._bodies == {}
    assert set(Verification(GOOD, MOST)._bodies) == {"relaxed"}


@given(st.lists(st.integers(0, len(BODY)), max_size=6))
def test_however_the_body_is_cut_the_results_are_the_same(cuts: list[int]) -> None:
    verification = Verification(GOOD, MOST)
    places = [0, *sorted(cuts), len(BODY)]
    for number in range(len(places) - 1):
        verification.feed(BODY[places[number] : places[number + 1]])
    assert verification.results({QUESTION: (key_of().record,)}, NOW) == verify(GOOD)


@given(st.binary(max_size=200) | st.text("vabdshcilxqtz=;: \r\n/@.1relaxed", max_size=120).map(str.encode))
def test_no_field_raises(body: bytes) -> None:
    for name in (b"DKIM-Signature", b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"):
        verify(name + b":" + body + b"\r\n" + HEADER)


USABLE = b"DKIM-Signature: " + GOOD.partition(b": ")[2].partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "header",
    [
        (USABLE + b"\r\n") * 700 + HEADER,
        b"DKIM-Signature: v=1\r\n" * 10_000 + HEADER,
        b"ARC-Seal: i=1\r\n" * 10_000 + HEADER,
        GOOD.replace(b"h=", b"h=" + b"from:" * 5000),
        GOOD.replace(b"h=", b"h=" + b"x:" * 900) + b"x: " + b" y" * 120_000 + b"\r\n",
        (USABLE + b"\r\n") * 10 + b"to: " + b" \t" * 120_000 + b"\r\n" + HEADER,
        (USABLE + b"\r\n") * 10 + b"to:\r\n" * 50_000 + HEADER,
        GOOD.replace(b"sel;", b"sel; z=" + b"x" * 100_000 + b";"),
        GOOD.replace(b"sel;", b"sel;" + b" ;" * 50_000),
        GOOD.replace(b"sel;", b"sel; l=" + b"9" * 76 + b";"),
        GOOD.replace(b" b=", b" b=" + b"A" * 200_000),
    ],
)
def test_a_hostile_header_costs_little(header: bytes) -> None:
    started = process_time()
    verify(header)
    assert process_time() - started < 1
